"""The organs of the upper abdomen, their vessels, and lesions in the liver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medlib.datasets.phantom.build import INF, Build
from medlib.datasets.phantom.frame import FAT
from medlib.datasets.phantom.render import Part
from medlib.datasets.phantom.shapes import Solid, Vector, beyond, ellipsoid, tube

Tissues = Mapping[str, float]  # Hounsfield units by the name of a tissue

GAS, BILE, WATER = -960.0, 8.0, 12.0


@dataclass(frozen=True)
class Organs:
    """The solids of the labelled organs, each fitted to its neighbours."""

    liver: Solid
    spleen: Solid
    kidneys: tuple[Solid, Solid]  # left, right
    sinuses: tuple[Solid, Solid]
    gallbladder: Solid
    aorta: Solid
    cava: Solid

    @classmethod
    def of(cls, build: Build) -> Organs:
        """Draw them for one patient."""
        room = build.cavity.grown(-3).meet(build.below_diaphragm.grown(-4))
        left, left_sinus = _kidney(build, side=1)
        right, right_sinus = _kidney(build, side=-1)
        aorta, cava = _great_vessels(build)
        x, y, z = (right.low + right.high) / 2
        behind = ellipsoid((x + 6, y + 24, z - 14), (38, 34, 60))
        return cls(
            liver=_liver(build, room).cut(right.grown(6).join(behind), blend=8).cut(cava.grown(-2)),
            spleen=_spleen(build, room).cut(left.grown(5), blend=6),
            kidneys=(left, right),
            sinuses=(left_sinus, right_sinus),
            gallbladder=ellipsoid(
                build.draw_near(-48, -38, 4, spread=5),
                build.draw_size(14, 15, 27, spread=0.12),
                turn=build.draw_near(-28, 12, 0, spread=6),
            ),
            aorta=aorta,
            cava=cava,
        )


def _liver(build: Build, room: Solid) -> Solid:
    half = build.width - build.fat
    right = ellipsoid(
        build.draw_near(-0.56 * half, -6, 44),
        build.draw_size(0.53 * half, 78, 80),
        turn=build.draw_near(0, 8, 0, spread=4),
        power=2.5,
    )
    left = ellipsoid(
        build.draw_near(-4, -42, 68),
        build.draw_size(62, 33, 33),
        turn=build.draw_near(0, -12, 0, spread=5),
    )
    hollow = ellipsoid(
        build.draw_near(4, 14, 0), build.draw_size(52, 46, 62), turn=(0, 0, 10), power=2.5
    )
    spine = ellipsoid((0, build.spine + 6, 0), (46, 36, INF))
    lobes = right.join(left, blend=22).cut(hollow, blend=20).cut(spine, blend=8)
    return lobes.bumpy(build.rng, height=2.0, wavelength=70).meet(room, blend=5)


def _spleen(build: Build, room: Solid) -> Solid:
    half = build.width - build.fat
    turn = build.draw_near(-15, 10, 15, spread=6)
    x, y, z = build.draw_near(0.70 * half, build.spine - 16, 56, spread=4)
    whole = ellipsoid((x, y, z), build.draw_size(36, 52, 54, spread=0.1), turn=turn)
    hilum = ellipsoid((x - 42, y - 16, z - 2), build.draw_size(30, 34, 48), turn=turn)
    return whole.cut(hilum, blend=8).bumpy(build.rng, height=1.5, wavelength=50).meet(room, blend=4)


def _kidney(build: Build, *, side: int) -> tuple[Solid, Solid]:
    """A kidney and the fat of its sinus; the right one hangs lower, under the liver."""
    z = -4.0 if side > 0 else -16.0
    x, y, z = build.draw_near(side * 64, build.spine - 6, z, spread=4)
    turn = build.draw_near(-10, -side * 14, side * 25, spread=4)
    bean = ellipsoid((x, y, z), build.draw_size(27, 24, 53), turn=turn, power=2.5)
    sinus = ellipsoid((x - side * 23, y - 9, z), build.draw_size(19, 9, 19), turn=turn)
    return bean.cut(sinus, blend=7).bumpy(build.rng, height=0.8, wavelength=45), sinus


def _great_vessels(build: Build) -> tuple[Solid, Solid]:
    """Aorta, to the left of the midline, and vena cava, to the right of it."""
    radius = build.rng.uniform(9.5, 12.5)
    front = build.spine - 17
    heights = (230, 130, 60, 0, -60, -170)
    path = [
        (x + build.rng.normal(0, 1.5), front - radius - lift, z)
        for x, lift, z in zip((16, 15, 10, 8, 7, 5), (-14, -8, 2, 3, 3, 3), heights, strict=True)
    ]
    radii = radius * np.array([1.12, 1.1, 1.05, 1.0, 0.93, 0.85])
    cava_path = [
        (x + build.rng.normal(0, 1.5), front + y, z)
        for x, y, z in zip((-20, -22, -22, -20, -18, -17), (-48, -38, -24, -12, -9, -8),
                           heights, strict=True)
    ]  # fmt: skip
    return tube(path, radii), tube(cava_path, build.draw_size(12, spread=0.1)[0])


def hollow_organs(build: Build, hu: Tissues) -> tuple[Part, ...]:
    """Stomach, colon and small bowel, with gas above and fluid or stool below."""
    rng, half = build.rng, build.width - build.fat
    room = build.cavity.grown(-4)
    stomach = ellipsoid(build.draw_near(54, -2, 76), build.draw_size(34, 36, 34)).join(
        tube([build.draw_near(58, -10, 70), build.draw_near(52, -42, 34),
              build.draw_near(20, -52, 10), build.draw_near(-18, -42, 12)], (28, 24, 18, 12)),
        blend=12,
    )  # fmt: skip
    parts = [
        *_filled(
            stomach.meet(room.meet(build.below_diaphragm.grown(-5))),
            wall=4,
            hu=hu,
            filling=_meal(rng),
            level=-28,
        )
    ]
    flank = half - 33
    colon = (
        [(-flank, 22, -150), (-flank - 2, 20, -70), (-flank + 4, 8, -42)],
        [(-flank + 6, -10, -46), (-55, -58, -58), (0, -68, -66), (55, -60, -50),
         (flank - 8, -20, 0)],
        [(flank - 2, 8, 14), (flank + 4, 24, -30), (flank, 26, -150)],
    )  # fmt: skip
    for path, radius in zip(colon, (20, 16, 13), strict=True):
        bent = [build.draw_near(*point, spread=4) for point in path]
        gut = tube(bent, build.draw_size(radius)[0]).bumpy(rng, height=1.6, wavelength=24)
        filling = rng.choice([GAS, -60.0, 35.0], p=[0.5, 0.25, 0.25])
        parts += _filled(gut.meet(room), wall=2.5, hu=hu, filling=filling, level=None)
    for _ in range(16):
        start = np.array([rng.uniform(-70, 78), rng.uniform(-72, 0), rng.uniform(-150, -18)])
        turns = rng.normal(0, 22, (3, 3)) * (1, 0.6, 0.8)
        loop = tube(start + np.cumsum(turns, axis=0), rng.uniform(9, 13))
        level = start[1] - 4 if rng.uniform() < 0.3 else None
        parts += _filled(loop.meet(room), wall=2.5, hu=hu, filling=_meal(rng), level=level)
    return tuple(parts)


def _meal(rng: np.random.Generator) -> float:
    """Mostly water, sometimes oral contrast."""
    return float(rng.uniform(130, 220) if rng.uniform() < 0.2 else rng.uniform(5, 40))


def _filled(
    gut: Solid, *, wall: float, hu: Tissues, filling: float, level: float | None
) -> list[Part]:
    """A hollow organ; gas collects in front of ``level``, for the patient lies on the back."""
    inside = gut.grown(-wall)
    parts = [Part(gut, hu["gut"]), Part(inside, filling)]
    if level is not None:
        parts.append(Part(inside.meet(beyond((0, -1, 0), -level)), GAS))
    return parts


def solid_organs(organs: Organs, build: Build, hu: Tissues, ids: Mapping[str, int]) -> list[Part]:
    """Pancreas, liver, spleen, gallbladder and kidneys, with the vessels that feed them."""
    front = build.spine - 46
    pancreas = tube(
        [build.draw_near(*p) for p in ((-30, front - 4, -4), (-14, front - 14, 10),
                                       (16, front - 18, 20), (48, front + 4, 34),
                                       (78, front + 22, 44))],
        build.draw_size(15, 11, 9, 10, 7),
    ).bumpy(build.rng, height=2.0, wavelength=22)  # fmt: skip
    splenic_vein = tube(
        [(-14, front - 10, 24), (16, front - 6, 24), (48, front + 12, 36), (82, front + 28, 52)], 4
    )
    liver, kidneys = organs.liver, organs.kidneys
    parts = [
        Part(pancreas, hu["pancreas"]),
        Part(splenic_vein, hu["portal"]),
        Part(liver, hu["liver"], ids["liver"]),
        *(Part(v.meet(liver.grown(-4)), hu[kind], None) for kind, v in _liver_vessels(build)),
        Part(organs.spleen, hu["spleen"], ids["spleen"]),
        Part(organs.gallbladder, hu["gut"]),
        Part(organs.gallbladder.grown(-2), BILE),
    ]
    for kidney, sinus, name, side in zip(
        kidneys, organs.sinuses, ("left kidney", "right kidney"), (1, -1), strict=True
    ):
        hilum = (sinus.low + sinus.high) / 2
        vein = tube(
            [tuple(hilum), (side * 30, hilum[1] - 8, hilum[2] + 4), (-12, front + 6, 6)], 4.2
        )
        parts += [
            Part(kidney.grown(4), FAT),
            Part(vein, hu["veins"]),
            Part(kidney, hu["cortex"], ids[name]),
            Part(kidney.grown(-7).cut(sinus.grown(4)), hu["medulla"], ids[name]),
            Part(sinus, FAT),
            Part(tube([hilum, hilum + np.array([side * 9, 3, 0])], (3, 6)), hu["veins"]),
        ]
    return parts


def _liver_vessels(build: Build) -> list[tuple[str, Solid]]:
    front = build.spine - 46
    reach = build.draw_near
    return [
        ("portal", tube([(-10, front - 6, 20), (-28, front - 10, 38), reach(-60, 0, 46),
                         reach(-96, 12, 40)], (7, 7, 5, 2.5))),
        ("portal", tube([reach(-60, 0, 46), reach(-84, -30, 62)], (4.5, 2))),
        ("portal", tube([(-28, front - 10, 38), reach(-18, -40, 60), reach(20, -46, 72)],
                        (6, 4, 2))),
        *(("veins", tube([(-22, front + 2, 88), reach(*middle), reach(*end)], (5.5, 4, 1.8)))
          for middle, end in (((-60, 6, 84), (-104, 8, 66)), ((-44, -24, 80), (-66, -56, 58)),
                              ((-14, -24, 82), (18, -48, 76)))),
    ]  # fmt: skip


def vessels(organs: Organs, build: Build, hu: Tissues, ids: Mapping[str, int]) -> list[Part]:
    """Vena cava and aorta, and the aorta's branches (which are not labelled)."""
    front = build.spine - 17 - 24
    branches = [
        tube([(9, front + 8, 26), (7, front - 10, 22), (4, front - 18, -10), (4, front - 16, -90)],
             (4, 4, 3.6, 3)),
        tube([(9, front + 8, 44), (6, front - 14, 48), (40, front - 6, 52)], (4, 3.6, 2.6)),
        tube([(8, front + 10, 2), (34, front + 16, 0), (50, front + 24, -2)], (3, 3, 2.6)),
    ]  # fmt: skip
    vein = tube(
        [(-14, front - 12, 20), (-14, front - 18, -20), (-12, front - 16, -90)], (6, 5.5, 4)
    )
    return [
        Part(vein, hu["portal"]),
        Part(organs.cava, hu["veins"]),
        *(Part(branch, hu["aorta"]) for branch in branches),
        Part(organs.aorta, hu["aorta"], ids["aorta"]),
    ]


