"""What is to be learned of scans, as it is typed: outlines, answers, a number, landmarks, findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medlib.tasks import Task

LabelFiles = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="To learn outlines: a folder of label maps (NIfTI, PNG) or DICOM SEG."
    ),
]
Answers = Annotated[
    list[str] | None,
    typer.Option(
        "--answer",
        metavar="COLUMN",
        help="To learn answers: the column of the table SCANS that holds one of several words, or, "
        "with --unit, a number. Repeated: columns that each say yes or no.",
    ),
]
Unit = Annotated[
    str,
    typer.Option("--unit", metavar="UNIT", help="Of the number, such as ml or mm; 1 for none."),
]
PointFiles = Annotated[
    Path | None,
    typer.Option(
        "--points",
        help="To learn landmarks: a folder of 3D Slicer's markups, named as their scans; or SCANS "
        "again, if that is a table with a column of them.",
    ),
]
BoxFiles = Annotated[
    Path | None,
    typer.Option(
        "--boxes",
        help="To learn to find lesions and the like: a table of boxes (CSV), a folder of 3D "
        "Slicer's regions of interest or of label maps; or SCANS again, likewise.",
    ),
]


@dataclass(frozen=True)
class Question:
    """What scans are asked.

    Args:
        labels: of outlines; without any of these, outlines that the scans' source states.
        answers: columns of a table.
        unit: of the number that the one column holds; empty for words.
        points: of landmarks.
        boxes: around findings.

    Raises:
        ValueError: when it is more than one thing, or less.
    """

    labels: Path | None = None
    answers: tuple[str, ...] = ()
    unit: str = ""
    points: Path | None = None
    boxes: Path | None = None

    def __post_init__(self) -> None:
        typed = {
            "--labels": self.labels,
            "--answer": self.answers,
            "--points": self.points,
            "--boxes": self.boxes,
        }
        said = [option for option, value in typed.items() if value]
        if len(said) > 1:
            raise ValueError(f"one thing is learned at a time: say only one of {', '.join(said)}")
        if self.unit and len(self.answers) != 1:
            raise ValueError("--unit is of one number: say with --answer which column holds it")

    def task(self, scans: Path, **choices: Any) -> Task:
        """Prepare to learn it; ``choices`` are those of :func:`medlib.tasks.task`."""
        from medlib import tasks

        if self.points is not None:
            return tasks.landmarks(scans, _beside(scans, self.points), **choices)
        if self.boxes is not None:
            return tasks.detector(scans, _beside(scans, self.boxes), **choices)
        if self.unit:
            return tasks.regressor(scans, self.answers[0], self.unit, **choices)
        if self.answers:
            columns = self.answers if len(self.answers) > 1 else self.answers[0]
            return tasks.classifier(scans, columns, **choices)
        return tasks.segmenter(scans, self.labels, **choices)


def _beside(scans: Path, files: Path) -> Path | None:
    """Where the files are; None where the table of scans itself says so."""
    return None if files.is_file() and files.resolve() == scans.resolve() else files
