"""Where weights come from: the library itself, a file, a model package, the Hugging Face hub."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medlib.models.architectures import Architecture
from medlib.shipped import file_of, shipped

ARCHITECTURE_NOTE = "medlib_architecture"
"""Where a file of weights says which network they are of; see :func:`architecture_of`."""
_PACKED = ("weights.safetensors", "model.safetensors")
_NESTS = ("state_dict", "model_state_dict", "model", "network_weights")
_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>.+))?")


class WeightsError(ValueError):
    """Weights cannot be used; the message says why and what to do."""


def located(source: str | Path) -> Path:
    """The file or folder that holds weights; from the hub it is downloaded.

    Args:
        source: the name of weights that come with the library (:func:`shipped`), a file or folder,
            or ``hf://owner/name``, ``hf://owner/name@revision/file.safetensors``.

    Raises:
        FileNotFoundError: when there is nothing there.
        WeightsError: when the hub has no such thing, or cannot be reached.

    Example:
        >>> located("nowhere.safetensors")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FileNotFoundError: there are no weights at nowhere.safetensors; with the library come ...
    """
    if isinstance(source, str) and source in shipped():
        return file_of(source)
    path = _downloaded(source) if str(source).startswith("hf://") else Path(source)
    if not path.exists():
        there = (
            f"; with the library come {', '.join(shipped())}" if path.name == str(source) else ""
        )
        raise FileNotFoundError(f"there are no weights at {path}{there}")
    return path


def read_weights(source: str | Path) -> dict[str, Tensor]:
    """Tensors by name; see :func:`load_pretrained` for what ``source`` may be and what it raises.

    Example:
        >>> read_weights("nowhere.safetensors")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FileNotFoundError: there are no weights at nowhere.safetensors; with the library come ...
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = located(source)
    if path.is_dir():
        return read_weights(_only(path, [path / n for n in _PACKED if (path / n).exists()]))
    try:
        packed = _packed(path)
        if packed is None and path.suffix != ".safetensors":
            return _checkpoint(path)
        weights: dict[str, Tensor] = load(path.read_bytes() if packed is None else packed)
    except SafetensorError as error:
        raise WeightsError(f"{path}: the weights are damaged: {error}") from error
    return weights


def architecture_of(source: str | Path) -> Architecture | None:
    """The network that a file of weights says that it is of, or None when it says nothing.

    Args:
        source: as :func:`load_pretrained` takes it; only single safetensors can say so.

    Raises:
        FileNotFoundError: when there is nothing there.
        WeightsError: when the file is damaged, or cannot be had.
        ValueError: for a network that the library does not have.
    """
    from safetensors import SafetensorError, safe_open

    path = located(source)
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            said = (file.metadata() or {}).get(ARCHITECTURE_NOTE)
    except SafetensorError as error:
        raise WeightsError(f"{path}: the weights are damaged: {error}") from error
    return None if said is None else Architecture(**json.loads(said))


def _packed(path: Path) -> bytes | None:
    """The weights in a model package, or None when it is none (checkpoints are archives too)."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(_PACKED[0]) if _PACKED[0] in archive.namelist() else None
    except (zipfile.BadZipFile, RuntimeError, OSError) as error:
        raise WeightsError(f"{path}: the model package is damaged: {error}") from error


def _only(folder: Path, files: list[Path]) -> Path:
    if len(files) == 1:
        return files[0]
    raise WeightsError(f"{folder}: {len(files)} files of weights ({', '.join(_PACKED)}), not one")


def _checkpoint(path: Path) -> dict[str, Tensor]:
    """A checkpoint of PyTorch, read without running anything in it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(
            f"{path.name} is not a file of weights alone: to read it would be to run what is in "
            "it. If you trust it, write its tensors with safetensors, and load that"
        ) from error
    tensors = _tensors(content)
    if not tensors:
        raise WeightsError(f"{path.name} holds no tensors by name")
    return tensors


def _tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        return {}
    nested = (content[name] for name in _NESTS if isinstance(content.get(name), dict))
    weights = next(nested, content)
    return {str(n): tensor for n, tensor in weights.items() if isinstance(tensor, Tensor)}


def _downloaded(source: str | Path) -> Path:
    """A file of a repository of the Hugging Face hub."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    address = str(source)
    found = _HUB.fullmatch(address)
    if found is None:
        raise WeightsError(f"{address}: write hf://owner/name or hf://owner/name@revision/file")
    file = found["file"] or "model.safetensors"
    if not file.endswith(".safetensors"):
        raise WeightsError(f"{address}: only safetensors are taken from the hub")
    try:
        return Path(hf_hub_download(found["repo"], file, revision=found["revision"]))
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise WeightsError(f"{address}: {file} could not be had: {reason}") from error
