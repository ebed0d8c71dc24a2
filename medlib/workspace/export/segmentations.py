"""DICOM: a segmentation, and a report of its measurements, for the archive the scans came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.export.batch import Batch, Item
from medlib.workspace.export.origins import Origin
from medlib.workspace.schema import Content, Review

if TYPE_CHECKING:
    from medlib.io import Stack
    from medlib.types import Mask


def write_segmentations(batch: Batch) -> None:
    """``NAME_seg.dcm`` and ``NAME_report.dcm`` of each DICOM series that was labelled whole.

    Patient and study are those of the scan. The report is ``VERIFIED`` by the reviewers who stand
    behind the outline, and ``UNVERIFIED`` where there are none; the segmentation, for which DICOM
    has no such flag, names them in its description.
    """
    for _ in batch.read("DICOM SEG", lambda item: _write(batch, item)):
        pass


def _write(batch: Batch, item: Item) -> None:
    """Both files, or neither."""
    from medlib import __version__, io

    mask, stack = _read(batch, item)
    version, reviews = item.heads[Content.MASK], item.approvals[Content.MASK]
    origin = Origin.of(batch.workspace, version)
    segmentation = batch.folder / f"{item.name}_seg.dcm"
    try:
        io.write_seg(
            mask,
            stack,
            segmentation,
            algorithm_name=_line(origin.algorithm) or "medlib",
            algorithm_version=__version__,
            algorithm_type=origin.how,
            series_description=_line(batch.label_set.name),
            creator=version.author,
            remark=_line(_remark(reviews)),
        )
        io.write_measurements(
            segmentation,
            mask,
            batch.folder / f"{item.name}_report.dcm",
            observer=version.author,
            verified_by=[io.Verifier(review.reviewer, review.made) for review in reviews],
            series_description=_line(f"Measurements: {batch.label_set.name}"),
        )
    except BaseException:
        segmentation.unlink(missing_ok=True)
        raise


def _read(batch: Batch, item: Item) -> tuple[Mask, Stack]:
    if item.scan.source != "dicom":
        raise WorkspaceError("it was no DICOM, so no archive knows it: choose nifti")
    mask = batch.mask(item)
    if mask is None:
        raise WorkspaceError("nothing is outlined in it")
    if not item.seen.whole:
        raise WorkspaceError("not all of its slices are done, which DICOM SEG cannot say")
    return mask, batch.workspace.scans.stack(item.scan.id)


def _remark(reviews: Sequence[Review]) -> str:
    """Who has reviewed it.

    Example:
        >>> _remark([])
        'not reviewed'
    """
    return (
        f"reviewed by {', '.join(one.reviewer for one in reviews)}" if reviews else "not reviewed"
    )


def _line(text: str) -> str:
    """As DICOM's long strings have it, which end at a backslash."""
    return "".join(c for c in text.replace("\\", "/") if c.isprintable())[:64].strip()
