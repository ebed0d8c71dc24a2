"""What structures are called, and their SNOMED CT codes.

The codes are those of DICOM's own subset of SNOMED CT (PS3.16); a test checks each against
pydicom's dictionary. Names are matched by their words, in any order: ``kidney_left``, ``Left
kidney`` and ``kidney L`` are one structure, a kidney with the modifier *left*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from medlib.types.labels import Code

_STRUCTURES = """
liver | 10200004 | Liver
spleen | 78961009 | Spleen
kidney | 64033007 | Kidney
pancreas | 15776009 | Pancreas
gallbladder | 28231008 | Gallbladder
stomach | 69695003 | Stomach
duodenum | 38848004 | Duodenum
small bowel | 30315005 | Small intestine
small intestine | 30315005 | Small intestine
large intestine | 14742008 | Large intestine
colon | 71854001 | Colon
sigmoid colon | 60184004 | Sigmoid colon
rectum | 34402009 | Rectum
esophagus | 32849002 | Esophagus
trachea | 44567001 | Trachea
lung | 39607008 | Lung
lung upper lobe | 45653009 | Upper lobe of lung
lung lower lobe | 90572001 | Lower lobe of lung
lung middle lobe | 72481006 | Middle lobe of right lung
pleura | 3120008 | Pleura
airway | 89187006 | Airway structure
heart | 80891009 | Heart
left atrium | 82471001 | Left atrium
right atrium | 73829009 | Right atrium
left ventricle | 87878005 | Left ventricle
right ventricle | 53085002 | Right ventricle
left atrial appendage | 33626005 | Left auricular appendage
aorta | 15825003 | Aorta
inferior vena cava | 64131007 | Inferior vena cava
superior vena cava | 48345005 | Superior vena cava
portal vein | 32764006 | Portal vein
splenic vein | 35819009 | Splenic vein
hepatic vein | 8993003 | Hepatic vein
pulmonary vein | 122972007 | Pulmonary vein
pulmonary artery | 81040000 | Pulmonary artery
brachiocephalic trunk | 12691009 | brachiocephalic trunk
brachiocephalic vein | 8887007 | Brachiocephalic vein
subclavian artery | 36765005 | Subclavian artery
common carotid artery | 32062004 | Common carotid artery
iliac artery | 10293006 | Iliac artery
iliac vein | 244411005 | Iliac vein
renal artery | 2841007 | Renal artery
renal vein | 56400007 | Renal vein
celiac trunk | 57850000 | Celiac Axis
superior mesenteric artery | 42258001 | Superior mesenteric artery
artery | 51114001 | Artery
vein | 29092000 | Vein
adrenal gland | 23451007 | Adrenal gland
urinary bladder | 89837001 | Bladder
prostate | 41216001 | Prostate
seminal vesicle | 64739004 | Seminal Vesicle
uterus | 35039007 | Uterus
ovary | 15497006 | Ovary
testis | 40689003 | Testis
thyroid | 69748006 | Thyroid
thymus | 9875009 | Thymus
breast | 76752008 | Breast
lymph node | 59441001 | Lymph Node
bile duct | 28273000 | Bile duct
common bile duct | 79741001 | Common bile duct
pancreatic duct | 69930009 | Pancreatic duct
brain | 12738006 | Brain
hippocampus | 5366008 | Hippocampus
amygdala | 4958002 | Amygdala
thalamus | 42695009 | Thalamus
caudate nucleus | 11000004 | Caudate Nucleus
putamen | 89278009 | Putamen
nucleus accumbens | 427667007 | Nucleus Accumbens
brainstem | 119238007 | Brain Stem
cerebellum | 113305005 | Cerebellum
gray matter | 389081007 | Gray Matter
white matter | 389080008 | White Matter
cerebrospinal fluid | 65216001 | Cerebrospinal Fluid
lateral ventricle | 66720007 | Lateral Ventricle
third ventricle | 49841001 | Third ventricle
fourth ventricle | 35918002 | Fourth Ventricle
pituitary | 56329008 | Pituitary
optic nerve | 18234004 | optic nerve
optic chiasm | 244453006 | Optic chiasm
eye | 79652003 | Eyeball
parotid gland | 45289007 | Parotid gland
submandibular gland | 54019009 | Submandibular gland
spinal cord | 2748008 | Spinal cord
skull | 89546000 | Skull
mandible | 91609006 | Mandible
vertebra | 51282000 | Vertebra
rib | 113197003 | Rib
sternum | 56873002 | Sternum
costal cartilage | 50016007 | Costal Cartilage
cartilage | 309312004 | Cartilage
meniscus | 74135004 | Meniscus
clavicle | 51299004 | Clavicle
scapula | 79601000 | Scapula
humerus | 85050009 | Humerus
femur | 71341001 | Femur
tibia | 12611008 | Tibia
fibula | 87342007 | Fibula
patella | 64234005 | Patella
sacrum | 54735007 | Sacrum
pelvis | 816092008 | Pelvis
bone | 272673000 | Bone
muscle | 127954009 | Skeletal muscle
subcutaneous tissue | 71966008 | Subcutaneous tissue
fat | 256674009 | Fat
skin | 39937001 | Skin
larynx | 4596009 | Larynx
heart atrium left | 82471001 | Left atrium
heart atrium right | 73829009 | Right atrium
heart ventricle left | 87878005 | Left ventricle
heart ventricle right | 53085002 | Right ventricle
globus pallidus | 14738005 | Globus Pallidus
vertebra c1 | 14806007 | C1 vertebra
vertebra c2 | 39976000 | C2 vertebra
vertebra c3 | 113205007 | C3 vertebra
vertebra c4 | 5329002 | C4 vertebra
vertebra c5 | 36978003 | C5 vertebra
vertebra c6 | 36054005 | C6 vertebra
vertebra c7 | 87391001 | C7 vertebra
vertebra t1 | 64864005 | T1 vertebra
vertebra t2 | 53733008 | T2 vertebra
vertebra t3 | 1626008 | T3 vertebra
vertebra t4 | 73071006 | T4 vertebra
vertebra t5 | 56401006 | T5 vertebra
vertebra t6 | 45296009 | T6 vertebra
vertebra t7 | 62487009 | T7 vertebra
vertebra t8 | 11068009 | T8 vertebra
vertebra t9 | 82687006 | T9 vertebra
vertebra t10 | 7610001 | T10 vertebra
vertebra t11 | 12989004 | T11 vertebra
vertebra t12 | 23215003 | T12 vertebra
vertebra l1 | 66794005 | L1 vertebra
vertebra l2 | 14293000 | L2 vertebra
vertebra l3 | 36470004 | L3 vertebra
vertebra l4 | 11994002 | L4 vertebra
vertebra l5 | 49668003 | L5 vertebra
"""

_ABNORMALITIES = """
neoplasm | 108369006 | Neoplasm
tumor | 108369006 | Neoplasm
cancer | 108369006 | Neoplasm
metastasis | 128462008 | Metastasis
lesion | 52988006 | Lesion
mass | 4147007 | Mass
nodule | 27925004 | Nodule
cyst | 367643001 | Cyst
edema | 79654002 | Edema
necrosis | 6574001 | Necrosis
hemorrhage | 50960005 | Hemorrhage
hematoma | 35566002 | Hematoma
abscess | 44132006 | Abscess
thrombus | 396339007 | Thrombus
aneurysm | 85659009 | Aneurysm
effusion | 41699000 | Effusion
"""

_MODIFIERS = {
    "left": Code("7771000", "SCT", "Left"),
    "right": Code("24028007", "SCT", "Right"),
    "anterior": Code("255549009", "SCT", "Anterior"),
    "posterior": Code("255551008", "SCT", "Posterior"),
    "superior": Code("264217000", "SCT", "Superior"),
    "inferior": Code("261089000", "SCT", "Inferior"),
}

ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
TISSUE = Code("85756007", "SCT", "Tissue")

# Other spellings and short forms, a word each.
_SPELLINGS = (
    {"l": "left", "lt": "left", "r": "right", "rt": "right", "ant": "anterior", "post": "posterior"}
    | {"oesophagus": "esophagus", "tumour": "tumor", "oedema": "edema", "grey": "gray"}
    | {"haemorrhage": "hemorrhage", "haematoma": "hematoma", "coeliac": "celiac"}
    | {"vertebrae": "vertebra", "metastases": "metastasis", "vena": "vein"}
    | {"eyeball": "eye", "renal": "kidney", "hepatic": "liver", "lienal": "spleen"}
)
_FILLERS = {"the", "of", "structure", "organ", "label", "mask", "seg", "segmentation"}
_ALIASES = """
bladder | urinary bladder
bowel | small bowel
thyroid gland | thyroid
adrenal | adrenal gland
parotid | parotid gland
submandibular | submandibular gland
skeletal muscle | muscle
venous system | vein
csf | cerebrospinal fluid
brain stem | brainstem
pallidum | globus pallidus
caudate | caudate nucleus
accumbens | nucleus accumbens
pituitary gland | pituitary
"""


@dataclass(frozen=True, slots=True)
class Concept:
    """What a structure is, as a DICOM segment says it (PS3.3 C.8.20.4).

    Args:
        category: anatomical structure, abnormal structure, or tissue.
        type: what it is.
        modifiers: left, right, anterior, posterior …
        region: where an abnormality lies, if its name says so.
    """

    category: Code
    type: Code
    modifiers: tuple[Code, ...] = ()
    region: Code | None = None


def code_for(name: str) -> Code | None:
    """The code of a structure by its usual name; None where the name is not known.

    The side is not part of the code: see :func:`concept_for`.

    Example:
        >>> code_for("kidney_left")
        Code(value='64033007', scheme='SCT', meaning='Kidney')
        >>> code_for("no such thing") is None
        True
    """
    concept = concept_for(name)
    return None if concept is None else concept.type


def concept_for(name: str, code: Code | None = None) -> Concept | None:
    """What a name says: the structure, its side, and what is wrong with it.

    Args:
        name: in words, in any usual order or spelling.
        code: what it is, if that is known already; then only the modifiers are read off the name.

    Example:
        >>> [m.meaning for m in concept_for("posterior hippocampus").modifiers]
        ['Posterior']
        >>> concept_for("liver tumour").region.meaning
        'Liver'
    """
    words = _words(name)
    modifiers = tuple(_MODIFIERS[w] for w in _MODIFIERS if w in words)
    if code is not None:
        return Concept(category_of(code), code, modifiers if code not in _sided() else ())
    abnormal = next((w for w in words if w in _abnormalities()), None)
    if abnormal is not None:
        place = _structure([w for w in words if w != abnormal])
        if place is None and set(words) - {abnormal} - set(_MODIFIERS):
            return None
        sides = modifiers if place is None else place[1]
        region = None if place is None else place[0]
        return Concept(ABNORMAL_STRUCTURE, _abnormalities()[abnormal], sides, region)
    found = _structure(words)
    return None if found is None else Concept(category_of(found[0]), found[0], found[1])


def category_of(code: Code) -> Code:
    """The category that goes with a code: abnormal structure, tissue or anatomical structure."""
    if code in _abnormalities().values():
        return ABNORMAL_STRUCTURE
    return TISSUE if code.meaning in {"Fat", "Skeletal muscle", "Tissue"} else ANATOMICAL_STRUCTURE


def known_names() -> tuple[str, ...]:
    """Every structure and abnormality the table names."""
    return tuple(name for name, _ in _rows(_STRUCTURES) + _rows(_ABNORMALITIES))


def _structure(words: list[str]) -> tuple[Code, tuple[Code, ...]] | None:
    """The code, and the modifiers that the code itself does not say."""
    table = _structures()
    for kept in (_MODIFIERS.keys(), _MODIFIERS.keys() - {"left", "right"}, frozenset[str]()):
        core = frozenset(w for w in words if w not in _MODIFIERS or w in kept)
        if core and core in table:
            left_out = [_MODIFIERS[w] for w in _MODIFIERS if w in words and w not in core]
            return table[core], tuple(left_out)
    return None


def _words(name: str) -> list[str]:
    """The words of a name, in lower case and one spelling, without numbers that only count."""
    split = re.sub(r"([a-z])([A-Z][a-z])", r"\1 \2", name)
    found: list[str] = []
    for token in re.findall(r"[a-z]+\d*", split.lower()):
        word = token if re.fullmatch(r"[ctls]\d{1,2}", token) else token.rstrip("0123456789")
        found += _parted(_SPELLINGS.get(word, word))
    return [_singular(w) for w in found if w not in _FILLERS]


def _parted(word: str) -> list[str]:
    """Words written as one (``livertumor``, ``portalvein``), taken apart if both are known."""
    known = _vocabulary()
    if word in known:
        return [word]
    for i in range(3, len(word) - 2):
        head, tail = word[:i], _SPELLINGS.get(word[i:], word[i:])
        if head in known and _singular(tail) in known:
            return [head, tail]
    return [word]


def _singular(word: str) -> str:
    known = _vocabulary()
    return word[:-1] if word not in known and word.endswith("s") and word[:-1] in known else word


@cache
def _structures() -> dict[frozenset[str], Code]:
    table = {_key(name): code for name, code in _rows(_STRUCTURES)}
    for line in _ALIASES.strip().splitlines():
        alias, name = (part.strip() for part in line.split("|"))
        table[_key(alias)] = table[_key(name)]
    return table


def _key(name: str) -> frozenset[str]:
    return frozenset(_SPELLINGS.get(word, word) for word in name.split())


@cache
def _abnormalities() -> dict[str, Code]:
    return dict(_rows(_ABNORMALITIES))


@cache
def _vocabulary() -> frozenset[str]:
    words = frozenset[str]().union(*_structures()) | frozenset(_abnormalities())
    return words | frozenset(_MODIFIERS) | _FILLERS


@cache
def _sided() -> frozenset[Code]:
    """Codes that say their side themselves."""
    return frozenset(c for c in _structures().values() if re.match(r"(Left|Right) ", c.meaning))


def _rows(table: str) -> list[tuple[str, Code]]:
    parts = [[p.strip() for p in line.split("|")] for line in table.strip().splitlines()]
    return [(name, Code(value, "SCT", meaning)) for name, value, meaning in parts]
