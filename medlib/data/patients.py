"""Whose scan a file is, as far as its name can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Names that say outright where the patient's own part ends.
_STATED = (
    re.compile(r"(?:^|[/_])(sub-[a-z0-9]+)"),  # BIDS 1.9, "Entities"
    re.compile(r"^(tcga-\w{2}-\w{4})"),  # The Cancer Genome Atlas
    re.compile(r"^(brats-[a-z]+-\d+)-\d{3}"),  # BraTS 2023: the last three digits are time points
)
# Words that part the scans of one patient: when, how, and which side was taken.
_VISIT = r"ses|session|visit|tp|timepoint|time|fu|followup|run|acq|echo|phase"
_OTHER_SCAN = re.compile(
    rf"(?:{_VISIT})\d*|baseline|follow|up|pre|post|preop|postop|rescan|retest|repeat"
    r"|(?:day|week|month|year)\d*|d\d{4}|mr\d|[vt]\d|(?:19|20)\d{6}"
    r"|left|right|l|r|lh|rh|od|os"
    r"|t1w|t2w|t1ce|t1c|t1gd|t1n|t2f|t2s|flair|dwi|adc|swi|pd|pdw|bold|dce"
    r"|image|images|img|scan|ct|mr|mri|pet|vol|volume|0000"
)
_NUMBERED = re.compile(rf"{_VISIT}|day|week|month|year|rescan|repeat|mr|follow|up")


def patient_of(name: str) -> str:
    """The patient that a file's name seems to say; names of one patient give the same.

    It is a guess, made so that a patient is rather put together with another than torn in two: a
    validation that has seen its patients is worth nothing, one that is a little smaller is. What
    is stated is taken: BIDS' ``sub-…``, TCGA's and BraTS' codes. Of other names, words that say
    when or how a scan was taken are left out: visits, sessions and dates, before and after,
    sequences and modalities, left and right. Where that leaves nothing, the whole name is meant.

    Nothing can be known from names such as ``scan_17``: there a table should say (see
    :func:`medlib.data.from_table`).

    Example:
        >>> [patient_of(name) for name in ("sub-07_ses-1_T1w", "knee12_left_visit2", "case_3_CT")]
        ['sub-07', 'knee12', 'case_3']
    """
    lower = name.lower()
    for pattern in _STATED:
        if found := pattern.search(lower):
            return found.group(1)
    words = [word for word in re.split(r"[^a-z0-9]+", lower) if word]
    kept = list(_kept(words, numbers=False)) or list(_kept(words, numbers=True))
    return "_".join(kept) or lower


def _kept(words: list[str], *, numbers: bool) -> Iterator[str]:
    """Words that may say who; the number after *visit* only if ``numbers`` may, too."""
    for before, word in zip(["", *words], words, strict=False):
        counts_visits = len(word) < 3 and word.isdigit() and _NUMBERED.fullmatch(before)
        if not _OTHER_SCAN.fullmatch(word) and (numbers or not counts_visits):
            yield word
