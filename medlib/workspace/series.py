"""Which series of a study a scan is, in words and numbers that name nobody."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from medlib.workspace.headers import Header

if TYPE_CHECKING:
    from medlib.space import Grid

_GAP = "…"
# Phases and contrast, planes, sequences, reconstructions, parts of the body; as scanners in English,
# German, French, Italian and Spanish write them. What is not here might be somebody's name, and what
# many are called by is not here, but for Dixon's sequence.
_LISTED = """
a v p pv art arterial arteriell arterielle arteriel artérielle arterioso arteriosa early late
venous venös venoes venöse veineux veineuse venoso venosa ven portal portale portalvenous
portalvenös portalvenoes portovenous delayed delay equilibrium spät spaet tardif tardivo tardía
native nativ natif basale noncontrast unenhanced enhanced contrast contraste kontrast km iv po
pre post with without w wo c ce kontrastmittel nephrographic excretory urographic pancreatic
hepatobiliary hbp phase phases dyn dynamic perfusion angio cta mra ctpa cct hct tof pc bolus
monitoring premonitoring track triggered ecg ekg gated resp breath hold bh free breathing
inspiration expiration insp exp systole diastole
ax axial axiale tra trans transversal transverse cor coronal coronale koronar sag sagittal
sagittale obl oblique mpr mip minip vrt 2d 3d 4d
t1 t1w t2 t2w t2star pd pdw flair stir dwi adc dti trace swi gre fgre spgr flash vibe lava
thrive dixon mdixon ideal water fat wat inphase outphase opphase in out opp opposed sat fs fatsat
spair spir tse fse se haste ssfse trufi fiesta bssfp space cube mprage ir tir tirm blade
propeller epi asl mrcp mrs hydro localizer localiser scout topogram survey surview calibration
b0 b50 b100 b200 b400 b500 b600 b700 b800 b900 b1000 b1200 b1400 b1500 b2000 b3000
thin thick thins dünn duenn dick fin épais slices slice recon reconstruction axials kernel soft
smooth standard std stnd bone knochen os lung lunge poumon detail edge weichteil tissue
tissus mous body hr hrct lowdose ld dose mar iterative fbp original derived corrected subtraction
sub attenuation ac nac ctac pet ct mr mri us dx cr spect fdg psma suv wholebody whole vmi mono
iodine vnc overlay
head kopf skull schädel schaedel brain hirn gehirn cerebral crâne crane neck cou chest thorax
thoracic thx abdomen abd abdominal abdominale pelvis becken bassin liver leber foie hígado
fegato spleen milz kidney kidneys nieren renal rein pancreas pankreas adrenal bowel colon rectum
rektum prostate prostata bladder uterus ovary breast mamma cardiac heart coeur coronary
coronaries aorta carotid spine wirbelsäule ws hws bws lws cervical lumbar sacrum shoulder
schulter elbow wrist hip hüfte huefte knee knie ankle foot sinus orbit orbits petrous
pituitary upper lower extremity runoff left right
"""
_WORDS = frozenset(_LISTED.split())
# A length, a time, a voltage or a part; numbers without a unit may be a birthday or a record's.
_AMOUNT = r"(?<![\w.,/-])\d{1,3}(?:[.,]\d{1,3})?\s?(?:mm|cm|ml|s|sec|min|kv|kev|%)(?!\w)"
_PIECE = re.compile(rf"{_AMOUNT}|[^\W_]+", re.IGNORECASE)
_IS_AMOUNT = re.compile(_AMOUNT, re.IGNORECASE)
_NO_AGENT = {"no", "none", "nein", "non", "n", "without", "ohne", "sans", "nativ", "native"}
_PLANES = {"L": "sagittal", "P": "coronal", "S": "axial"}
_STRAIGHT = math.cos(math.radians(30))


@dataclass(frozen=True)
class Series:
    """What tells a scan from the others of its study.

    Args:
        words: those of SeriesDescription (0008,103E) that name nobody; see :func:`known_words`.
        number: SeriesNumber (0020,0011).
        contrast: whether a contrast agent is stated (0018,0010); None where nothing is.
        repetition: RepetitionTime (0018,0080) of MR, milliseconds.
        echo: EchoTime (0018,0081), milliseconds.
        inversion: InversionTime (0018,0082), milliseconds.
    """

    words: str = ""
    number: int | None = None
    contrast: bool | None = None
    repetition: float | None = None
    echo: float | None = None
    inversion: float | None = None

    KEYWORDS: ClassVar[tuple[str, ...]] = (
        *("SeriesDescription", "SeriesNumber", "ContrastBolusAgent", "ContrastBolusAgentSequence"),
        *("RepetitionTime", "EchoTime", "InversionTime"),
    )

    @classmethod
    def of(cls, header: Header) -> tuple[Series, str]:
        """What a header says, and its description as the sender wrote it, which may name people.

        Args:
            header: read for :attr:`KEYWORDS`, at least.
        """
        description = header.text("SeriesDescription")
        number = header.number("SeriesNumber")
        return (
            cls(
                words=known_words(description),
                number=int(number) if number is not None and number.is_integer() else None,
                contrast=_contrast(header),
                repetition=header.number("RepetitionTime"),
                echo=header.number("EchoTime"),
                inversion=header.number("InversionTime"),
            ),
            description,
        )

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Series:
        """What :meth:`to_dict` wrote."""
        return cls(**said)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, of what is known."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}


def known_words(description: str) -> str:
    """The words of a series' description that are known to name nobody, and amounts with a unit.

    People type names, numbers and dates into descriptions, now and then. So only words of a list of
    phases, planes, sequences and parts of the body are kept; for others there is an ellipsis.

    Example:
        >>> known_words("Abdomen PORTAL VENOUS 1.25mm"), known_words("Roe^Jane 1950 ax T2_tse")
        ('Abdomen PORTAL VENOUS 1.25mm', '… ax T2 tse')
    """
    kept: list[str] = []
    for piece in _PIECE.findall(description):
        if piece.casefold() in _WORDS or _IS_AMOUNT.fullmatch(piece):
            kept.append(piece)
        elif kept[-1:] != [_GAP]:
            kept.append(_GAP)
    return "" if kept == [_GAP] else " ".join(kept)


def plane_of(grid: Grid) -> str:
    """In which plane a scan's slices lie: axial, coronal, sagittal, or oblique between them.

    Example:
        >>> from medlib.space import Grid
        >>> plane_of(Grid.from_axes((40, 64, 64)))
        'axial'
    """
    along = abs(grid.directions[:, 0])
    return _PLANES["LPS"[int(along.argmax())]] if along.max() >= _STRAIGHT else "oblique"


def _contrast(header: Header) -> bool | None:
    said = header.text("ContrastBolusAgent").casefold()
    if words := re.findall(r"\w+", said):
        return words[0] not in _NO_AGENT
    return True if header.has("ContrastBolusAgentSequence") else None
