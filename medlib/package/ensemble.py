"""Several models as one: what a cross-validation leaves, in one file.

The file is a zip archive of ``ensemble.json`` (what it says of itself), ``README.md`` (the model
card) and a folder for each member, ``members/1/`` and so on, with the files of a model package. As
in these, nothing in it is ever run. Members are no archives in the archive: what is cut short would
end with one of them, and pass for it.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from medlib._version import __version__
from medlib.infer import Input, Output
from medlib.infer.averaging import average, disagreement, same_question
from medlib.io.files import FILE_ERRORS, written_whole
from medlib.package.card import found_by, tables_of
from medlib.package.handing import handed_all
from medlib.package.model import Model, ModelError
from medlib.types import Kind, Labels, Volume

_MANIFEST = "ensemble.json"
_PARTS = ("manifest.json", "weights.safetensors")  # of a member


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Part):
    """One of the models: its folder, and the digest of its manifest, which names its weights."""

    folder: str = Field(pattern=r"^members/\d+$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class EnsembleManifest(_Part):
    """What an ensemble says of itself; the rest stands in its members' own manifests.

    Args:
        format: always ``"medlib-ensemble"``.
        version: of this form.
        medlib: version that wrote it.
        members: where they are.
        training: how they were trained; no names of scans or patients.
        metrics: what the members reached, each on patients that it never saw.
    """

    format: Literal["medlib-ensemble"] = "medlib-ensemble"
    version: Literal[1] = 1
    medlib: str
    members: tuple[Member, ...] = Field(min_length=2)
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """Several models that were asked the same; it answers with the mean of their answers.

    It is used as a :class:`medlib.package.Model` is. Where the members disagree, they are more
    often wrong: see :meth:`disagreement`.

    Args:
        members: two or more.
        training: how they were trained; no names of scans or patients.
        metrics: what they reached, each on patients that it never saw.

    Raises:
        ModelError: when they do not answer the same question, or one that has no mean.
    """

    members: tuple[Model, ...]
    training: dict[str, Any]
    metrics: dict[str, Any]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ModelError(f"an ensemble has two members or more, not {len(self.members)}")
        try:
            same_question([member.output for member in self.members])
        except ValueError as error:
            raise ModelError(str(error)) from error
        shown = {tuple((one.name, one.kind) for one in member.inputs) for member in self.members}
        if len(shown) > 1:
            raise ModelError("the members of an ensemble have to be shown the same")

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What it is shown, in order."""
        return self.members[0].inputs

    @property
    def kind(self) -> type[Volume]:
        """The kind of scan that it was trained on; see :attr:`medlib.package.Model.kind`."""
        return self.members[0].kind

    @property
    def output(self) -> Output:
        """What it finds."""
        return self.members[0].output

    @property
    def labels(self) -> Labels:
        """The structures that it finds; see :attr:`medlib.package.Model.labels`."""
        return self.members[0].labels

    @property
    def digest(self) -> str:
        """Names the weights of all members: 12 hexadecimal digits."""
        every = "".join(member.manifest.weights.sha256 for member in self.members)
        return hashlib.sha256(every.encode()).hexdigest()[:12]

    def predict(self, *given: Any, **named: Any) -> Any:
        """The mean of what its members find; see :func:`medlib.infer.averaging.average`.

        Args:
            given: what it is shown, as for :meth:`medlib.package.Model.predict`.
            named: the rest of it, by the inputs' names.

        Raises:
            ValueError: as :meth:`medlib.package.Model.predict` does.
        """
        return average([member.predictor for member in self.members], self._seen(given, named))

    def disagreement(self, *given: Any, **named: Any) -> dict[str, float]:
        """How far its members lie apart, of each part of what they find: which scan to look at.

        See :func:`medlib.infer.averaging.disagreement`, and :meth:`predict` for what is given.
        """
        return disagreement([member.predictor for member in self.members], self._seen(given, named))

    def _seen(self, given: Sequence[Any], named: dict[str, Any]) -> tuple[Kind, ...]:
        return handed_all(self.inputs, self.members[0].predictor.arranged(*given, **named))

    def card(self) -> str:
        """The model card, in Markdown, for people."""
        first = self.members[0].manifest
        lines = [
            "# Model card",
            "",
            f"- Finds: {', '.join(found_by(first.output))}",
            f"- Shown: {', '.join(f'{one.name} ({one.kind.__name__})' for one in self.inputs)}",
            f"- Intended use: {first.intended_use}",
            f"- An ensemble of {len(self.members)} networks, whose answers are averaged",
            f"- Made by medlib {__version__}",
        ]
        if tables := list(tables_of(self.metrics)):
            lines += [
                "",
                f"On {self.metrics.get('cases')} scans, each predicted by one member that never "
                "saw its patient. The ensemble itself has not been measured:",
                *tables,
            ]
        return "\n".join(lines) + "\n"

    # --- files ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write it as one file; what was there before is replaced only once it is whole."""
        target = Path(path)
        with (
            tempfile.TemporaryDirectory() as folder,
            written_whole(target) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
        ):
            members = []
            for number, member in enumerate(self.members, start=1):
                package = member.save(Path(folder) / "member.medlib")
                with zipfile.ZipFile(package) as files:
                    for name in _PARTS:
                        archive.writestr(f"members/{number}/{name}", files.read(name))
                    digest = _sha256(files.read(_PARTS[0]))
                members.append(Member(folder=f"members/{number}", sha256=digest))
            manifest = EnsembleManifest(
                medlib=__version__,
                members=tuple(members),
                training=self.training,
                metrics=self.metrics,
            )
            archive.writestr(_MANIFEST, manifest.model_dump_json(indent=1))
            archive.writestr("README.md", self.card())
        return target

    @classmethod
    def load(cls, path: str | Path, *, network: nn.Module | None = None) -> Ensemble:
        """Read an ensemble, checking every part of it; see :meth:`medlib.package.Model.load`.

        Raises:
            FileNotFoundError: when there is nothing at ``path``.
            ModelError: when it is none, was damaged, or asks for something unknown.
        """
        source = Path(path)
        if not source.exists():
            raise FileNotFoundError(f"there is no model at {source}")
        try:
            with zipfile.ZipFile(source) as archive, tempfile.TemporaryDirectory() as folder:
                manifest = EnsembleManifest.model_validate_json(archive.read(_MANIFEST))
                members = []
                for member in manifest.members:
                    for name in _PARTS:
                        content = archive.read(f"{member.folder}/{name}")
                        if name == _PARTS[0] and _sha256(content) != member.sha256:
                            raise ModelError(f"{member.folder} is not the one of {_MANIFEST}")
                        Path(folder, name).write_bytes(content)
                    members.append(Model.load(folder, network=network))
            return cls(tuple(members), manifest.training, manifest.metrics)
        except ModelError as error:
            raise ModelError(f"{source.name}: {error}") from error
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]["msg"]
            raise ModelError(f"{source.name}: {_MANIFEST} cannot be used: {fault}") from error
        except (*FILE_ERRORS, KeyError, RuntimeError) as error:  # RuntimeError: it is encrypted
            raise ModelError(f"{source.name} is no ensemble of medlib's, or is damaged") from error


def load(path: str | Path, *, network: nn.Module | None = None) -> Model | Ensemble:
    """Read a model from its file, whether it is one model or an ensemble of several.

    Args:
        path: of the file.
        network: for a model that was trained with ``network=``, one that was made as that was; a
            copy of it gets the model's weights.

    Raises:
        FileNotFoundError: when there is nothing at ``path``.
        ModelError: when it is no model of medlib's, was damaged, asks for something unknown, or
            needs a network that is not given.
    """
    if _is_ensemble(Path(path)):
        return Ensemble.load(path, network=network)
    return Model.load(path, network=network)


def _is_ensemble(path: Path) -> bool:
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return _MANIFEST in archive.namelist()
    except FILE_ERRORS:
        return False  # which the reader of models says better


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
