"""What is laid over a scan to review a prediction: routes that can only be read.

- ``GET /medlib/cases/{case}/{layer}/{prediction}/volume``: the scan, as without a layer
- ``GET /medlib/cases/{case}/{layer}/{prediction}/mask``: the layer, on the scan's grid
- ``GET /medlib/cases/{case}/{layer}/{prediction}/points``: landmarks: what a model found, or the label

A prediction of another scan or label set is refused; and the label to whoever is to read the prediction
second, until he has decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from medlib.types import Label, Labels, Mask
from medlib.workspace import Content, NotThereError
from medlib.workspace.schema import Prediction
from serving.depot import Depot
from serving.door import AT, UNCACHED, Endpoint, admitted, blocks_of, packed, said
from serving.drawing import Drawing
from serving.shelf import Case, Shelf


class Layer(StrEnum):
    """One of those."""

    FOUND = "found"
    LABEL = "label"
    DIFFERENCE = "difference"
    DOUBT = "doubt"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Look:
    """How a layer is called and coloured.

    Args:
        title: for people.
        labels: of it; None for the label set's own.
    """

    title: str
    labels: Labels | None = None


LAYERS = {
    Layer.FOUND: Look("Model"),
    Layer.LABEL: Look("Label"),
    Layer.DIFFERENCE: Look(
        "Where they differ",
        Labels(
            (
                Label(1, "only in the model's", colour="#F2A93B"),
                Label(2, "only in the label", colour="#4FB3FF"),
                Label(3, "named otherwise", colour="#E85D9A"),
            )
        ),
    ),
    Layer.DOUBT: Look(
        "Where it was unsure",
        Labels(
            (
                Label(1, "a little unsure", colour="#FBE38E"),
                Label(2, "unsure", colour="#F2A93B"),
                Label(3, "very unsure", colour="#E5533D"),
            )
        ),
    ),
    Layer.NOTHING: Look("Nothing"),
}
OF_LABEL = frozenset({Layer.LABEL, Layer.DIFFERENCE})
_WITHOUT_OUTLINE = frozenset({Layer.FOUND, Layer.LABEL, Layer.NOTHING})  # of answers, landmarks
_UNSURE = (0.25, 0.5, 0.75)  # of the entropy that there can be


class Layers:
    """Hands out layers.

    Args:
        shelf: where predictions and labels lie.
        depot: for what has been made ready.
    """

    def __init__(self, shelf: Shelf, depot: Depot) -> None:
        self._shelf, self._depot = shelf, depot

    def routes(self, volume: Endpoint) -> list[Route]:
        """For :class:`streamlit.App`.

        Args:
            volume: gives the scan itself.
        """
        at = f"{AT}/{{layer}}/{{prediction:int}}"
        return [
            Route(f"{at}/volume", said(volume), methods=["GET"]),
            Route(f"{at}/mask", said(self._get), methods=["GET"]),
            Route(f"{at}/points", said(self._get_points), methods=["GET"]),
        ]

    async def _get(self, request: Request) -> Response:
        def make() -> tuple[Path, dict[str, str]]:
            case, person, layer, row = self._asked(request)
            is_mask = row.content == Content.MASK
            if not is_mask and layer not in _WITHOUT_OUTLINE:
                raise NotThereError("there is no such layer of answers and landmarks")
            version = self._shelf.newest(case)
            blocks = blocks_of(request, self._shelf.grid(case))
            mark = self._shelf.mark(case, blocks)
            # Where nothing was outlined, landmarks lie over the bare scan.
            of_outline = layer if is_mask else Layer.NOTHING

            def encode() -> bytes:
                mask = layer_of(self._shelf, case, row.id, of_outline, version)
                return Drawing(mask, 0).shown(blocks, {"scan": mark}).pack()

            key = f"layer {mark} {of_outline} {row.id} {version}"
            told = version if of_outline in OF_LABEL else 0  # a newer label is fetched anew
            headers = {"X-Version": str(told), "X-Drawer": self._shelf.drawer(case, person)}
            ready = self._depot.file(key, encode)
            self._shelf.note_view(case, person)
            return ready, headers

        return packed(*await to_thread.run_sync(make))

    async def _get_points(self, request: Request) -> Response:
        def read() -> dict[str, object]:
            case, person, layer, row = self._asked(request)
            if row.content != Content.POINTS or layer not in _WITHOUT_OUTLINE:
                raise NotThereError("there are no landmarks in this layer")
            self._shelf.note_view(case, person)
            if layer == Layer.LABEL:
                entries, version = self._shelf.entries(case, Content.POINTS)
                return {"entries": entries, "version": version}
            return {"entries": row.entries if layer == Layer.FOUND else {}, "version": 0}

        return JSONResponse(await to_thread.run_sync(read), headers=UNCACHED)

    def _asked(self, request: Request) -> tuple[Case, str, Layer, Prediction]:
        """What is asked for, if this person may know it already."""
        case, person = admitted(self._shelf, request, "view")
        layer = _layer(request)
        row = self._shelf.prediction(case, int(request.path_params["prediction"]))
        if layer in OF_LABEL:
            newest = self._shelf.newest(case, row.content)
            self._shelf.blind.must_be_known(case, person, newest, row.content)
        return case, person, layer, row


def layer_of(shelf: Shelf, case: Case, prediction: int, layer: Layer, version: int) -> Mask:
    """A layer, on the scan's grid; its ids are of :data:`LAYERS`.

    Raises:
        NotThereError: when the prediction is of another case, or nobody said how unsure he was.
    """
    match layer:
        case Layer.FOUND:
            return shelf.found(case, prediction)
        case Layer.LABEL:
            return shelf.drawing(case, version).mask
        case Layer.NOTHING:
            return shelf.drawing(case, 0).mask
        case Layer.DIFFERENCE:
            drawing = shelf.drawing(case, version)
            found, label = shelf.found(case, prediction).data.int(), drawing.mask.data.int()
            looked_for = torch.isin(found, torch.tensor((0, *drawing.mask.known.ids)))
            # What nobody has finished, or looked for, is no difference.
            differs = (found != label) & drawing.done & (looked_for | (label > 0))
            ids = torch.zeros(found.shape, dtype=torch.uint8)
            ids[differs & (label == 0)] = 1
            ids[differs & (found == 0)] = 2
            ids[differs & (found > 0) & (label > 0)] = 3
        case Layer.DOUBT:
            shelf.prediction(case, prediction)
            unsure = shelf.doubt(prediction)
            if unsure is None:
                raise NotThereError("the model did not say how unsure it was")
            ids = torch.zeros(unsure.data.shape, dtype=torch.uint8)
            for least in _UNSURE:
                ids += (unsure.data >= least).to(torch.uint8)
    labels = LAYERS[layer].labels
    assert labels is not None
    return Mask(ids, shelf.grid(case), labels)


def _layer(request: Request) -> Layer:
    name = str(request.path_params["layer"])
    if name not in list(Layer):
        raise NotThereError("there is no such layer")
    return Layer(name)
