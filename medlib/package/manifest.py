"""What a model package says of itself: ``manifest.json``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from medlib.package.card import card_of


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Part):
    """The network: a name from :data:`medlib.models.ARCHITECTURES`, and its arguments.

    Or ``"own"``, for one that whoever reads the model has to bring along. What it answered to noise
    is in ``said`` then: weights fit networks, too, that make something else of them.
    """

    name: str
    arguments: dict[str, Any]
    in_channels: int = Field(ge=1)
    out_channels: int = Field(ge=1)
    said: tuple[float, ...] = ()


class Weights(_Part):
    """The file of weights, and its digest."""

    file: Literal["weights.safetensors"] = "weights.safetensors"
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Looking(_Part):
    """How often a scan is looked at, and recipes, from :data:`medlib.transforms.RECIPES`."""

    count: int = Field(default=1, ge=1)
    varied: list[dict[str, Any]] = Field(default_factory=list)


class Manifest(_Part):
    """Everything about a model but its weights; plain JSON, versioned, checked on reading.

    Args:
        format: always ``"medlib-model"``.
        version: of this form; others are refused, and have to be trained or saved anew.
        medlib: version that wrote it.
        inputs: what the network is shown, in order, from :data:`medlib.infer.INPUTS`.
        output: what the network's numbers stand for, from :data:`medlib.infer.OUTPUTS`.
        preprocess: recipes, from :data:`medlib.transforms.RECIPES`.
        window: size that the network sees, (slice, row, column).
        overlap: of neighbouring windows.
        looks: how often a scan is looked at, and what is varied; see :class:`medlib.infer.Looks`.
        network: its name and arguments.
        weights: where they are.
        training: how it was trained; no names of scans or patients.
        metrics: what it reached on which sort of cases.
        intended_use: in words.
        statements: what else people say of it, by heading.
    """

    format: Literal["medlib-model"] = "medlib-model"
    version: Literal[3] = 3
    medlib: str
    inputs: list[dict[str, Any]] = Field(min_length=1)
    output: dict[str, Any]
    preprocess: list[dict[str, Any]]
    window: tuple[PositiveInt, PositiveInt, PositiveInt]
    overlap: float = Field(ge=0, lt=1)
    looks: Looking = Field(default_factory=Looking)
    network: Network
    weights: Weights
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    intended_use: str = (
        "Research. Not a medical device: every result is to be reviewed by a qualified person."
    )
    statements: dict[str, str] = Field(default_factory=dict)

    def card(self) -> str:
        """The model card, in Markdown, for people."""
        return card_of(self)
