"""What the header of a DICOM file says under a few keywords, as a workspace takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medlib.io.files import File

_LONGEST = 330  # characters: five groups of 64, DICOM's PN


class Header:
    """A few attributes of a file.

    Args:
        file: of DICOM.
        keywords: the attributes that will be asked for.

    Raises:
        OSError: when the file is not there.
    """

    def __init__(self, file: File, *keywords: str) -> None:
        import pydicom

        with file.open() as stream:
            self._read: Any = pydicom.dcmread(
                stream, force=True, stop_before_pixels=True, specific_tags=[*keywords]
            )

    def text(self, keyword: str) -> str:
        """An attribute as a person would write it; empty where it is missing."""
        said = str(self._value(keyword) or "").replace("^", " ")
        return "".join(c for c in said if c.isprintable()).strip()[:_LONGEST]

    def number(self, keyword: str) -> float | None:
        """An attribute that is one number; None where it is missing, or is none."""
        try:
            return float(self._value(keyword))
        except (TypeError, ValueError, OverflowError):
            return None

    def has(self, keyword: str) -> bool:
        """Whether there is something under it."""
        return bool(self._value(keyword))

    def _value(self, keyword: str) -> Any:
        try:
            return self._read.get(keyword)
        except (TypeError, ValueError, OverflowError):  # what does not conform is not known
            return None
