"""From cases and a question to a task: what is broken is set aside, a plan made, a network built."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from medlib.data import (
    Block,
    Case,
    DataBlock,
    Datasets,
    MultiVolumeBlock,
    Pairing,
    Splitter,
    Store,
    VolumeBlock,
    by_patient,
)
from medlib.data.caching import usual_store
from medlib.data.decided import as_marked
from medlib.infer import Output
from medlib.models import (
    Architecture,
    Loaded,
    OwnNetwork,
    architecture_of,
    lengths,
    load_pretrained,
    rescale,
)
from medlib.package import Ensemble, ModelError, load
from medlib.tasks.base import Task
from medlib.tasks.given import described, fitting
from medlib.train import Callback, Checkpoints, Fingerprint, Learner, Plan, begun, loss, plan_for
from medlib.train.beginning import paced, with_levels_of
from medlib.train.fingerprint import ScanKind
from medlib.train.plan import kind_of
from medlib.types import Volume

KindOf = type[Volume] | str | Mapping[str, type[Volume] | str]
"""The kind of scans; of several series, the kind of each by its name."""
Pretrained = str | Path | Literal[False] | None
"""Weights to begin with; False for none, and None for what the plan says."""

_BROKEN = 0.1  # of all cases; of these one, or so many, may be set aside
_KNOWN_TO_IT = "begun with a model: figures hold for patients whom that did not learn from"


def task(
    pairing: Pairing,
    target: Callable[[Sequence[Case]], Block],
    *,
    kind: KindOf,
    validation: Splitter | float | None = None,
    only: Collection[str] | None = None,
    plan: Plan | None = None,
    minutes: float = 20.0,
    network: nn.Module | None = None,
    pretrained: Pretrained = None,
    cache: Store | str | Path | bool = True,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    callbacks: Iterable[Callback] = (),
    **learner: Any,
) -> Task:
    """Prepare to learn anything that a block can say of a case.

    Args:
        pairing: the cases.
        target: what is to be learned, given the cases to be trained on.
        kind: of the scans: a class such as ``CTVolume``, or ``"ct"``, ``"mr"``, ``"pet"``, ``"us"``,
            ``"xr"``; of several series the kind of each, ``{"T1": "mr", "FLAIR": "mr"}``, in the
            order in which the network is to see them; labels and predictions lie on the grid of
            the first.
        validation: a share of the patients to keep back, or a splitter; left out, the split that
            the source states, or a fifth of the patients.
        only: names of the scans to use; left out, all of which the answer is known.
        plan: how to learn; left out, made from the data, this machine and
        minutes: that there will be.
        network: to learn in place of the planned one, such as a Hugging Face model; all else is
            as planned. It takes (batch, channel, slice, row, column) of the plan's window, or is
            called as :func:`medlib.models.call` says. It stays as it is: copies learn, each fold's
            from the weights that it has now, so that a training or a cross-validation only goes on
            with the same ones (seed torch before you make it). Learn by its own loss with
            ``loss="own"``.
        pretrained: weights to begin with, a model package or what else
            :func:`medlib.models.load_pretrained` reads; False for none; left out, as the plan says.
            The network is that of the package, where it can see such scans; which of the weights
            fitted is in ``plan.reasons``. Kernels that a norm follows are brought to the length of
            fresh ones (:func:`medlib.models.rescale`), and its first layers learn as much slower than
            the head as the plan says (``plan.spread``).
        cache: where scans are kept once they are prepared, so that the next training begins at
            once and memory does not limit their number: a folder, a :class:`medlib.data.Store`,
            or False for nowhere but memory. Left out, :func:`medlib.data.caching.cache_folder`
            says where. What lies there are patients' scans.
        checkpoint: a file to write where the training stands to, every two minutes, or every
            twentieth of the minutes where those are few. A training that was killed is prepared
            again in the same way, and goes on from there, by the plan that it was begun with. The
            file goes when the training is done.
        seed: of everything random.
        callbacks: for the learner.
        learner: further arguments of :class:`medlib.train.Learner`.

    Raises:
        ValueError: when more than a few cases are damaged or do not fit what is known of them, with
            the reasons (a few are set aside, with theirs, in ``task.pairing.set_aside``); for a
            kind or a name in ``only`` that there is not, and for a plan for another kind; for a
            network that cannot see the plan's window, or does not answer what is asked; and when
            the checkpoint is of another training.
    """
    scan_kind = kind_of(kind)
    question = {"kind of scans": _called(scan_kind), "minutes": minutes, "seed": seed}
    question["begun with"] = None if pretrained is None else str(pretrained)
    own = None if network is None else OwnNetwork(network)
    if own is not None:
        question["given network"] = own.digest
    keep = None if checkpoint is None else Checkpoints(checkpoint, of=question)
    standing = keep and keep.standing()  # which refuses what it can before all that takes long
    if plan is not None and plan.kind != scan_kind:
        raise ValueError(
            f"this plan was made for {_called(plan.kind)}, and the scans are to be read as "
            f"{_called(scan_kind)}; make another"
        )
    callbacks = tuple(callbacks)
    choices = {"kind": kind, "plan": plan, "minutes": minutes, "pretrained": pretrained}
    choices |= {"network": network, "cache": cache, "seed": seed, "callbacks": callbacks} | learner
    if plan is None and standing and standing.plan:  # though folds make plans of their own
        plan = Plan.from_dict(standing.plan)
    if missing := sorted(set(only or ()) - {case.name for case in pairing.cases}):
        raise ValueError(f"there is no labelled scan called {', '.join(missing[:5])}")
    cases = [case for case in pairing.cases if only is None or case.name in only]
    train, valid = _splitter(validation, cases, seed)(cases)
    seen = _seen(scan_kind, cases)
    block = DataBlock(
        blocks=(seen, target(train)),
        get_items=lambda found: found,
        splitter=lambda _: (train, valid),
    )
    raw = block.datasets(cases, seed=seed, store=_store(cache), broken=_BROKEN)  # now, not later
    broken = {name for name, _ in raw.set_aside}
    pairing = replace(
        pairing,
        cases=tuple(case for case in cases if case.name not in broken),
        set_aside=(*pairing.set_aside, *raw.set_aside),
    )
    asked = raw.output
    if plan is None:
        plan = _planned(raw, minutes, pretrained, own)
    if keep is not None:
        keep.plan = plan
    data = raw.transformed(plan.preprocess, plan.augment)
    torch.manual_seed(seed)
    learning = (own or plan.architecture).build(data.channels, asked.channels)
    arguments = _arguments(plan) | {"seed": seed} | learner
    if own is not None:
        fitting(learning, data.channels, arguments["window"], asked)
        plan = replace(plan, reasons=(*plan.reasons, described(own)))
    loaded = None
    weights = plan.begin if pretrained is None and own is None else pretrained
    if weights:
        loaded, said = _begin(learning, weights)
        plan = replace(plan, reasons=(*plan.reasons, said))
        arguments.setdefault("spread", plan.spread)
    also = [*plan.callbacks(), *callbacks, *([keep] if keep else [])]
    learn = Learner(learning, data, callbacks=also, **arguments)
    anew = _anew(pairing, target, choices)
    return Task(pairing, plan, learn, anew=anew, loaded=loaded, own=own)


# --- beginning and beginning anew -------------------------------------------------------------


def _begin(network: nn.Module, weights: str | Path) -> tuple[Loaded, str]:
    """Give a fresh network other weights, that are to learn as quickly, and say what became of them."""
    fresh = lengths(network)
    loaded = load_pretrained(network, weights)
    said = f"begun with other weights: {loaded}"
    if rescaled := rescale(network, fresh):
        said += (
            f"; {len(rescaled)} kernels brought to the length of fresh ones, to learn as quickly"
        )
    return loaded, said


def _planned(raw: Datasets, minutes: float, pretrained: Pretrained, own: OwnNetwork | None) -> Plan:
    """What suits the data, with the network that goes with what it begins with."""
    fingerprint = Fingerprint.of(raw.train, beside=raw.valid.cases)
    asked = type(raw.output)
    plan = paced(plan_for(fingerprint, asked, minutes=minutes), fingerprint, asked)
    if own is not None or pretrained is False:
        return plan
    if pretrained is None:
        return begun(plan, fingerprint, asked)
    return _with_network_of(pretrained, plan, raw.output)


def _anew(
    pairing: Pairing, target: Callable[[Sequence[Case]], Block], choices: dict[str, Any]
) -> Callable[..., Task]:
    """The same task for another split."""

    def anew(split: Splitter, **others: Any) -> Task:
        return task(pairing, target, validation=split, **(choices | others))

    return anew


def _store(cache: Store | str | Path | bool) -> Store | None:
    if isinstance(cache, bool):
        return usual_store() if cache else None
    return cache if isinstance(cache, Store) else Store(cache)


def _with_network_of(source: str | Path, plan: Plan, asked: Output) -> Plan:
    """The plan with the network of a model package: weights fit no other network as well.

    A backbone that says what network it is of lends its levels to the plan's own U-Net. Of other
    files of weights, and of networks that answer otherwise or halve what the plan's windows have too
    few voxels for, the plan stays as it is.

    Raises:
        ValueError: when the package holds several models.
    """
    if (backbone := architecture_of(source)) is not None:
        return with_levels_of(backbone, plan)
    try:
        model = load(source)
    except (FileNotFoundError, ModelError):  # no package; whether it is weights is seen later
        return plan
    if isinstance(model, Ensemble):
        raise ValueError(
            f"{source} holds {len(model.members)} models; begin with one, such as a package that "
            "a cross-validation has left in its folder"
        )
    reasons = (*plan.reasons, _KNOWN_TO_IT)
    theirs = model.manifest.network
    architecture = Architecture(theirs.name, theirs.arguments)
    alike = (model.output.voxelwise, model.output.whole) == (asked.voxelwise, asked.whole)
    if not alike or any(n % d for n, d in zip(plan.window, architecture.divisor, strict=True)):
        return replace(plan, reasons=reasons)
    reasons = (*reasons, "the network is that of the pretrained model")
    return replace(plan, architecture=architecture, reasons=reasons)


# --- finding cases --------------------------------------------------------------------------------


def _seen(kind: ScanKind, cases: Sequence[Case]) -> VolumeBlock | MultiVolumeBlock:
    """What the network is shown.

    Raises:
        ValueError: when cases have several series, and one kind was said.
    """
    if not isinstance(kind, type):
        return MultiVolumeBlock(kind)
    if several := next((case for case in cases if case.series), None):
        each = ", ".join(f'"{name}": …' for name in several.series)
        raise ValueError(
            f"{several.name} has the series {', '.join(several.series)}; say the kind of each "
            f"that is to be seen: kind={{{each}}}"
        )
    return VolumeBlock(kind)


def _called(kind: ScanKind) -> str:
    if isinstance(kind, type):
        return kind.__name__
    return ", ".join(f"{name} ({one.__name__})" for name, one in kind)


def _arguments(plan: Plan) -> dict[str, Any]:
    """What a plan says of the loop."""
    parts = ("window", "overlap", "batch_size", "rate", "workers")
    smoothed = {"loss": partial(loss, smoothing=plan.smoothing)} if plan.smoothing else {}
    said = {part: getattr(plan, part) for part in parts}
    return said | smoothed | {"looks": plan.looking()}


def _splitter(validation: Splitter | float | None, cases: Sequence[Case], seed: int) -> Splitter:
    if callable(validation):
        return validation
    if validation is None and any(case.split == "valid" for case in cases):
        return as_marked()
    return by_patient(0.2 if validation is None else validation, seed=seed)
