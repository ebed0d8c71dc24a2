"""Layer 1: learn something of scans, in a few lines.

Example, with a folder of scans and one of their label maps::

    learn = medlib.segmenter("scans", "labels", kind=medlib.MRVolume)
    learn.fine_tune(minutes=20)
    print(learn.scores.labels)          # Dice of each structure, on patients kept back
    learn.save("liver.medlib")

    model = medlib.load("liver.medlib")
    mask = model.predict("a/new/scan.nii.gz")

A table of scans and answers is learned from in the same way, by :func:`classifier` (one of several
words, or yes and no to several questions) and :func:`regressor` (a number with a unit), files of
landmarks by :func:`landmarks`, and boxes around findings by :func:`detector`.
"""

from medlib.package import load
from medlib.tasks.base import Task
from medlib.tasks.preparing import KindOf, task
from medlib.tasks.questions import classifier, detector, landmarks, regressor, segmenter

__all__ = [
    "KindOf",
    "Task",
    "classifier",
    "detector",
    "landmarks",
    "load",
    "regressor",
    "segmenter",
    "task",
]
