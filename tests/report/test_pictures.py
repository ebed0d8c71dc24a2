"""Charts and galleries: what they say is what was measured, and the worst comes first."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest
import torch
from tiny import scan_of, structures

from medlib.data import Batch
from medlib.report import (
    agreement,
    calibration,
    case_table,
    confusion,
    learning_curve,
    show_batch,
    show_results,
)
from medlib.report.gallery import compare, side_by_side
from medlib.report.results import Ends, Result, where_to_look
from medlib.space import Grid
from medlib.train import Scores
from medlib.train.record import Point
from medlib.types import (
    Belief,
    Boxes,
    Categories,
    Category,
    Labels,
    Mask,
    Measurement,
    MultiVolume,
    Points,
    Reference,
    describe,
)

GRID = Grid.from_axes((16, 20, 20))
WORDS = ("effusion", "nodule")


def drawn(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # or what cannot be drawn would not be found out
    return np.asarray(canvas.buffer_rgba())


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def results(*means):
    truth = Measurement(0, "ml", "cyst")
    return [
        Result.of(k, f"case {k}", Measurement(m, "ml", "cyst"), truth) for k, m in enumerate(means)
    ]


def test_the_worst_and_the_best_are_kept_and_never_both():
    ends = Ends(worst=2, best=2)
    for result in results(5, 1, 9, 3, 7, 2):
        ends.add(result)
    assert [r.mean for r in ends.worst] == [9, 7]
    assert [r.mean for r in ends.best] == [1, 2]
    few = Ends(worst=2, best=2)
    for result in results(5, 1, 9):
        few.add(result)
    assert [r.mean for r in (*few.worst, *few.best)] == [9, 5, 1]


def test_a_case_of_which_nothing_can_be_said_is_no_end():
    ends, empty = Ends(1, 1), Mask(torch.zeros(1, 4, 4, 4, dtype=torch.uint8),
                                   Grid.from_axes((4, 4, 4)), Labels.of(["cyst"]))  # fmt: skip
    ends.add(Result.of(0, "a", empty, empty))
    assert not ends.worst


def test_one_looks_where_something_was_missed():
    """Right in all but one place: that is what has to be seen."""
    truth = structures(GRID)
    data = truth.data.clone()
    data[0, 13:15, 2:5, 15:18] = 1
    result = Result.of(0, "a", replace(truth, data=data), truth)
    place = GRID.to_index(where_to_look(result, GRID))
    assert (place >= (13, 2, 15)).all()
    assert (place < (15, 5, 18)).all()
    right = Result.of(0, "a", truth, truth)
    k = round(GRID.to_index(where_to_look(right, GRID))[0])
    assert truth.data[0, k].any()


def test_results_are_shown_worst_first(outliner):
    figure = show_results(outliner, count=2)
    shown = titles(figure)
    worst = sorted(
        outliner.scores.cases, key=lambda c: np.mean(list(outliner.scores.cases[c].values()))
    )
    assert [title.split("\n")[1].split(":")[0] for title in shown[::2]] == worst
    assert [title.split("\n")[0] for title in shown] == ["reference", "prediction"] * 2
    drawn(figure)


def test_answers_are_shown_in_words(classifier):
    (first, *_) = titles(show_results(classifier))
    assert "reference: " in first
    assert "prediction: " in first


def test_a_batch_shows_every_series_of_every_item():
    mask = structures(GRID)
    x = torch.stack([scan_of(mask).data[0]] * 2)[None].repeat(3, 1, 1, 1, 1)
    batch = Batch(x, (mask,) * 3, (GRID,) * 3, ("a", "b$_$", "c"))
    figure = show_batch(batch, count=2)
    assert [t for t in titles(figure) if t] == [
        f"{n}\nseries {k}" for n in ("a", r"b\$_\$") for k in (1, 2)
    ]
    drawn(figure)
    with pytest.raises(ValueError, match="on which grids"):
        show_batch(replace(batch, grids=()))


def test_scans_to_be_made_stand_beside_those_that_are_shown():
    scan = scan_of(structures(GRID))
    batch = Batch(torch.zeros(2, 1, *GRID.shape), (scan, Reference(scan)), (GRID,) * 2, ("a", "b"))
    figure = show_batch(batch)
    assert titles(figure) == ["a", "a\nto be made", "b", "b\nto be made"]
    drawn(figure)


def test_every_kind_is_compared():
    mask = structures(GRID)
    scan, at = scan_of(mask), GRID.centre
    points = Points([GRID.centre], ("tip",))
    belief = Belief((0.2, 0.8), WORDS), Category("nodule", WORDS)
    both = MultiVolume((scan, scan), ("T1", "$T_2$"))
    kinds = (mask, mask), (points, points), belief, (scan, scan)
    drawn(compare(both, both, scan=scan, at=at))
    for prediction, truth in kinds:
        drawn(compare(truth, prediction, scan=scan, at=at))
        drawn(side_by_side([(scan, Result.of(0, "a$_$", prediction, truth))]))


def test_predicted_landmarks_are_told_from_true_ones():
    points = Points([GRID.centre, GRID.centre + 3], ("tip", "$a$"))
    figure = compare(points, points, scan=scan_of(structures(GRID)), at=GRID.centre)
    drawn(figure)
    assert "tip" in {text.get_text() for axes in figure.axes for text in axes.texts}
    legend = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert legend == ["reference", "prediction"]


def test_boxes_are_shown_under_each_other():
    boxes = Boxes.between([[-5] * 3], [[5] * 3], ids=(1,), labels=Labels.of(["nodule"]))
    boxes = replace(boxes, corners=boxes.corners + GRID.centre)
    figure = compare(boxes, boxes, scan=scan_of(structures(GRID)), at=GRID.centre)
    assert len(figure.axes) == 6
    drawn(figure)


def test_limits_of_agreement_are_those_of_the_differences():
    draw = np.random.default_rng(0)
    true = draw.uniform(20, 60, 200)
    said = true + draw.normal(3, 2, 200)
    of = [[Measurement(v, "ml", "spleen") for v in values] for values in (said, true)]
    figure = agreement(*of)
    drawn(figure)
    assert figure.axes[0].get_xlabel() == "reference, ml"
    bias, high, low = (
        float(text.get_text().removeprefix("bias ")) for text in figure.axes[1].texts
    )
    assert bias == pytest.approx(3, abs=0.5)
    inside = ((said - true) > low) & ((said - true) < high)
    assert 0.9 < inside.mean() < 0.99
    litres = [Measurement(v / 1000, "l", "spleen") for v in said]
    assert next(t.get_text() for t in agreement(litres, of[1]).axes[1].texts) == f"bias {bias:.3g}"
    drawn(agreement(of[0][:1], of[1][:1]))
    with pytest.raises(ValueError, match="other cases"):
        agreement(of[0], of[1][:-1])


def test_where_all_came_true_the_interval_still_has_a_width():
    said = [Belief((0.95, 0.05), WORDS)] * 5
    axes = calibration(said, [Category("effusion", WORDS)] * 5).axes[0]
    (line,) = axes.containers[0].lines[2]
    low, high = line.get_segments()[-1][:, 1]
    assert (low, high) == pytest.approx((0.566, 1.0), abs=0.001)  # Wilson's, of 5 in 5


def test_the_curve_goes_on_over_trainings_and_marks_what_is_kept():
    scores = [Scores({"a": {"liver": v, "cyst": nan}}) for v in (0.5, 0.8, 0.7)]
    record = [
        Point(1, 60, 2.0, scores[0]),
        Point(2, 120, 1.0, scores[1]),
        Point(1, 30, 0.5, scores[2]),
    ]
    figure = learning_curve(record)
    loss, measured = figure.axes
    assert loss.lines[0].get_xdata().tolist() == [1.0, 2.0, 2.5]
    assert measured.get_xlabel() == "minutes"
    assert learning_curve(record[:1]).axes[1].get_xlabel() == "seconds"
    kept = next(line for line in measured.lines if line.get_label() == "kept")
    assert kept.get_xdata()[0] == 2.0
    drawn(figure)
    many = Scores({"a": {f"label {k}": 0.5 for k in range(9)}})
    assert "mean of 9" in {
        line.get_label() for line in learning_curve([Point(1, 1, 1, many)]).axes[1].lines
    }
    with pytest.raises(ValueError, match="train first"):
        learning_curve([])


def test_confusion_counts_cases():
    said = [Belief(s, WORDS) for s in ((0.9, 0.1), (0.6, 0.4), (0.3, 0.7))]
    true = [Category(w, WORDS) for w in ("effusion", "nodule", "nodule")]
    cells = [text.get_text().split("\n")[0] for text in confusion(said, true).axes[0].texts]
    assert cells == ["1", "0", "1", "1"]  # rows: what is so
    each = [Belief((0.9, 0.1), WORDS, exclusive=False)] * 3
    true = [Categories(w, WORDS) for w in (("effusion",), (), ("nodule",))]
    cells = [text.get_text().split("\n")[0] for text in confusion(each, true).axes[0].texts]
    assert cells == ["1", "0", "2", "0", "0", "1", "0", "2"]
    drawn(calibration(each, true))
    with pytest.raises(ValueError, match="no case"):
        confusion([], [])


def test_the_table_has_the_worst_case_first_also_of_errors():
    rows = {"a": {"tip": 2.0}, "b": {"tip": 9.0}, "c": {"tip": nan}}
    figure = case_table(Scores(rows, "error in mm", errors=True))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["b", "a", "c"]
    assert [t.get_text() for t in figure.axes[0].texts] == ["9.00", "2.00", "–"]
    many = Scores({f"case {k}": {"liver": k / 99} for k in range(99)})
    assert len(case_table(many).axes[0].get_yticklabels()) == 40
    drawn(case_table(many))
    with pytest.raises(ValueError, match="nothing has been measured"):
        case_table(Scores())


def test_words_of_an_answer_are_those_of_describe():
    assert describe(Category("nodule", WORDS)).startswith("nodule (of ")
