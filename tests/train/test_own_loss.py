"""A network's own loss: it is told what is true, in the right numbers, and never what nobody knows."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import write_task
from torch import nn
from torch.nn import functional

import medlib
from medlib.data import (
    CategoriesBlock,
    CategoryBlock,
    DataBlock,
    MaskBlock,
    MeasurementBlock,
    VolumeBlock,
    from_table,
    held_out,
    pair,
)
from medlib.models import ModelOutput, libraries
from medlib.train import Callback, CutMix, Learner, Mixup, find_rate
from medlib.train.own_loss import told
from medlib.transforms import Normalise, Pipeline
from medlib.types import Categories, Labels, Radiograph

SIZE = (1, 32, 32)
KEPT = held_out(["p_2", "p_5"])
LUNG = Labels.of({255: "lung"})
LOOK = CategoryBlock("look", ("bright", "dark"))
AREA = MeasurementBlock("area", "cm2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Radiographs with a disc, bright in every other one, and where it is."""
    folder = tmp_path_factory.mktemp("radiographs")
    for part in ("images", "labels"):
        (folder / part).mkdir()
    rows = []
    for number in range(1, 9):
        draw = np.random.default_rng(number)
        row, column = np.indices(SIZE[1:]) - draw.uniform(12, 20, 2).reshape(2, 1, 1)
        disc = row**2 + column**2 < draw.uniform(5, 9) ** 2
        bright = number % 2 == 0
        grey = 120 + (80 if bright else -80) * disc + draw.normal(0, 8, disc.shape)
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / f"images/p_{number}.png")
        Image.fromarray(disc.astype(np.uint8) * 255).save(folder / f"labels/p_{number}.png")
        look = "bright" if bright else "dark"
        large = "yes" if disc.sum() > 150 else "no"
        shines = "yes" if bright else "no"
        rows.append((f"p_{number}", f"images/p_{number}.png", look, large, shines, disc.sum()))
    (folder / "labels" / "labels.json").write_text(json.dumps({"255": "lung"}))
    with (folder / "table.csv").open("w", newline="") as file:
        head = ("name", "scan", "look", "large", "shines", "area")
        csv.writer(file).writerows([head, *rows])
    return folder


def datasets(folder, block, change=lambda case: case):
    def cases(_):
        if isinstance(block, MaskBlock):
            return [change(case) for case in pair(folder / "images", folder / "labels").cases]
        return from_table(folder / "table.csv").cases

    return DataBlock(
        blocks=(VolumeBlock(Radiograph), block),
        get_items=cases,
        splitter=KEPT,
        preprocess=Pipeline((Normalise(),)),
    ).datasets(folder)


@pytest.fixture(scope="module")
def transformers():
    libraries.torchvision()  # transformers looks for it
    return pytest.importorskip("transformers")


