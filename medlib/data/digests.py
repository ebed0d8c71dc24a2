"""Digests: short names of contents, equal for equal contents and different for any others."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medlib import io
from medlib._version import __version__
from medlib.io.files import File, walk
from medlib.types import MultiVolume, Volume, verb

_CHUNK = 1 << 20
_GLANCES = 16  # voxels along each axis
_STORED_ORDER = "SPL"  # any one order of the axes does, if it is the same for all


def digest(*parts: object) -> str:
    """A name for what ``parts`` hold, 40 hexadecimal digits (BLAKE2b, RFC 7693).

    Files count by their bytes, wherever they lie and whatever they are called; everything else by
    its type and its values. What a class of one's own does counts too: the code of its module, or
    what was typed into a notebook. So does the code of medlib.

    Args:
        parts: paths (a file, or a folder with all in it), stacks, recipes, pipelines, blocks, label
            tables and other dataclasses, classes, functions, arrays, tensors, and plain values,
            alone or in tuples, lists and mappings.

    Raises:
        TypeError: for anything else, which two runs might not say alike.
        FileNotFoundError: when there is nothing at a path.

    Example:
        >>> from medlib.transforms import Normalise, Pipeline, Spacing
        >>> one = digest("scan", Pipeline((Spacing((2, 1, 1)), Normalise())))
        >>> one == digest("scan", Pipeline((Spacing((2, 1, 1)), Normalise())))
        True
        >>> one == digest("scan", Pipeline((Spacing((2, 1, 1.5)), Normalise())))
        False
    """
    hasher = _hasher()
    _feed((_library(), parts), hasher)
    return hasher.hexdigest()


def files_digest(files: Iterable[File]) -> str:
    """A name for the bytes of files, in their order."""
    hasher = _hasher()
    _feed(tuple(files), hasher)
    return hasher.hexdigest()


def content_digest(scan: Volume | MultiVolume) -> str:
    """A name for a scan's voxels, however they were stored.

    The same picture as DICOM and as NIfTI, compressed or not, as whole numbers or as floating
    point, its axes in whatever order and its header changed in whatever way, has the same. One
    that was resampled, cut or rescaled has another.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.types import MRVolume
        >>> grid, voxels = Grid.from_axes((2, 3, 4)), torch.arange(24).reshape(1, 2, 3, 4)
        >>> content_digest(MRVolume(voxels, grid)) == content_digest(MRVolume(voxels.float(), grid))
        True
    """
    hasher = _hasher()
    for part in scan.parts if isinstance(scan, MultiVolume) else (scan,):
        data, backwards = _laid(part)
        _feed(data.flip(backwards).to(torch.float32) + 0.0, hasher)  # 0 and -0 are one number
    return hasher.hexdigest()


def glance_digest(scan: Volume) -> str:
    """A name for a scan's size and a few thousand of its voxels, evenly spread.

    Scans of one :func:`content_digest` have the same. It takes a thousandth of the time; of scans
    that have the same, a closer look has to tell whether they are one.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.types import MRVolume
        >>> grid, voxels = Grid.from_axes((2, 3, 4)), torch.arange(24).reshape(1, 2, 3, 4)
        >>> glance_digest(MRVolume(voxels, grid)) == glance_digest(MRVolume(voxels + 1, grid))
        False
    """
    hasher = _hasher()
    data, backwards = _laid(scan)
    _feed(tuple(data.shape), hasher)
    for axis, size in enumerate(data.shape[1:], start=1):
        places = np.unique(np.linspace(0, size - 1, _GLANCES).round().astype(np.int64))
        chosen = size - 1 - places if axis in backwards else places
        data = data.index_select(axis, torch.from_numpy(chosen))
    _feed(data.to(torch.float32) + 0.0, hasher)
    return hasher.hexdigest()


def _laid(scan: Volume) -> tuple[Tensor, list[int]]:
    """The voxels with their axes in one order for all scans, and which of the axes run backwards."""
    wanted = scan.grid.reoriented(_STORED_ORDER)
    step = np.rint(np.linalg.inv(scan.grid.affine)[:3, :3] @ wanted.affine[:3, :3])
    order = [int(np.argmax(np.abs(step[:, k]))) for k in range(3)]
    backwards = [k + 1 for k in range(3) if step[order[k], k] < 0]
    return scan.data.permute(0, *(axis + 1 for axis in order)), backwards


@cache
def _library() -> tuple[str, str]:
    """The version of medlib, and its code: between two versions, what is prepared may differ."""
    hasher = _hasher()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        _feed(path.read_bytes(), hasher)
    return __version__, hasher.hexdigest()


def _hasher() -> blake2b:
    return blake2b(digest_size=20)


@verb
def _feed(part: object, hasher: blake2b) -> None:
    """Each part is told with its type and length, so that no two can be taken for one another."""


@_feed.register
def _(part: bool | int | float | str | None, hasher: blake2b) -> None:
    _say(hasher, type(part).__name__, repr(part).encode())


@_feed.register
def _(part: bytes, hasher: blake2b) -> None:
    _say(hasher, "bytes", part)


@_feed.register
def _(part: np.ndarray, hasher: blake2b) -> None:
    _say(hasher, "array", f"{part.dtype.str} {part.shape}".encode())
    hasher.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)


@_feed.register
def _(part: Tensor, hasher: blake2b) -> None:
    _say(hasher, "tensor", f"{part.dtype} {tuple(part.shape)}".encode())
    hasher.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


@_feed.register
def _(part: File, hasher: blake2b) -> None:
    _say(hasher, "file", struct.pack("<q", part.size()))
    with part.open() as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)


@_feed.register
def _(part: Path, hasher: blake2b) -> None:
    files = list(walk(part))
    inside = (Path(file.path) if part.is_dir() else part for file in files)
    names = [path.relative_to(part).as_posix() for path in inside]
    _feed(tuple(zip(names, files, strict=True)), hasher)


@_feed.register
def _(part: io.Stack, hasher: blake2b) -> None:
    _feed(part.files, hasher)


@_feed.register
def _(part: tuple | list, hasher: blake2b) -> None:  # type: ignore[type-arg]
    _say(hasher, "sequence", struct.pack("<q", len(part)))
    for one in part:
        _feed(one, hasher)


@_feed.register
def _(part: Mapping, hasher: blake2b) -> None:  # type: ignore[type-arg]
    _feed(("mapping", sorted(part.items())), hasher)


@_feed.register
def _(part: object, hasher: blake2b) -> None:
    if isinstance(part, type) or not is_dataclass(part):
        _feed(_code(part), hasher)
        return
    _feed(_code(type(part)), hasher)
    _feed(tuple((f.name, getattr(part, f.name)) for f in fields(part)), hasher)


def _say(hasher: blake2b, kind: str, what: bytes) -> None:
    hasher.update(struct.pack("<qq", len(kind), len(what)) + kind.encode() + what)


def _code(part: Any) -> tuple[object, ...]:
    """A class or function by name, and what it does if medlib's version does not say so."""
    name = getattr(part, "__qualname__", None)
    if name is None:
        raise TypeError(
            f"a {type(part).__name__} has no digest: it is no plain value, file, dataclass or "
            "function, so nothing says when two are the same"
        )
    if part.__module__.split(".")[0] == "medlib" or part.__module__ in sys.stdlib_module_names:
        return "code", part.__module__, name
    path = getattr(sys.modules.get(part.__module__), "__file__", None)
    source = Path(path).read_bytes() if path and Path(path).is_file() else b""
    held = vars(part).values() if isinstance(part, type) else (part,)
    inner = (getattr(value, "fget", None) or getattr(value, "__func__", value) for value in held)
    codes = (getattr(function, "__code__", None) for function in inner)
    return "code", name, source, *(_bytecode(code) for code in codes if code is not None)


def _bytecode(code: CodeType) -> tuple[object, ...]:
    """What a function does: what was typed into a notebook is in no file."""
    constants = (_bytecode(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts)
    return code.co_code, code.co_names, *constants
