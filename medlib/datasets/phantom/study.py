"""One made-up patient on one made-up scanner: everything about a study but its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medlib.datasets.phantom import frame, organs
from medlib.datasets.phantom.build import Build
from medlib.datasets.phantom.recipe import Phase, Recipe
from medlib.datasets.phantom.render import Acquisition, Body, render
from medlib.space import Affine, Grid


@dataclass(frozen=True)
class Plan:
    """How study ``number`` (from 1) is scanned and stored.

    What exercises a reader comes at fixed numbers, so that even a short archive has it: large
    images, oblique series, feet first, slices from head to foot, shuffled instance numbers, and
    files without an extension.
    """

    number: int

    @property
    def name(self) -> str:
        """The invented patient's identifier."""
        return f"PHANTOM-{self.number:03d}"

    @property
    def large(self) -> bool:
        """Whether the images have the large size."""
        return self.number % 6 == 3

    @property
    def oblique(self) -> bool:
        """Whether the slices are tilted."""
        return self.number % 5 == 2

    @property
    def feet_first(self) -> bool:
        """Whether the columns run to the patient's right."""
        return self.number % 7 == 4

    @property
    def downwards(self) -> bool:
        """Whether the slices run from head to foot."""
        return self.number % 4 == 1

    @property
    def shuffled(self) -> bool:
        """Whether instance numbers tell nothing about the order."""
        return self.number % 3 == 2

    @property
    def extension(self) -> str:
        """Of the image files."""
        return "" if self.number % 4 == 3 else ".dcm"


@dataclass(frozen=True)
class Study:
    """A finished study.

    Args:
        hu: (slice, row, column).
        labels: ids, (slice, row, column).
        grid: of both.
        phase: name of the contrast phase.
    """

    hu: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]
    grid: Grid
    phase: str


def draw(plan: Plan, recipe: Recipe, ids: Mapping[str, int]) -> Study:
    """Draw one study; the same recipe and number give the same voxels."""
    rng = np.random.default_rng([recipe.seed, plan.number])
    shares = np.array([p.share for p in recipe.phase])
    phase = recipe.phase[int(rng.choice(len(shares), p=shares / shares.sum()))]
    to_patient = Affine.translation(
        [*rng.normal(0, 6, 2), -round(float(rng.uniform(0, 900)), 1)]
    ) @ Affine.rotation(rng.normal(0, 2.5, 3).tolist())
    grid = _grid(plan, recipe, to_patient, rng)
    body = _body(phase, recipe, ids, to_patient, rng)
    scan = recipe.scan
    acquisition = Acquisition(
        noise_hu=rng.uniform(*scan.noise_hu),
        grain_mm=rng.uniform(*scan.grain_mm),
        texture_hu=rng.uniform(*scan.texture_hu),
        texture_mm=rng.uniform(*scan.texture_mm),
    )
    hu, labels = render(body, grid, acquisition, rng)
    return Study(hu, labels, grid, phase.name)


def _grid(plan: Plan, recipe: Recipe, to_patient: Affine, rng: np.random.Generator) -> Grid:
    scan = recipe.scan
    rows = scan.large_rows if plan.large else int(rng.choice(scan.rows))
    pixel = round(float(rng.uniform(*scan.field_of_view_mm)) / rows, 4)
    thickness = round(float(rng.uniform(*scan.slice_mm)) * 4) / 4
    length = rng.uniform(*scan.length_mm)
    slices = int(np.clip(round(length / thickness), *scan.slices))
    directions = np.eye(3)[:, ::-1].copy()
    if plan.feet_first:
        directions[:, 2] *= -1
    if plan.downwards:
        directions[:, 0] *= -1
    if plan.oblique:
        tilt = rng.uniform(*scan.tilt_degrees) * rng.choice([-1, 1])
        turn = Affine.rotation((tilt, rng.normal(0, 3), rng.normal(0, 4)))
        directions = turn.matrix[:3, :3] @ directions
    spacing = (thickness, pixel, pixel)
    centre = to_patient([[*rng.normal(0, 4, 2), 14 + rng.normal(0, 6)]])[0]
    half = directions @ ((np.array([slices, rows, rows]) - 1) / 2 * np.array(spacing))
    return Grid.from_axes(
        (slices, rows, rows), spacing=spacing, directions=directions, origin=centre - half
    )


def _body(
    phase: Phase,
    recipe: Recipe,
    ids: Mapping[str, int],
    to_patient: Affine,
    rng: np.random.Generator,
) -> Body:
    hu = {
        tissue: float(rng.uniform(*bounds))
        for tissue, bounds in phase.model_dump(exclude={"name", "share"}).items()
    }
    build = Build.draw(rng)
    inside = organs.Organs.of(build)
    count = rng.integers(recipe.lesions.count[0], recipe.lesions.count[1] + 1)
    contrast = rng.uniform(*recipe.lesions.contrast_hu, count)
    bright = rng.uniform(size=count) < recipe.lesions.bright_share
    masses = organs.lesions(
        inside,
        build,
        diameters=np.sort(rng.uniform(*recipe.lesions.diameter_mm, count))[::-1].tolist(),
        hu=(hu["liver"] + np.where(bright, contrast, -contrast)).tolist(),
        label=ids["liver lesion"],
    )
    solid = organs.solid_organs(inside, build, hu, ids)
    parts = (
        *frame.trunk(build, hu["heart"]),
        *frame.ribs(build),
        *organs.hollow_organs(build, hu),
        *frame.spine(build, hu["marrow"], ids["vertebrae"]),
        *solid,
        *organs.vessels(inside, build, hu, ids),
        *masses,
    )
    return Body(frame.couch(build), parts, to_patient, _warp(rng))


def _warp(
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Six long waves that bend the whole body by a few millimetres."""
    directions = rng.standard_normal((6, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = rng.uniform(120, 260, (6, 1))
    return (
        directions * 2 * np.pi / lengths,
        rng.uniform(0, 2 * np.pi, 6),
        rng.normal(0, 2.2, (6, 3)),
    )
