"""What a network begins with: random weights, or those of a backbone that comes with the library.

A backbone that was learned from made-up shapes helps where it has been measured to help: few scans, of
which the network sees a part at a time, in the minutes of a processor. Where a scan is seen whole, as the
crop about a small structure is, a structure's place says most about it, and a backbone that knows borders
was worth nothing (`docs/benchmarks.md`).
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from medlib.infer import MaskOutput, Output
from medlib.models import Architecture, architecture_of
from medlib.train.fingerprint import Fingerprint
from medlib.train.levels import deepened
from medlib.train.machine import Machine
from medlib.train.plan import Plan
from medlib.transforms import Spacing

BACKBONE = "medlib-synthetic-small"
"""Weights that plans begin with where they help."""
_FEW = 12  # scans to learn from; with more it has not been measured
_WIDE = 2.0  # windows that a scan holds; below, it is seen nearly whole
_U_NETS = ("unet", "encoder")  # whose levels are those of a backbone


def begun(
    plan: Plan, fingerprint: Fingerprint, output: type[Output], machine: Machine | None = None
) -> Plan:
    """The plan with what its network begins with, and why.

    Args:
        plan: made from
        fingerprint: of the training scans; and
        output: what is asked of the network.
        machine: that it will run on; left out, this one.

    Returns:
        The plan as it was, or with the backbone's name, its levels and a reason.
    """
    machine = machine or Machine.here()
    few = 0 < fingerprint.cases <= _FEW and machine.device == "cpu"
    one_series = isinstance(plan.kind, type)
    if not (few and one_series and issubclass(output, MaskOutput)):
        return plan
    windows = _windows(plan, fingerprint)
    backbone = architecture_of(BACKBONE)
    if windows < _WIDE or backbone is None:
        return plan
    reason = (
        f"begun with {BACKBONE}, which knows made-up shapes and borders: of {_FEW} scans or fewer, each "
        f"of about {windows:.0f} windows, more is learned so in the same minutes"
    )
    planned = with_levels_of(backbone, plan)
    return replace(planned, begin=BACKBONE, reasons=(*planned.reasons, reason))


def paced(plan: Plan, fingerprint: Fingerprint, output: type[Output]) -> Plan:
    """The plan with how much slower first layers learn, if the network begins with other weights.

    What these know of borders is to be kept where a network sees a part of a scan at a time. Where
    it sees a scan whole, a structure's place says most about it, and that all layers have to learn.
    What can only be answered of a scan as a whole was not measured.
    """
    seen_whole = not output.whole and 0 < _windows(plan, fingerprint) < _WIDE
    return replace(plan, spread=1.0) if seen_whole else plan


def _windows(plan: Plan, fingerprint: Fingerprint) -> float:
    """How many of what the network sees at once a scan is as large as; 0 where scans keep their size.

    Radiographs do, or keep that of an axis, of which the spacing is 0 then.
    """
    spacings = [t.millimetres for t in plan.preprocess.transforms if isinstance(t, Spacing)]
    if not spacings or not all(spacings[0]):
        return 0.0
    voxels = prod(e / s for e, s in zip(fingerprint.extent, spacings[0], strict=True))
    return voxels / prod(plan.window)


def with_levels_of(backbone: Architecture, plan: Plan) -> Plan:
    """The plan's U-Net, or encoder, with as many levels as a backbone has, each as wide."""
    own = plan.architecture.arguments
    wide = backbone.arguments.get("channels", ())
    if plan.architecture.name not in _U_NETS or not wide:
        return plan
    strides = deepened(own["strides"][: len(wide) - 1], plan.window, len(wide) - 1)
    levels = {"channels": list(wide), "strides": [list(stride) for stride in strides]}
    units = {"num_res_units": backbone.arguments["num_res_units"]}
    architecture = Architecture(plan.architecture.name, {**own, **levels, **units})
    reasons = (*plan.reasons, "the network has the levels of the pretrained backbone")
    return replace(plan, architecture=architecture, reasons=reasons)
