"""Saving and loading a model package.

A package is a zip archive, or the same files in a folder: ``manifest.json``,
``weights.safetensors``, ``README.md`` (the model card). Nothing in it is ever run: the network
and the recipes are looked up by name in the library's own tables.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from medlib._version import __version__
from medlib.infer import INPUTS, OUTPUTS, Input, Looks, MaskOutput, Output, Predictor
from medlib.io.files import FILE_ERRORS, written_whole
from medlib.models import Architecture, OwnNetwork, best_device
from medlib.package.handing import handed_all
from medlib.package.manifest import Looking, Manifest, Network, Weights
from medlib.package.owned import answer_to_noise, architecture_of, same_answer
from medlib.transforms import RECIPES, Pipeline
from medlib.transforms.spec import from_dict
from medlib.types import Labels, Volume

_PARTS = ("manifest.json", "weights.safetensors")


class ModelError(ValueError):
    """A model package cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Model:
    """A trained model, ready to predict.

    Args:
        predictor: network, preprocessing and labels.
        manifest: what the package says of itself.
    """

    predictor: Predictor
    manifest: Manifest

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What it is shown, in order."""
        return self.predictor.inputs

    @property
    def kind(self) -> type[Volume]:
        """The kind of scan that it was trained on.

        Raises:
            ModelError: when it is not shown one scan, and nothing else.
        """
        kinds = [one.kind for one in self.inputs]
        if len(kinds) == 1 and issubclass(kinds[0], Volume):
            return kinds[0]
        shown = ", ".join(f"{one.name} ({one.kind.__name__})" for one in self.inputs)
        raise ModelError(f"this model is shown more than a scan, or none: {shown}")

    @property
    def output(self) -> Output:
        """What it finds."""
        return self.predictor.output

    @property
    def labels(self) -> Labels:
        """The structures that it finds.

        Raises:
            ModelError: when it finds something else.
        """
        if not isinstance(self.output, MaskOutput):
            raise ModelError(
                f"this model finds no structures; it gives a {type(self.output).__name__}"
            )
        return self.output.labels

    @property
    def digest(self) -> str:
        """Names these weights: 12 hexadecimal digits."""
        return self.manifest.weights.sha256[:12]

    def predict(self, *given: Any, **named: Any) -> Any:
        """What it finds in a scan, on exactly its own grid: for structures a mask.

        Args:
            given: what it is shown, in the order of its inputs: for most models one scan, as a
                volume, a stack, or a path that holds exactly one; see
                :func:`medlib.package.handing.handed` for all else.
            named: the rest of it, by the inputs' names.

        Raises:
            ValueError: when something is missing, cannot be read, is of another kind, or lies on
                another grid.
        """
        arranged = self.predictor.arranged(*given, **named)
        return self.predictor.predict(*handed_all(self.inputs, arranged))

    # --- files ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the package as one file; what was there before is replaced only once it is whole."""
        from safetensors.torch import save

        target = Path(path)
        weights = save(_plain_weights(self.predictor.network))
        with (
            written_whole(target) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
        ):
            archive.writestr("manifest.json", self.manifest.model_dump_json(indent=1))
            archive.writestr("weights.safetensors", weights)
            archive.writestr("README.md", self.manifest.card())
        return target

    @classmethod
    def describe(
        cls,
        predictor: Predictor,
        architecture: Architecture | OwnNetwork,
        *,
        training: dict[str, object],
        metrics: dict[str, object],
    ) -> Model:
        """A model as the predictor is now: later training does not change it.

        It is what :meth:`load` would give, so it predicts the same.
        """
        from safetensors.torch import load, save

        weights = save(_plain_weights(predictor.network))
        seen, channels = predictor.channels, predictor.output.channels
        network = architecture.build(seen, channels)
        network.load_state_dict(load(weights))
        own = isinstance(architecture, OwnNetwork)
        manifest = Manifest(
            medlib=__version__,
            inputs=[one.to_dict() for one in predictor.inputs],
            output=predictor.output.to_dict(),
            preprocess=predictor.preprocess.to_list(),
            window=predictor.window,
            overlap=predictor.overlap,
            looks=Looking(count=predictor.looks.count, varied=predictor.looks.varied.to_list()),
            network=Network(
                name=architecture.name,
                arguments=dict(architecture.arguments),
                in_channels=seen,
                out_channels=channels,
                said=answer_to_noise(network, seen, predictor.window) if own else (),
            ),
            weights=Weights(sha256=hashlib.sha256(weights).hexdigest()),
            training=training,
            metrics=metrics,
        )
        ready = network.to(best_device()).eval()
        return cls(replace(predictor, network=ready, autocast=None), manifest)

    @classmethod
    def load(cls, path: str | Path, *, network: torch.nn.Module | None = None) -> Model:
        """Read a package, checking every part of it.

        Args:
            path: of the package.
            network: for a model whose network medlib cannot make, one that was made as that was;
                a copy of it gets the model's weights.

        Raises:
            FileNotFoundError: when there is nothing at ``path``.
            ModelError: when it is no package, was damaged, or asks for something unknown; and when
                it needs a network that is not given, or another.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        source = Path(path)
        manifest_bytes, weight_bytes = _parts(source)
        try:
            manifest = Manifest.model_validate_json(_of_this_version(manifest_bytes))
            inputs = tuple(from_dict(one, INPUTS) for one in manifest.inputs)
            output = from_dict(manifest.output, OUTPUTS)
            preprocess = Pipeline.from_list(manifest.preprocess, allowed=RECIPES)
            varied = Pipeline.from_list(manifest.looks.varied, allowed=RECIPES)
            looks = Looks(manifest.looks.count, varied)
            architecture = architecture_of(manifest.network, network)
            if manifest.network.out_channels != output.channels:
                raise ValueError("its network has another number of channels than its output needs")
            if manifest.network.in_channels != sum(one.channels for one in inputs):
                raise ValueError("its network has another number of channels than its inputs have")
            if isinstance(architecture, Architecture) and any(
                n % d for n, d in zip(manifest.window, architecture.divisor, strict=True)
            ):
                raise ValueError(f"its network cannot see windows of {manifest.window} voxels")
            built = architecture.build(manifest.network.in_channels, manifest.network.out_channels)
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise ModelError(
                f"{source.name}: the manifest cannot be used: {_first_line(error)}"
            ) from error
        if hashlib.sha256(weight_bytes).hexdigest() != manifest.weights.sha256:
            raise ModelError(f"{source.name}: the weights are not those of the manifest: damaged?")
        try:
            built.load_state_dict({k: v.float() for k, v in load(weight_bytes).items()})
        except (SafetensorError, RuntimeError) as error:
            raise ModelError(
                f"{source.name}: the weights do not fit the network: {_first_line(error)}"
            ) from error
        if said := manifest.network.said:
            seen, window = manifest.network.in_channels, manifest.window
            if not same_answer(said, answer_to_noise(built, seen, window)):
                raise ModelError(
                    f"{source.name}: the {type(built).__qualname__} that was given has room for its "
                    "weights, but does not answer as the network that they were learned by: make "
                    "it with the same arguments as that"
                )
        predictor = Predictor(
            network=built.to(best_device()).eval(),
            preprocess=preprocess,
            inputs=inputs,
            output=output,
            window=manifest.window,
            overlap=manifest.overlap,
            looks=looks,
        )
        return cls(predictor, manifest)


def _of_this_version(manifest: bytes) -> bytes:
    """The manifest, if its form is the one that is read here.

    Raises:
        ValueError: for another version, saying so before anything else that may differ.
    """
    said = json.loads(manifest)
    version = said.get("version") if isinstance(said, dict) else None
    wanted = Manifest.model_fields["version"].default
    if isinstance(version, int) and version != wanted:
        raise ValueError(
            f"it is of version {version}, and this medlib reads version {wanted}; use it with the "
            f"medlib that wrote it ({said.get('medlib', 'unknown')}), or train it anew"
        )
    return manifest


def _plain_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """On the processor, and numbers: a ruined network is no model.

    Raises:
        ValueError: when some are none.
    """
    ruined = [k for k, v in network.state_dict().items() if bool(v.isnan().any())]
    if ruined:
        raise ValueError(
            f"weights of the network are no numbers ({ruined[0]}; {len(ruined)} parts in all): a "
            "training has ruined them. Nothing was written; train it anew, at a lower rate"
        )
    # Cloned, since networks may use one tensor under two names, which safetensors does not write.
    return {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}


def _parts(source: Path) -> tuple[bytes, bytes]:
    """The manifest and the weights, from a zip archive or a folder."""
    if not source.exists():
        raise FileNotFoundError(f"there is no model at {source}")
    try:
        if source.is_dir():
            first, second = ((source / name).read_bytes() for name in _PARTS)
        else:
            with zipfile.ZipFile(source) as archive:
                first, second = (archive.read(name) for name in _PARTS)
    except (*FILE_ERRORS, KeyError, RuntimeError) as error:  # RuntimeError: it is encrypted
        raise ModelError(
            f"{source.name} is no medlib model package (a zip archive or folder with "
            f"{' and '.join(_PARTS)})"
        ) from error
    return first, second


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_input=False)[0]
        return ": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"])))
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
