"""A workspace's work: a process that does what was asked for, one job after another.

Run one beside the server, and one for each further graphics card::

    python -m medlib.work WORKSPACE                    # the card if there is one, else the processor
    python -m medlib.work WORKSPACE --device cuda:1
    MEDLIB_DATABASE=postgresql://… python -m medlib.work WORKSPACE

Whoever starts it as a child (as ``medlib app`` does) ends it by SIGTERM, or by closing its standard
input where it was given ``--with-parent``; the job that it was at is then queued again, and goes on
from where it stood. Each job runs in a process of its own, so that one that crashes, runs out of
memory or is killed leaves the worker as it was.

What is asked for are plain values, queued by :func:`ask`::

    ask(workspace, Training(label_set=1, minutes=10), by="ada")
    ask(workspace, Training(label_set=1, minutes=10, begin=3), by="ada")  # goes on from model 3
    ask(workspace, Predicting(model=1), by="ada")     # all scans not labelled whole
    ask(workspace, Looking(label_set=1), by="ada")    # what the data say, and a plan in words
"""

from medlib.work.asking import (
    Asked,
    Looking,
    Predicting,
    Training,
    ask,
    folder_of,
    read_request,
    usual_device,
)
from medlib.work.beginning import seen_by
from medlib.work.waiting import asked_of, waiting
from medlib.work.worker import Worker

__all__ = [
    "Asked",
    "Looking",
    "Predicting",
    "Training",
    "Worker",
    "ask",
    "asked_of",
    "folder_of",
    "read_request",
    "seen_by",
    "usual_device",
    "waiting",
]
