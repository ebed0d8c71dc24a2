"""Model cards: what a reader needs to know before relying on a model, and nobody's name."""

from medlib.infer import BeliefOutput, VolumeInput
from medlib.package import Manifest
from medlib.package.manifest import Network, Weights
from medlib.types import MRVolume

WORDS = ("benign", "malignant")


def card(**more):
    return Manifest(
        medlib="0", inputs=[VolumeInput(MRVolume).to_dict()], output=BeliefOutput(WORDS).to_dict(),
        preprocess=[], window=(8, 8, 8), overlap=0.5, weights=Weights(sha256="ab" * 32),
        network=Network(name="encoder", arguments={}, in_channels=1, out_channels=2), **more,
    ).card()  # fmt: skip


METRICS = {
    "measure": "probability of the truth",
    "cases": 12,
    "patients": 10,
    "overall": {"AUROC": 0.91, "balanced accuracy": None},
    "labels": {"benign": 0.8, "malignant": 0.75},
    "intervals": {"benign": [0.7, 0.9], "malignant": [None, None]},
}


def test_a_classifiers_card_shows_the_figures_of_all_cases_together():
    said = card(metrics=METRICS)
    assert "| AUROC | 0.910 |" in said
    assert "| balanced accuracy | – |" in said
    assert "| benign | 0.800 (0.700 to 0.900) |" in said
    assert "| malignant | 0.750 |" in said
    assert "12 scans of 10 patients" in said
    assert "bootstrap over patients" in said


def test_without_intervals_none_are_spoken_of():
    said = card(metrics=METRICS | {"intervals": {}})
    assert "| benign | 0.800 |" in said
    assert "bootstrap" not in said


def test_it_says_what_it_learned_from_and_what_it_is_not_for():
    training = {"cases": 40, "patients": 31, "seconds": 1200, "reasons": ["2 × 1 × 1 mm a voxel"]}
    said = card(training=training)
    assert "40 scans of 31 patients, for 20.0 minutes" in said
    assert "- 2 × 1 × 1 mm a voxel" in said
    assert "- Finds: benign, malignant" in said
    for part in ("MRVolume", "not a medical device", "## Limits", "measure it there first"):
        assert part.lower() in said.lower()


def test_a_model_that_was_never_measured_claims_nothing():
    assert "How good" not in card()
    assert "Learned from" not in card()


def test_a_word_cannot_break_its_table():
    said = card(metrics=METRICS | {"labels": {"a|b": 0.5}, "intervals": {}})
    assert r"| a\|b | 0.500 |" in said
