"""Model cards: what people are asked of a model, and the package that says it to others.

The answers are kept with the model in the workspace (:meth:`medlib.workspace.models.Models.describe`),
where they can be changed, each time with an event. The package that was trained stays as it is,
named by its digest; whoever hands it on writes a copy that bears them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medlib.workspace import Workspace

USE = "Intended use"


@dataclass(frozen=True)
class CardQuestion:
    """Something that people are asked of a model.

    Args:
        heading: in the card.
        question: in words.
        example: of an answer.
    """

    heading: str
    question: str
    example: str


QUESTIONS = (
    CardQuestion(
        USE,
        "What is the model for, and what is it not for?",
        "Volumetry of the liver before surgery, each outline checked by a radiologist. Not for "
        "emergencies.",
    ),
    CardQuestion(
        "Patients",
        "Whose scans did it learn from?",
        "Adults referred for staging, 2019 to 2023, one hospital. No children, nobody after "
        "transplantation.",
    ),
    CardQuestion(
        "Scanners and protocols",
        "On which scanners, and how, were they taken?",
        "Two CT scanners of one maker, portal venous phase, 1 to 3 mm slices.",
    ),
    CardQuestion(
        "Who labelled",
        "Who outlined or answered, with what experience, and who checked?",
        "Two residents in their third year; a consultant looked at all of it.",
    ),
    CardQuestion(
        "Known limits",
        "Where does it fail, or has nobody tried it?",
        "Leaves out lesions at the liver's rim. Never tried on scans without contrast.",
    ),
)
"""After Mitchell et al., Model cards for model reporting (2019), and CLAIM."""


def hand_on(workspace: Workspace, model: int, path: str | Path) -> Path:
    """Write a model's package with what people said of it, for others to use.

    Args:
        workspace: that holds it.
        model: which.
        path: of the file.
    """
    from medlib.package import Model, load

    row = next(row for row in workspace.models.list() if row.id == model)
    package = load(workspace.models.package(model))
    assert isinstance(package, Model)
    said: dict[str, str] = dict(row.card.get("statements", {}))
    use = {"intended_use": said.pop(USE)} if USE in said else {}
    manifest = package.manifest.model_copy(update={**use, "statements": said})
    return replace(package, manifest=manifest).save(path)
