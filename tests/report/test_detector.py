"""The report of a detector: what is found at what price, and nothing that means nothing."""

from dataclasses import replace

import pytest
from balls import write_findings

import medlib
from medlib.models import Architecture
from medlib.report import write_report
from medlib.report.examination import Examination
from medlib.train.froc import by_label
from medlib.train.intervals import bootstrap


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    task = write_findings(tmp_path_factory.mktemp("balls"), 10)
    plan = medlib.detector(*task, kind="mr").plan
    small = Architecture.residual_unet(channels=(4, 8, 16), strides=((1, 2, 1), (2, 2, 2)))
    plan = replace(plan, architecture=small, rate=1e-2)
    learn = medlib.detector(*task, kind="mr", plan=plan, validations=1)
    learn.fine_tune(epochs=4)
    return learn


def test_the_page_shows_what_is_found_at_what_price(detector, tmp_path):
    text = write_report(detector, tmp_path / "report.html").read_text()
    found = Examination.of(detector.learner)
    assert set(found.overall) == {"FROC", "mAP", "sensitivity at 1 false positive a scan"}
    for name, interval in found.overall.items():
        assert name in text
        assert str(interval) in text
    assert "box 1" not in text
    assert "Share of findings that is found, against false positives a scan" in text
    labels = by_label([*found.answers.values()])
    whose = [found.patients[case] for case in found.answers]
    for name in ("bright", "dark"):
        if labels[name].findings.any():
            assert str(bootstrap(labels[name].at(0.125), whose)) in text
            assert str(bootstrap(labels[name].average_precision, whose)) in text
    assert {one.name for one in found.totals} == {"IoU", "AP"}


def test_the_card_has_intervals_of_what_is_found(detector):
    card = detector.model.manifest.card()
    low, high = detector.model.manifest.metrics["intervals"]["FROC"]
    value = detector.scores.overall["FROC"]
    assert f"| FROC | {value:.3f} ({low:.3f} to {high:.3f}) |" in card
    assert "| bright |" in card
