"""What ``datasets/ct_phantom/recipe.toml`` may say."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"a range runs from the lowest to the highest, got {value}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scan(_Strict):
    """Grids and noise; millimetres, degrees and Hounsfield units."""

    rows: tuple[PositiveInt, ...]
    large_rows: PositiveInt
    field_of_view_mm: Range
    slice_mm: Range
    length_mm: Range
    slices: tuple[PositiveInt, PositiveInt]
    tilt_degrees: Range
    noise_hu: Range
    grain_mm: Range
    texture_hu: Range
    texture_mm: Range


class Lesions(_Strict):
    """Lesions of the liver."""

    count: tuple[PositiveInt, PositiveInt]
    diameter_mm: Range
    contrast_hu: Range
    bright_share: Share


class Phase(_Strict):
    """Hounsfield units of the tissues at one time after the contrast medium."""

    name: str
    share: PositiveFloat
    aorta: Range
    veins: Range
    portal: Range
    liver: Range
    spleen: Range
    cortex: Range
    medulla: Range
    pancreas: Range
    gut: Range
    heart: Range
    marrow: Range


class Recipe(_Strict):
    """The whole archive."""

    seed: int
    studies: PositiveInt
    scan: Scan
    lesions: Lesions
    phase: tuple[Phase, ...] = Field(min_length=1)
