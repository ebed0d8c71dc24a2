"""What the voxels hold: recipes and steps that change values and leave voxels in place.

Each room holds recipes beside the steps that they draw: values mapped one by one (``pointwise``) to
normalise (``normalising``) and to vary (``appearance``), ``noise``, sharpness (``blurring``), slow
``field`` s of brightness, artefacts of MR (``kspace``) and holes (``cutting``). ``separable`` and
``ranks`` do the sums.
"""

from medlib.transforms.intensity.appearance import (
    Brightness,
    Contrast,
    Gamma,
    HistogramShift,
)
from medlib.transforms.intensity.blurring import (
    Blur,
    GaussianBlur,
    Gibbs,
    LoseResolution,
    LowResolution,
    Sharpen,
    TruncateKSpace,
    UnsharpMask,
)
from medlib.transforms.intensity.cutting import (
    CutOut,
    EmptyBoxes,
)
from medlib.transforms.intensity.field import (
    BiasCorrect,
    BiasField,
    MultiplyByField,
)
from medlib.transforms.intensity.kspace import (
    AddGhosts,
    AddWaves,
    Ghosting,
    MixMoved,
    Motion,
    Spikes,
)
from medlib.transforms.intensity.noise import (
    AddNoise,
    AddRicianNoise,
    Noise,
    RicianNoise,
)
from medlib.transforms.intensity.normalising import (
    Clip,
    HistogramStandardise,
    Normalise,
    Percentiles,
    Window,
    landmarks,
)
from medlib.transforms.intensity.pointwise import (
    Clamp,
    PiecewiseLinear,
    Pointwise,
    Power,
    Rescale,
)

__all__ = [
    "AddGhosts",
    "AddNoise",
    "AddRicianNoise",
    "AddWaves",
    "BiasCorrect",
    "BiasField",
    "Blur",
    "Brightness",
    "Clamp",
    "Clip",
    "Contrast",
    "CutOut",
    "EmptyBoxes",
    "Gamma",
    "GaussianBlur",
    "Ghosting",
    "Gibbs",
    "HistogramShift",
    "HistogramStandardise",
    "LoseResolution",
    "LowResolution",
    "MixMoved",
    "Motion",
    "MultiplyByField",
    "Noise",
    "Normalise",
    "Percentiles",
    "PiecewiseLinear",
    "Pointwise",
    "Power",
    "Rescale",
    "RicianNoise",
    "Sharpen",
    "Spikes",
    "TruncateKSpace",
    "UnsharpMask",
    "Window",
    "landmarks",
]
