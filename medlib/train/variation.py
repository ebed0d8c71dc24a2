"""How much training scans are varied: mildly where there are many, strongly where there are few."""

from __future__ import annotations

from medlib.train.fingerprint import Fingerprint
from medlib.transforms import (
    Blur,
    Brightness,
    Elastic,
    Gamma,
    Noise,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Transform,
)

_FEW = 30  # scans; see docs/benchmarks.md for what was tried
_BENT = 0.15  # of the shortest side of a scan, in millimetres ...
_MOST_BENT = 12.0  # ... but no further than this
APPEARANCE: tuple[Transform, ...] = (
    Brightness(contrast=0.15, shift=0.15, probability=0.5),
    Noise(up_to=0.1, probability=0.5),
)
"""How intensities are varied, where there are scans enough."""


def varied_patches(
    fingerprint: Fingerprint, window: tuple[int, int, int], on_label: float
) -> tuple[Pipeline, str]:
    """How patches of scans with outlines are drawn and varied, and why so, in words.

    Few scans show few of the shapes, places and contrasts that there are; the variation has to
    stand for the rest. Of many it would only blur what they show.

    Args:
        fingerprint: of the training scans.
        window: size of the patches, in voxels.
        on_label: share of the patches that are led to structures.

    Example:
        >>> from medlib.train.fingerprint import Intensities
        >>> from medlib.types import MRVolume
        >>> voxels = (Intensities(MRVolume, low=0, high=9, mean=4, deviation=2),)
        >>> three = Fingerprint(MRVolume, (2, 1, 1), (40, 60, 60), (48, 64, 64), voxels, cases=3)
        >>> pipeline, why = varied_patches(three, (16, 32, 32), 0.7)
        >>> why
        'only 3 scans, so varied strongly: turned by up to 30 degrees, stretched by up to 20%, bent by up to 6 mm, contrast, blur and noise varied'
    """
    patch = RandomPatch(window, on_label=on_label)
    if not 0 < fingerprint.cases <= _FEW:
        said = "turned by up to 15 degrees, stretched by up to 10%, contrast and noise varied"
        return Pipeline((RandomAffine(degrees=15.0, scale=0.1), patch, *APPEARANCE)), said
    bent = round(min(_MOST_BENT, _BENT * min(fingerprint.extent)), 1)
    strong = Pipeline(
        (
            RandomAffine(degrees=30.0, scale=0.2),
            Elastic(up_to=bent, spacing=round(8 / 3 * bent, 1), probability=0.7),
            patch,
            Brightness(contrast=0.3, shift=0.3, probability=0.7),
            Gamma(probability=0.4),
            Blur(probability=0.2),
            Noise(up_to=0.2, probability=0.5),
        )
    )
    return strong, (
        f"only {fingerprint.cases} scan{'s' * (fingerprint.cases > 1)}, so varied strongly: turned by up to 30 "
        f"degrees, stretched by up to 20%, bent by up to {bent:g} mm, contrast, blur and noise "
        "varied"
    )
