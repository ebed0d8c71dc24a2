"""A backbone of the library's own, learned from synthetic volumes alone: no patient is in it.

==============================  ====================================================================
:mod:`.layout`, :mod:`.solids`  which structures a volume is made of, and their shapes
:mod:`.shapes`                  labels and distances of a volume, from its number alone
:mod:`.appearance`              how it looks, each time as if another scanner had made it
:mod:`.volumes`                 batches of both; :mod:`.pictures` shows them
:mod:`.network`                 the library's U-Net, and what it is asked meanwhile
:mod:`.objectives`              families, distances, and contrast between two appearances
:mod:`.recipe`                  the training loop; :mod:`.configuration` decides all of it
==============================  ====================================================================

``docs/pretraining.md`` says how it is run, on a processor and on a graphics card.
"""

from medlib.models.pretraining.appearance import appearance
from medlib.models.pretraining.configuration import Configuration, Form
from medlib.models.pretraining.recipe import Result, pretrain
from medlib.models.pretraining.shapes import Shapes, shapes
from medlib.models.pretraining.volumes import Volumes, volumes

__all__ = [
    "Configuration",
    "Form",
    "Result",
    "Shapes",
    "Volumes",
    "appearance",
    "pretrain",
    "shapes",
    "volumes",
]