def lesions(
    organs: Organs,
    build: Build,
    *,
    diameters: Sequence[float],
    hu: Sequence[float],
    label: int,
) -> list[Part]:
    """Lobulated lesions that lie within the liver, apart from one another."""
    rng = build.rng
    liver = organs.liver.cut(organs.gallbladder).cut(organs.kidneys[1].grown(4))
    low = np.maximum(liver.low, -200)
    high = np.minimum(liver.high, 200)
    candidates = rng.uniform(low, high, (6000, 3))
    depth = -liver.field(candidates.T.astype(np.float32))
    parts: list[Part] = []
    taken: list[tuple[Vector, float]] = []
    for diameter, value in zip(diameters, hu, strict=True):
        radius = diameter / 2
        room = depth > min(radius + 2, 0.9 * float(depth.max()))
        for centre, other in taken:
            room &= np.linalg.norm(candidates - centre, axis=1) > radius + other + 6
        if not room.any():
            continue
        centre = candidates[np.flatnonzero(room)[0]]
        radii = radius * np.clip(rng.normal(1, 0.12, 3), 0.8, 1.2)
        mass = ellipsoid(centre, radii, turn=rng.uniform(0, 180, 3))
        for _ in range(rng.integers(0, 3)):
            away = rng.standard_normal(3)
            lobe = centre + 0.6 * radius * away / np.linalg.norm(away)
            mass = mass.join(ellipsoid(lobe, radii * 0.6), blend=radius * 0.4)
        parts.append(Part(mass.meet(liver.grown(-1)), value, label))
        taken.append((centre, radius))
    return parts
