"""What a model package says of itself: ``manifest.json``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Part):
    """The network: a name from :data:`medlib.models.ARCHITECTURES`, and its arguments."""

    name: str
    arguments: dict[str, Any]
    in_channels: int = Field(ge=1)
    out_channels: int = Field(ge=2)


class Weights(_Part):
    """The file of weights, and its digest."""

    file: Literal["weights.safetensors"] = "weights.safetensors"
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(_Part):
    """Everything about a model but its weights; plain JSON, versioned, checked on reading.

    Args:
        format: always ``"medlib-model"``.
        version: of this form.
        medlib: version that wrote it.
        task: what the model does.
        kind: of scan: ``"ct"``, ``"mr"``, ``"pet"``, ``"us"`` or ``"xr"``.
        labels: the label table, in the order of the network's channels after background.
        preprocess: recipes, from :data:`medlib.transforms.RECIPES`.
        window: size that the network sees, (slice, row, column).
        overlap: of neighbouring windows.
        network: its name and arguments.
        weights: where they are.
        training: how it was trained; no names of scans or patients.
        metrics: what it reached on which sort of cases.
        intended_use: in words.
    """

    format: Literal["medlib-model"] = "medlib-model"
    version: Literal[1] = 1
    medlib: str
    task: Literal["segmentation"] = "segmentation"
    kind: Literal["ct", "mr", "pet", "us", "xr"]
    labels: list[dict[str, Any]]
    preprocess: list[dict[str, Any]]
    window: tuple[PositiveInt, PositiveInt, PositiveInt]
    overlap: float = Field(ge=0, lt=1)
    network: Network
    weights: Weights
    training: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    intended_use: str = (
        "Research. Not a medical device: every result is to be reviewed by a qualified person."
    )

    def card(self) -> str:
        """The model card, in Markdown, for people."""
        names = ", ".join(str(label["name"]) for label in self.labels)
        lines = [
            "# Model card",
            "",
            f"- Finds: {names}",
            f"- In: {self.kind.upper()} scans",
            f"- Intended use: {self.intended_use}",
            f"- Network: {self.network.name}, windows of {'×'.join(map(str, self.window))} voxels",
            f"- Made by medlib {self.medlib}",
        ]
        if self.training:
            cases = self.training.get("cases")
            seconds = self.training.get("seconds", 0)
            lines.append(f"- Trained on {cases} scans in {seconds / 60:.1f} minutes")
        if by_label := self.metrics.get("labels"):
            cases = self.metrics.get("cases")
            lines += [
                "",
                f"Dice on {cases} scans of other patients, kept back during training but used to "
                "choose the best moment of it:",
                "",
                "| structure | Dice |",
                "|---|---|",
                *(f"| {name} | {_figure(value)} |" for name, value in by_label.items()),
            ]
        return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