@pytest.fixture
def made(folder, transformers):
    """``made(block, outputs)``: a learner of an image classifier as Hugging Face's library makes it."""

    def make(block, outputs, **arguments):
        torch.manual_seed(0)
        shape = {"num_channels": 1, "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
        config = transformers.ResNetConfig(**shape, layer_type="basic", num_labels=outputs)
        network = transformers.ResNetForImageClassification(config)
        chosen = {"batch_size": 3, "rate": 5e-3, "precision": "fp32", "loss": "own"} | arguments
        return Learner(network, datasets(folder, block), window=SIZE, **chosen)

    return make


class Watch(Callback):
    """What was seen, what was given, and the loss that was learned from."""

    def __init__(self):
        self.seen = []

    def after_loss(self, learn):
        self.seen.append((learn.batch.targets, learn.given.logits.detach(), learn.found.detach()))


def test_a_hugging_face_model_learns_by_its_own_loss(made):
    watch = Watch()
    scores = made(LOOK, 2, callbacks=[watch]).fit_one_cycle(epochs=12)
    assert scores.overall["AUROC"] == 1.0
    for targets, logits, found in watch.seen:
        truth = torch.tensor([LOOK.vocabulary.index(one.name) for one in targets])
        torch.testing.assert_close(found, functional.cross_entropy(logits, truth))


def test_several_questions_and_numbers_are_told_as_they_are_answered(made):
    watch = Watch()
    made(CategoriesBlock(("large", "shines")), 2, callbacks=[watch]).fit_one_cycle(epochs=1)
    for targets, logits, found in watch.seen:
        truth = torch.stack([one.vector for one in targets]).float()
        by_hand = functional.binary_cross_entropy_with_logits(logits, truth)
        torch.testing.assert_close(found, by_hand)
    watch = Watch()
    learn = made(AREA, 1, callbacks=[watch])
    learn.fit_one_cycle(epochs=1)
    for targets, logits, found in watch.seen:  # the answers are square pixels, and not deviations
        truth = torch.tensor([one.value for one in targets])
        apart = (learn.output.answer(logits, ()) - truth) / learn.output.deviation
        torch.testing.assert_close(found, apart.square().mean())


@pytest.fixture
def outliner(folder, transformers):
    def make(change=lambda case: case, labels=LUNG, **arguments):
        torch.manual_seed(0)
        config = transformers.SegformerConfig(
            num_channels=1, depths=[1] * 4, hidden_sizes=[8] * 4, num_attention_heads=[1] * 4,
            decoder_hidden_size=8, num_labels=2, sr_ratios=[1] * 4, mlp_ratios=[1] * 4,
        )  # fmt: skip
        network = transformers.SegformerForSemanticSegmentation(config)
        data = datasets(folder, MaskBlock(labels), change)
        chosen = {"precision": "fp32", "loss": "own"} | arguments
        return Learner(network, data, window=SIZE, **chosen)

    return make


def test_outlines_are_told_as_channels(outliner):
    watch = Watch()
    outliner(callbacks=[watch]).fit_one_cycle(epochs=1)
    for targets, logits, found in watch.seen:
        truth = torch.stack([mask.structure("lung") for mask in targets]).long()
        assert truth.any()
        torch.testing.assert_close(found, functional.cross_entropy(logits, truth))


def test_what_nobody_looked_for_is_not_told_to_be_background(outliner):
    learn = outliner(lambda case: replace(case, annotated=("lung",)))  # which is all there is
    learn.fit_one_cycle(epochs=1)
    with pytest.raises(ValueError, match=r"^p_\d: only nothing was looked for, .*background"):
        outliner(lambda case: replace(case, annotated=())).fit_one_cycle(epochs=1)
    partly = Labels.of({255: "lung"}, ignored=9)
    with pytest.raises(ValueError, match=r"^p_\d: 9 stands for voxels that nobody looked at"):
        outliner(labels=partly).fit_one_cycle(epochs=1)


@pytest.mark.parametrize("mix", [Mixup(), CutMix()])
def test_mixed_scans_are_refused(made, mix):
    with pytest.raises(ValueError, match="others are asked for, as mixing scans does"):
        made(LOOK, 2, callbacks=[mix]).fit_one_cycle(epochs=1)


def test_a_single_question_is_not_learned_as_a_number(made):
    with pytest.raises(ValueError, match=r"^p_\d: shines is a single question"):
        made(CategoriesBlock(("shines",)), 1).fit_one_cycle(epochs=1)


def test_what_nobody_knows_is_not_told_to_be_no():
    words = ("large", "shines")
    answered = Categories(("large",), words)
    assert told(answered, CategoriesBlock(words).output).tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match=r"of shines nobody knows, .* take for no"):
        told(replace(answered, unknown=("shines",)), CategoriesBlock(words).output)


def test_a_network_that_answers_otherwise_is_told_what_is_needed(made):
    with pytest.raises(ValueError, match=r"has to give \(item, channel\) with 2"):
        made(LOOK, 5).fit_one_cycle(epochs=1)


class Silent(nn.Conv2d):
    """Takes labels, and says nothing of them."""

    def forward(self, x, labels=None):
        return ModelOutput(super().forward(x).mean((2, 3)))


def test_a_network_without_a_loss_is_refused(folder, tmp_path):
    data = datasets(folder, LOOK)
    with pytest.raises(ValueError, match="gave no loss of its own"):
        Learner(Silent(1, 2, 1), data, window=SIZE, loss="own", precision="fp32").fit_one_cycle(
            epochs=1
        )
    with pytest.raises(ValueError, match="a Conv2d takes no labels"):
        Learner(nn.Conv2d(1, 2, 1), data, window=SIZE, loss="own", precision="fp32")
    task = write_task(tmp_path, 4)
    with pytest.raises(ValueError, match="a ResidualUNet takes no labels"):
        medlib.segmenter(
            task / "images", task / "labels", kind="mr", loss="own", precision="fp32", cache=False
        )


def test_the_rate_is_sought_by_the_same_loss(made):
    assert find_rate(made(LOOK, 2), steps=6).suggestion > 0
