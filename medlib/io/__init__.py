"""Files in and out: DICOM and NIfTI, checked on the way.

:func:`survey` says what is there; a :class:`Stack` is a volume it found and :meth:`Stack.read`
reads it. Geometry and units are never guessed: what cannot be read rightly is refused, with the
reason.
"""

from medlib.io.boxes import read_box_table, read_boxes
from medlib.io.convert import Conversion, Written, convert
from medlib.io.dicom.seg_write import write_seg
from medlib.io.dicom.sr_write import Verifier, write_measurements
from medlib.io.files import UnreadableError
from medlib.io.markups import read_points
from medlib.io.masks import read_mask
from medlib.io.nifti import write_nifti
from medlib.io.projection import stated
from medlib.io.report import describe
from medlib.io.save import save
from medlib.io.stack import Refusal, Skipped, Stack
from medlib.io.structures import read_structures
from medlib.io.survey import Survey, find_one, read_radiograph, read_volume, survey, survey_files

__all__ = [
    "Conversion",
    "Refusal",
    "Skipped",
    "Stack",
    "Survey",
    "UnreadableError",
    "Verifier",
    "Written",
    "convert",
    "describe",
    "find_one",
    "read_box_table",
    "read_boxes",
    "read_mask",
    "read_points",
    "read_radiograph",
    "read_structures",
    "read_volume",
    "save",
    "stated",
    "survey",
    "survey_files",
    "write_measurements",
    "write_nifti",
    "write_seg",
]
