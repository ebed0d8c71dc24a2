"""A device that stands in for a graphics card where there is none.

Its tensors say that they are elsewhere, though the processor holds and computes them, and they are as
strict as those of a card: together with tensors of the processor they are refused, and NumPy gets
none. So it is seen whether anything was left on the processor, or is read there without leave, and
under autocast whether anything minds the types that it is given. Speed, memory, rounding and streams
are a real card's alone.

PyTorch keeps a place for devices that it does not know (PrivateUse1), which Python can fill since 2.9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

NAME = "elsewhere"
_KEY = "PrivateUse1"
_AUTOCAST = "AutocastPrivateUse1"
_aten = torch.ops.aten

# What takes tensors of the processor, too, on a real card: to bring them there, and as indices.
_CARRYING = (
    _aten.copy_.default,
    _aten._to_copy.default,
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
    _aten._index_put_impl_.default,
)
# Single numbers of the processor count as numbers there; pointwise operations take them as well.
_WITH_NUMBERS = (_aten.masked_fill.Tensor, _aten.masked_fill_.Tensor, _aten.fill_.Tensor)

# Of "CUDA ops that can autocast" (PyTorch's page of automatic mixed precision), those in use.
_LOWER = (
    *("conv1d", "conv2d", "conv3d", "conv_transpose2d", "conv_transpose3d", "prelu", "linear"),
    *("matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "scaled_dot_product_attention"),
)
_FULL = (
    *("softmax", "log_softmax", "layer_norm", "group_norm", "norm", "exp", "log", "pow", "sum"),
    *("prod", "cumsum", "mse_loss", "l1_loss", "nll_loss", "binary_cross_entropy_with_logits"),
)


class Elsewhere(Tensor):
    """A tensor that says it is elsewhere.

    Args:
        held: the same, on the processor.
    """

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    def __new__(cls, held: Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(
        cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _computed(operation, args, kwargs or {})

    def tolist(self) -> Any:
        """As a real card's; PyTorch refuses it to other subclasses."""
        return self.held.tolist()


def _computed(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What an operation gives, on the device on which it would be."""
    given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    _refuse(operation, given)
    asked = kwargs.get("device")
    if asked is not None:
        here = torch.device(asked).type == "cpu"
        kwargs = {**kwargs, "device": torch.device("cpu"), "pin_memory": None}
    else:
        here = not any(isinstance(one, Elsewhere) for one in given)
    found = operation(*tree_map(_held, args), **tree_map(_held, kwargs))
    # What was changed in place is given back itself.
    own = {id(_held(one)): one for one in given} if operation._schema.is_mutable else {}

    def placed(one: Any) -> Any:
        if not isinstance(one, Tensor) or here:
            return one
        return own[id(one)] if id(one) in own else Elsewhere(one)

    return tree_map(placed, found)


def _held(one: Any) -> Any:
    return one.held if isinstance(one, Elsewhere) else one


def _refuse(operation: Any, given: Sequence[Tensor]) -> None:
    """What a real card would refuse.

    Raises:
        RuntimeError: for tensors here and there.
    """
    numbers = torch.Tag.pointwise in operation.tags or operation in _WITH_NUMBERS
    here = [
        tuple(one.shape)
        for one in given
        if not isinstance(one, Elsewhere) and (one.ndim or not numbers)
    ]
    if here and len(here) < len(given) and operation not in _CARRYING:
        raise RuntimeError(f"{operation}: of {len(given)} tensors, on the processor still: {here}")


class _Module(backend_registration._DummyBackendModule):
    """What PyTorch asks as ``torch.elsewhere``."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]

    def synchronize(self, device: Any = None) -> None:
        pass


def _makers() -> Iterator[tuple[str, Any]]:
    """Operations that make tensors of no others, of which none says where to compute."""
    kinds = ("sparse", "quantized", "cudnn", "mkldnn", "nested", "_make_dep_token", "from_file")
    for name in torch._C._dispatch_get_all_op_names():
        library, _, short = name.partition("::")
        if library != "aten" or any(kind in short for kind in kinds):
            continue
        packet, _, overload = short.partition(".")
        operation = getattr(getattr(_aten, packet, None), overload or "default", None)
        if operation is None:
            continue
        taken = operation._schema.arguments
        if any(one.name == "device" for one in taken) and not any(
            "Tensor" in str(one.type) for one in taken
        ):
            yield short, operation


def _cast(operation: Any, to: torch.dtype | None) -> Any:
    """An operation under autocast: in a type, or in the one that was chosen."""

    def kernel(*args: Any, **kwargs: Any) -> Any:
        wanted = to or torch.get_autocast_dtype(NAME)

        def changed(one: Any) -> Any:
            is_changed = isinstance(one, Tensor) and one.is_floating_point()
            return one.to(wanted) if is_changed and one.dtype != torch.float64 else one

        key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
        with torch._C._ExcludeDispatchKeyGuard(key):
            return operation(*tree_map(changed, args), **tree_map(changed, kwargs))

    return kernel


@cache
def register() -> tuple[torch.library.Library, ...]:
    """Make it known, once a process: before the first gradient, if there are to be gradients on it.

    A process that has computed gradients since cannot be forked any more, as with a real card.

    Returns:
        What has to be held for it to stay known.
    """
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    library = torch.library.Library("aten", "IMPL")
    for name, operation in _makers():

        def made(*args: Any, _operation: Any = operation, **kwargs: Any) -> Any:
            return _computed(_operation, args, kwargs)

        library.impl(name, made, _KEY)

    def copied(source: Tensor, to: Tensor, non_blocking: bool = False) -> Any:
        return _computed(_aten.copy_.default, (to, source), {})

    library.impl("_copy_from", copied, _KEY)  # torch.tensor(…, device=…) calls it by itself
    for names, to in ((_LOWER, None), (_FULL, torch.float32)):
        for packet in names:
            for overload in getattr(_aten, packet).overloads():
                if not overload.endswith("out"):
                    operation = getattr(getattr(_aten, packet), overload)
                    name = packet if overload == "default" else f"{packet}.{overload}"
                    library.impl(name, _cast(operation, to), _AUTOCAST)
    rest = torch.library.Library("_", "IMPL")
    rest.fallback(torch.library.fallthrough_kernel, _AUTOCAST)
    return library, rest


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device. Networks that are brought there stay the objects that they are, as on a card."""
    register()
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        yield torch.device(NAME, 0)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
