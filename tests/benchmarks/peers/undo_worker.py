"""Sends scenes there and back with one library, or back alone, from what an earlier process kept.

    python undo_worker.py MODULE INPUTS OUTPUTS [--again]

MODULE gives ``there(scene, work, size)``, which returns the scene and what its way back needs;
``back(scene, way)``; ``to_json(way)`` and ``from_json(values)``. INPUTS holds scenes and
``works.json``, OUTPUTS is written to: what came back of each, and ``answers.json``, where a work
that failed leaves its error. With ``--again`` only those are brought back that were kept, in each
of the ways that they were kept.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from undo_scene import Scene

_READ: dict[str, Callable[[bytes, Any], Any]] = {
    "pickle": lambda kept, library: pickle.loads(kept),
    "json": lambda kept, library: library.from_json(json.loads(kept)),
}
_WRITE: dict[str, Callable[[Any, Any], bytes]] = {
    "pickle": lambda way, library: pickle.dumps(way),
    "json": lambda way, library: json.dumps(library.to_json(way)).encode(),
}


def there_and_back(library: Any, work: dict[str, Any], inputs: Path, outputs: Path) -> Any:
    """Do the work and undo it; the errors of the forms in which the way could not be kept."""
    scene, size = Scene.load(inputs / f"{work['input']}.npz"), work["size"]
    moved, way = library.there(scene, work["do"], size)
    for _ in range(3 if work["do"] == "elastic" else 0):  # what is asked for is the actual distance
        furthest = scene.displacement(moved)
        if abs(furthest / work["size"] - 1) < 0.02:
            break
        size *= work["size"] / furthest
        moved, way = library.there(scene, work["do"], size)
    answer: dict[str, Any] = {}
    back = library.back(moved, way)
    moved.save(outputs / f"{work['name']}.there.npz")
    back.save(outputs / f"{work['name']}.npz")
    for form in work["keep"]:
        try:
            kept = _WRITE[form](way, library)
            (outputs / f"{work['name']}.{form}").write_bytes(kept)
        except Exception as error:
            answer[form] = f"{type(error).__name__}: {error}"
    return answer


def back_again(library: Any, work: dict[str, Any], outputs: Path) -> Any:
    """Undo the work in a process that never saw it done."""
    moved = Scene.load(outputs / f"{work['name']}.there.npz")
    answer = {}
    for form in work["keep"]:
        kept = outputs / f"{work['name']}.{form}"
        if kept.exists():
            try:
                way = _READ[form](kept.read_bytes(), library)
                library.back(moved, way).save(outputs / f"{work['name']}.{form}.npz")
            except Exception as error:
                answer[form] = f"{type(error).__name__}: {error}"
    return answer


def main() -> None:
    """Do all works; one that fails leaves its error, and does not keep the others from being done."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    library = importlib.import_module(sys.argv[1])
    inputs, outputs = Path(sys.argv[2]), Path(sys.argv[3])
    again = "--again" in sys.argv
    answers = {}
    for work in json.loads((inputs / "works.json").read_text()):
        try:
            if again:
                answers[work["name"]] = back_again(library, work, outputs)
            else:
                answers[work["name"]] = there_and_back(library, work, inputs, outputs)
        except Exception as error:
            answers[work["name"]] = {"error": f"{type(error).__name__}: {error}"}
    name = "answers_again.json" if again else "answers.json"
    (outputs / name).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
