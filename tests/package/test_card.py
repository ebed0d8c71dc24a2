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
    "intervals": {"AUROC": [0.85, 0.96]},
    "figures": [
        {"of": "liver", "name": "Dice (mean)", "value": 0.8, "interval": [0.7, 0.9]},
        {"of": "cyst", "name": "Dice (mean)", "value": 0.75, "interval": [None, None]},
        {"of": "liver", "name": "HD95, mm (median)", "value": 4.0, "interval": [3.5, "inf"]},
    ],
}


def test_a_classifiers_card_shows_the_figures_of_all_cases_together():
    said = card(metrics=METRICS)
    assert "| AUROC | 0.910 (0.850 to 0.960) |" in said
    assert "| balanced accuracy | – |" in said
    assert "12 scans of 10 patients" in said
    assert "bootstrap over patients" in said


def test_every_figure_of_every_part_is_there_with_its_interval():
    said = card(metrics=METRICS)
    assert "| what | Dice (mean) | HD95, mm (median) |" in said
    assert "| liver | 0.800 (0.700 to 0.900) | 4.000 (3.500 to ∞) |" in said
    assert "| cyst | 0.750 | – |" in said


def test_without_intervals_none_are_spoken_of():
    said = card(metrics=METRICS | {"intervals": {}, "figures": METRICS["figures"][1:2]})
    assert "| AUROC | 0.910 |" in said
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
    row = {"of": "a|b", "name": "Dice (mean)", "value": 0.5, "interval": [None, None]}
    assert r"| a\|b | 0.500 |" in card(metrics=METRICS | {"figures": [row]})
