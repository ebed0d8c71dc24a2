"""The chart of what a detector finds: FROC."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medlib.report.charts import COLOURS, MARKS, figure_of, legend, short, style
from medlib.train.froc import RATES, Found
from medlib.train.intervals import bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FINE = tuple(float(rate) for rate in np.geomspace(RATES[0], RATES[-1], 25))


def froc_curve(found: Mapping[str, Found], patients: Sequence[Hashable]) -> Figure:
    """The share of findings that is found, against the false positives a scan (FROC; Bunch 1978).

    A line for each label, with its 95 % interval over patients as a band; dots where LUNA16 looks.
    Of more labels than can be told apart (six) the first are drawn.

    Args:
        found: by label; see :func:`medlib.train.froc.by_label`.
        patients: of each scan, whose it is.

    Example:
        >>> from medlib.train.froc import by_label
        >>> from medlib.types import Boxes, Labels
        >>> box = Boxes.between([[0, 0, 0]], [[9, 9, 9]], ids=(1,), labels=Labels.of(["nodule"]))
        >>> figure = froc_curve(by_label([(box, box), (box, box)]), "ab")
        >>> figure.axes[0].get_ylabel()
        'share of findings that is found'
    """
    figure = figure_of(6.4, 4.4)
    axes = figure.subplots()
    for (name, one), colour, mark in zip(found.items(), COLOURS, MARKS, strict=False):
        line = [bootstrap(one.at(rate), patients, draws=500) for rate in _FINE]
        axes.plot(_FINE, [i.value for i in line], color=colour, lw=1.6)
        axes.fill_between(
            _FINE, [i.low for i in line], [i.high for i in line], color=colour, alpha=0.18, lw=0
        )
        dots = one.sensitivities()[0]
        axes.plot(RATES, dots, mark, color=colour, ms=6, label=short(name), clip_on=False)
    axes.set_xscale("log", base=2)
    axes.set_xticks(RATES, ["1/8", "1/4", "1/2", *(f"{rate:g}" for rate in RATES[3:])])
    axes.set(xlim=(RATES[0], RATES[-1]), ylim=(-0.02, 1.02))
    style(axes, x="false positives a scan", y="share of findings that is found")
    legend(figure, axes)
    return figure
