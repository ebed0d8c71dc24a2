"""Tables: scans, volumes and other measurements, answers, landmarks, and what each column means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from medlib.workspace.export.batch import Batch, Item
from medlib.workspace.export.origins import Origin
from medlib.workspace.export.sheets import write_sheet
from medlib.workspace.export.sizes import MEASURES, measurable, sizes_of
from medlib.workspace.label_sets import questions_of, spoken, table_of
from medlib.workspace.landmarks import placed
from medlib.workspace.schema import Content
from medlib.workspace.series import plane_of

if TYPE_CHECKING:
    from medlib.types import Mask

Rows = list[dict[str, object]]
COLUMNS = {
    "scans.csv": {
        "scan": "The scan; the key to the other tables.",
        "patient": "Whose it is: a made-up name. The same patient has the same name in all rows.",
        "study": "Of which examination: a made-up name.",
        "modality": "What made it, as DICOM has it (CT, MR, PT, US, DX); empty where not stated.",
        "days": "Days from the patient's first study in the workspace to this one, which others that "
        "are brought in later may change; empty where it is not known.",
        "series": "The number of the series, as DICOM has it; empty where not stated.",
        "description": "Those words of the series' description that are known to name nobody, and "
        "… for others.",
        "contrast": "yes or no, where a contrast agent is stated in DICOM; else empty.",
        "plane": "In which the slices lie: axial, coronal, sagittal, oblique.",
        "slices": "How many.",
        "slice_spacing_mm": "From the middle of one slice to the next.",
        "split": "test for scans that are kept apart for a last test; else empty.",
        "status": "How far it has come: new, in progress, labelled, reviewed.",
        "label_set": "The list of structures, questions and landmarks that it was labelled by.",
        "complete": "yes if all of the scan was outlined; no if only some slices were; empty if "
        "nothing is outlined.",
        "origin": "Who or what made the outline.",
        "saved": "When the outline was saved: ISO 8601, UTC.",
        "reviewed_by": "The reviewers who have accepted the outline or corrected it, with "
        "semicolons between them; empty if nobody has.",
        "reviewed": "When the first of them did: ISO 8601, UTC.",
    },
    "measurements.csv": {
        "scan": "As in scans.csv.",
        "structure": "What was measured.",
        "code": "The structure's code; empty where it has none.",
        "scheme": "Of the code, such as SCT for SNOMED CT.",
        "measure": "volume; largest diameter (in 3-D); long axis (in a slice); short axis (across "
        "the long axis, in the same slice).",
        "value": "A number. A volume of 0 says that the structure was looked for and is not there. "
        "Structures that were not looked for have no rows; nor have scans of which only some slices "
        "are outlined, and radiographs, which have no depth.",
        "unit": "A UCUM code: ml for volumes, mm for lengths.",
    },
    "answers.csv": {
        "scan": "As in scans.csv.",
        "question": "What was asked about the study.",
        "answer": "yes or no; a word of those to choose from; or a number.",
        "unit": "Of a number, a UCUM code; 1 for none.",
        "answered_by": "Who did, or who accepted a model's answer.",
        "reviewed_by": "As in scans.csv, of the answers.",
    },
    "landmarks.csv": {
        "scan": "As in scans.csv.",
        "landmark": "Which.",
        "x_mm": "Towards the patient's left, from the scanner's origin.",
        "y_mm": "Towards the patient's back.",
        "z_mm": "Towards the patient's head.",
        "placed_by": "Who did, or who accepted a model's landmarks.",
        "reviewed_by": "As in scans.csv, of the landmarks.",
    },
}
"""What each column of each table means."""


def write_tables(batch: Batch) -> None:
    """``scans.csv``, ``measurements.csv``, ``answers.csv``, ``landmarks.csv``, ``dictionary.csv``."""
    tables: dict[str, Rows] = {name: [] for name in COLUMNS}
    for item, mask in batch.read("Tables", lambda item: _measurable(batch, item)):
        tables["scans.csv"].append(_scan(batch, item))
        tables["measurements.csv"] += _measurements(item, mask)
        tables["answers.csv"] += _answers(batch, item)
        tables["landmarks.csv"] += _landmarks(item)
    if not tables["scans.csv"]:
        return
    for name, rows in tables.items():
        write_sheet(batch.folder / name, [*COLUMNS[name]], rows)
    said: Rows = [
        {"table": name, "column": column, "meaning": meaning}
        for name, columns in COLUMNS.items()
        for column, meaning in columns.items()
    ]
    said += _asked(batch)
    write_sheet(batch.folder / "dictionary.csv", ["table", "column", "meaning"], said)


def _measurable(batch: Batch, item: Item) -> Mask | None:
    return batch.mask(item) if measurable(item) else None


def _scan(batch: Batch, item: Item) -> dict[str, object]:
    mask = item.heads.get(Content.MASK)
    reviews = item.approvals.get(Content.MASK, ())
    complete = "yes" if item.seen.whole else "no"
    return {
        "scan": item.name,
        "patient": item.patient,
        "study": item.study,
        "modality": item.scan.modality,
        **_series(item),
        "split": "test" if item.is_test else "",
        "status": str(item.scan.status),
        "label_set": batch.label_set.name,
        "complete": complete if mask else "",
        "origin": str(Origin.of(batch.workspace, mask)) if mask else "",
        "saved": f"{mask.made:%Y-%m-%dT%H:%M:%SZ}" if mask else "",
        "reviewed_by": _reviewers(item, Content.MASK),
        "reviewed": f"{reviews[0].made:%Y-%m-%dT%H:%M:%SZ}" if reviews else "",
    }


def _series(item: Item) -> dict[str, object]:
    from medlib.space import Grid

    series, grid = item.series, Grid.from_dict(item.scan.grid)
    return {
        "days": item.when.day,
        "series": series.number,
        "description": series.words,
        "contrast": {True: "yes", False: "no", None: ""}[series.contrast],
        "plane": plane_of(grid),
        "slices": grid.shape[0],
        "slice_spacing_mm": f"{grid.spacing[0]:.6g}",
    }


def _measurements(item: Item, mask: Mask | None) -> Iterator[dict[str, object]]:
    if mask is None:
        return
    sizes = sizes_of(mask)
    for label in mask.known:
        for what in MEASURES:
            if (label.name, what) in sizes:
                yield {
                    "scan": item.name,
                    "structure": label.name,
                    "code": label.code.value if label.code else "",
                    "scheme": label.code.scheme if label.code else "",
                    "measure": what,
                    "value": f"{sizes[label.name, what]:.6g}",
                    "unit": "ml" if what == "volume" else "mm",
                }


def _answers(batch: Batch, item: Item) -> Iterator[dict[str, object]]:
    version = item.heads.get(Content.ANSWERS)
    if version is None:
        return
    for name, question in questions_of(batch.label_set).items():
        if name in version.entries:
            yield {
                "scan": item.name,
                "question": name,
                "answer": spoken(version.entries[name]),
                "unit": question.unit,
                "answered_by": version.author,
                "reviewed_by": _reviewers(item, Content.ANSWERS),
            }


def _landmarks(item: Item) -> Iterator[dict[str, object]]:
    version = item.heads.get(Content.POINTS)
    for name, place in placed(version).items() if version else ():
        x, y, z = (round(float(mm), 3) for mm in place)
        yield {
            "scan": item.name,
            "landmark": name,
            "x_mm": x,
            "y_mm": y,
            "z_mm": z,
            "placed_by": version.author if version else "",
            "reviewed_by": _reviewers(item, Content.POINTS),
        }


def _reviewers(item: Item, content: Content) -> str:
    return ";".join(dict.fromkeys(one.reviewer for one in item.approvals.get(content, ())))


def _asked(batch: Batch) -> Rows:
    """The values that a column may have which the label set lists."""
    how = {"yes/no": "yes or no", "number": "a number"}
    said: Rows = [
        {
            "table": "measurements.csv",
            "column": f"structure = {label.name}",
            "meaning": label.code.meaning if label.code else "a structure without a code",
        }
        for label in table_of(batch.label_set)
    ]
    for name, question in questions_of(batch.label_set).items():
        answer = how.get(question.kind, " / ".join(question.choices))
        meaning = f"{answer}, {question.unit}" if question.kind == "number" else answer
        said.append({"table": "answers.csv", "column": f"question = {name}", "meaning": meaning})
    return said
