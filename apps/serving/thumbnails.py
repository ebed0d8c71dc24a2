"""Small pictures of scans, for lists: made once, kept, and fetched by the browser as it scrolls.

- ``GET /medlib/thumbnails/{scan}?leave=LINK``
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from anyio import to_thread
from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from medlib.io.files import FILE_ERRORS, written_whole
from medlib.planes import default_window, upright
from medlib.types import Radiograph, Volume, to_numpy
from medlib.workspace import NotAllowedError, NotThereError, Workspace
from serving.session import owner

SIZE = 160
"""Pixels along the longer side."""


def thumbnail(scan: Volume) -> Image.Image:
    """The middle axial slice (a radiograph as it is), as radiologists look at it.

    Args:
        scan: of any orientation; its first channel is drawn.

    Returns:
        Grey, square voxels, at most :data:`SIZE` pixels along each side.
    """
    raised = upright(scan)
    values = to_numpy(raised)[0].astype(np.float32)
    axis = int(np.argmin(values.shape)) if isinstance(scan, Radiograph) else 0
    image = np.take(values, values.shape[axis] // 2, axis)
    if axis:  # rows run from the feet
        image = image[::-1]
    low, high = default_window(scan)
    grey = np.nan_to_num(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    down, across = (s for k, s in enumerate(raised.grid.spacing) if k != axis)
    height, width = grey.shape[0] * down, grey.shape[1] * across
    shrink = SIZE / max(height, width)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR)


class Thumbnails:
    """The small pictures of a workspace's scans.

    Args:
        workspace: an open one.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.derived / "thumbnails"
        self._folder.mkdir(exist_ok=True)
        self._turn = threading.Lock()  # one scan in memory at a time

    def link(self, scan: int, person: str) -> str:
        """The address of a scan's picture, for this person, for an hour or two."""
        leave = self._workspace.links.sign(f"thumbnail {scan}", person)
        return f"/medlib/thumbnails/{scan}?leave={leave}"

    def file(self, scan: int) -> Path:
        """A scan's picture; made if need be.

        Raises:
            NotThereError: when there is no such scan.
            WorkspaceError, UnreadableError: when its files cannot be read.
        """
        path = self._folder / f"{self._workspace.scans.get(scan).digest}.png"
        with self._turn:
            if not path.is_file():
                picture = thumbnail(self._workspace.scans.volume(scan))
                with written_whole(path) as partial:
                    picture.save(partial)
        return path

    def routes(self) -> list[Route]:
        """For :class:`streamlit.App`."""
        return [Route("/medlib/thumbnails/{scan:int}", self._get, methods=["GET"])]

    async def _get(self, request: Request) -> Response:
        scan = int(request.path_params["scan"])
        try:
            path = await to_thread.run_sync(self._admitted, request, scan)
        except NotAllowedError:
            return Response(status_code=401)
        except NotThereError:
            return Response(status_code=404)
        except (*FILE_ERRORS, ValueError):
            return Response(status_code=422)
        return FileResponse(path, headers={"Cache-Control": "private, max-age=3600"})

    def _admitted(self, request: Request, scan: int) -> Path:
        link = request.query_params.get("leave", "")
        owner(self._workspace, request.cookies, link, f"thumbnail {scan}", "view")
        return self.file(scan)
