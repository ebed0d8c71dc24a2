"""Tensors written to a file as they lie in memory: safetensors, without a second copy of them.

The library's own ``save_file`` (0.8) writes under a random hidden name beside the file, which stays
there when the process is killed, for ever and under nobody's name. What is written here has the
name that it was given and no other, so that whoever chose it can find it and take it away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import accumulate, pairwise
from pathlib import Path

import torch
from torch import Tensor

# The names that the format has for them, and it demands the widest first.
_NAMES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.uint64: "U64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.uint32: "U32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.uint16: "U16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNMENT = 8


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str] | None = None
) -> None:
    """Write tensors as safetensors, one after another: no more memory than one of them.

    Args:
        path: is overwritten; see :func:`medlib.io.files.written_whole` for a file that is whole
            or not there.
        tensors: of any shape, on any device.
        notes: a few words beside them, in this order.

    Raises:
        TypeError: when a tensor is of a kind that the format has no name for, such as complex.
        OSError: when the disk is full, or the folder cannot be written to.

    Source:
        The format: https://github.com/huggingface/safetensors#format

    Example:
        >>> import tempfile
        >>> from safetensors.torch import load_file
        >>> file = Path(tempfile.mkdtemp()) / "two.safetensors"
        >>> write_tensors(file, {"half": torch.ones(2).half(), "whole": torch.tensor(3)})
        >>> load_file(file)["half"]
        tensor([1., 1.], dtype=torch.float16)
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in _NAMES:
            raise TypeError(f"the tensor {name!r} is of {tensor.dtype}, which cannot be written")
    named = sorted(tensors.items(), key=lambda each: (-each[1].dtype.itemsize, each[0]))
    ends = list(accumulate((tensor.nbytes for _, tensor in named), initial=0))
    about: dict[str, object] = {"__metadata__": dict(notes)} if notes else {}
    for (name, tensor), place in zip(named, pairwise(ends), strict=True):
        shape = list(tensor.shape)
        about[name] = {"dtype": _NAMES[tensor.dtype], "shape": shape, "data_offsets": place}
    head = json.dumps(about).encode()
    head += b" " * (-len(head) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for _, tensor in named:
            plain = tensor.detach().cpu().contiguous().reshape(-1)
            if plain.numel():
                file.write(plain.view(torch.uint8).numpy().data)
