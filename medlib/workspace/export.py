"""What is in a workspace, written for others: nnU-Net, NIfTI, DICOM SEG."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.schema import Content, LabelSet
from medlib.workspace.seen import Seen

if TYPE_CHECKING:
    from medlib.data import Case
    from medlib.types import Labels, Mask
    from medlib.workspace.workspace import Workspace

_HOW = {"drawn": "MANUAL", "imported": "MANUAL", "accepted": "AUTOMATIC"}


@dataclass
class Exported:
    """What was written, and what could not be.

    Args:
        files: that were written.
        left_out: (name, reason) of each scan that was not.
    """

    files: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def each(self, name: str) -> Iterator[None]:
        """Leave out a scan that cannot be written, and go on with the others."""
        try:
            yield
        except (ValueError, OSError) as error:
            self.left_out.append((name, str(error)))


def to_nnunet(workspace: Workspace, label_set: LabelSet, folder: Path) -> Exported:
    """A raw data set in nnU-Net's layout (version 2), which :func:`medlib.data.from_nnunet` reads.

    Ids become 1, 2, … in the table's order, as nnU-Net wants them; what nobody looked at becomes
    its label ``ignore``. Scans tagged ``test`` go to ``imagesTs`` and ``labelsTs``.
    """
    from medlib.io import write_nifti
    from medlib.types import Labels

    pairing = workspace.pairing(label_set.id)
    done = Exported(left_out=[*pairing.set_aside])
    names = pairing.labels.names
    table = Labels.of(names, ignored=len(names) + 1)
    channels = set()
    for split, cases in (("Tr", pairing.cases), ("Ts", pairing.test)):
        for case in cases:
            with done.each(case.name):
                if case.annotated is not None and set(case.annotated) != set(names):
                    raise WorkspaceError(
                        "not all structures were looked for, which nnU-Net cannot say"
                    )
                mask = _renumbered(_mask(case, pairing.labels), table)
                image = folder / f"images{split}" / f"{case.name}_0000.nii.gz"
                label = folder / f"labels{split}" / f"{case.name}.nii.gz"
                write_nifti(case.scan.read(), image)
                write_nifti(mask, label)
                channels.add(case.scan.modality or case.scan.kind.__name__)
                done.files += [image, label]
    if len(channels) > 1:
        raise WorkspaceError(
            f"scans of several kinds ({', '.join(sorted(channels))}) are no one data set of "
            "nnU-Net's: export the label sets of each kind by themselves"
        )
    numbers = {"background": 0} | {label.name: label.id for label in table}
    said = {
        "channel_names": {"0": next(iter(channels), "scan")},
        "labels": numbers | {"ignore": table.ignored},
        "numTraining": sum(file.parent.name == "imagesTr" for file in done.files),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
    return done


def to_nifti(workspace: Workspace, label_set: LabelSet, folder: Path) -> Exported:
    """``scans``, ``labels``, ``points`` and ``cases.csv``, which :func:`medlib.data.from_table` reads."""
    from medlib import io

    pairing = workspace.pairing(label_set.id)
    done = Exported(left_out=[*pairing.set_aside])
    asked = [question["name"] for question in label_set.questions]
    rows: list[dict[str, object]] = []
    for split, cases in (("", pairing.cases), ("test", pairing.test)):
        for case in cases:
            with done.each(case.name):
                row: dict[str, object] = {
                    "name": case.name,
                    "patient": case.patient,
                    "split": split,
                }
                row["scan"] = f"scans/{case.name}.nii.gz"
                io.write_nifti(case.scan.read(), folder / str(row["scan"]))
                if case.label is not None:
                    row["label"] = f"labels/{case.name}.nii.gz"
                    io.write_nifti(_mask(case, pairing.labels), folder / str(row["label"]))
                if case.annotated is not None:
                    row["annotated"] = ";".join(case.annotated)
                if case.points is not None:
                    row["points"] = f"points/{case.name}.mrk.json"
                    io.save(io.read_points(case.points), folder / str(row["points"]))
                answers = {name: case.answers[name] for name in asked if name in case.answers}
                words = {True: "yes", False: "no"}
                row |= {n: words[a] if isinstance(a, bool) else a for n, a in answers.items()}
                rows.append(row)
                files = (row.get(key) for key in ("scan", "label", "points"))
                done.files += [folder / str(file) for file in files if file]
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    table = json.dumps(pairing.labels.to_list(), indent=1)
    (folder / "labels" / "labels.json").write_text(table, encoding="utf-8")
    columns = dict.fromkeys(column for row in rows for column in row)
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return done


def to_seg(workspace: Workspace, label_set: LabelSet, folder: Path) -> Exported:
    """A DICOM SEG for each DICOM series that has been labelled whole."""
    from medlib import __version__, io

    done = Exported()
    for entry in workspace.scans.list():
        scan = entry.scan
        version = workspace.versions.head(scan.id, label_set.id, Content.MASK)
        if version is None:
            continue
        with done.each(scan.name):
            if not Seen.from_dict(version.seen).whole:
                raise WorkspaceError("not all of its slices are done, which DICOM SEG cannot say")
            path = folder / f"{scan.name}.dcm"
            io.write_seg(
                workspace.versions.mask(version.id),
                workspace.scans.stack(scan.id),
                path,
                algorithm_name="medlib",
                algorithm_version=__version__,
                algorithm_type=_HOW.get(version.origin, "SEMIAUTOMATIC"),  # type: ignore[arg-type]
                series_description=label_set.name[:64],
            )
            done.files.append(path)
    return done


FORMS = MappingProxyType({"nnunet": to_nnunet, "nifti": to_nifti, "seg": to_seg})


def _mask(case: Case, labels: Labels) -> Mask:
    from medlib import io

    if case.label is None:
        raise WorkspaceError("no slice of it is done yet")
    return io.read_mask(case.label, labels=labels, on=case.scan.grid)


def _renumbered(mask: Mask, table: Labels) -> Mask:
    """The same structures by the numbers of another table of the same names.

    Raises:
        WorkspaceError: when structures overlap, of which a label map would lose one.
    """
    import torch

    if mask.overlaps:
        raise WorkspaceError("its structures overlap, and nnU-Net knows one for a voxel")
    lookup = torch.zeros(65536, dtype=torch.int32)
    lookup[[label.id for label in mask.labels]] = torch.arange(1, len(table) + 1).int()
    if mask.labels.ignored is not None and table.ignored is not None:
        lookup[mask.labels.ignored] = table.ignored
    return replace(mask, data=lookup[mask.data.long()], labels=table)
