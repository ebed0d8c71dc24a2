"""Tensors in files: what safetensors reads again, bit for bit, and no other file beside it."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from safetensors import safe_open
from safetensors.torch import load_file

from medlib.io.tensors import write_tensors

DTYPES = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool),
    *(torch.int64, torch.int32, torch.int16, torch.int8),
    *(torch.uint64, torch.uint32, torch.uint16, torch.uint8),
)
SHAPES = st.lists(st.integers(0, 4), max_size=4)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name != "__metadata__"
)


@given(st.dictionaries(NAMES, st.tuples(st.sampled_from(DTYPES), SHAPES), max_size=6))
def test_safetensors_reads_what_was_written(tmp_path_factory, kinds):
    folder = tmp_path_factory.mktemp("tensors")
    tensors = {
        name: torch.randint(0, 2 if dtype == torch.bool else 100, shape).to(dtype)
        for name, (dtype, shape) in kinds.items()
    }
    write_tensors(folder / "all.safetensors", tensors)
    again = load_file(folder / "all.safetensors")
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor), name
    assert [path.name for path in folder.iterdir()] == ["all.safetensors"]


def test_views_are_written_as_they_look(tmp_path):
    whole = torch.arange(24.0).reshape(2, 3, 4)
    views = {"turned": whole.permute(2, 0, 1), "part": whole[:, 1], "same": whole, "again": whole}
    write_tensors(tmp_path / "views", views, {"a": "ä", "b": "2"})
    with safe_open(tmp_path / "views", "pt") as file:
        assert file.metadata() == {"a": "ä", "b": "2"}
        assert all(torch.equal(file.get_tensor(name), view) for name, view in views.items())


def test_what_has_no_name_in_the_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"'waves' is of torch\.complex64"):
        write_tensors(tmp_path / "x", {"waves": torch.zeros(2, dtype=torch.complex64)})
    assert not (tmp_path / "x").exists()
