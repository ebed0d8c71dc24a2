"""Models that were trained, and what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from medlib.workspace.database import Database, found
from medlib.workspace.errors import NotThereError, WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.files import Files
from medlib.workspace.label_sets import table_of
from medlib.workspace.masks import ENDING, fitted, keeping
from medlib.workspace.schema import Content, LabelSet, Model, Prediction, Scan

if TYPE_CHECKING:
    from medlib.types import Mask, Volume

_ROUNDED_MM = 0.01  # NIfTI keeps its affines in float32


class Models:
    """The models of a workspace and their predictions."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def add(
        self,
        name: str,
        package: str | Path,
        label_set: int,
        *,
        by: str,
        card: Mapping[str, Any] | None = None,
        job: int | None = None,
    ) -> Model:
        """Keep a model package.

        Args:
            name: unique in the workspace.
            package: the file that :meth:`medlib.package.Model.save` wrote.
            label_set: that it was trained by.
            by: who does so.
            card: figures and what its model card says; plain JSON values.
            job: that made it.

        Raises:
            WorkspaceError: when the name is taken.
        """
        with Path(package).open("rb") as stream:
            file = self._files.copy(stream, ".medlib")
        with self._database.writing() as session:
            if session.scalars(select(Model).filter_by(name=name)).first():
                raise WorkspaceError(f"there is a model {name!r} already")
            found(session, LabelSet, label_set, what="label set")
            row = Model(
                name=name, label_set_id=label_set, job_id=job, file=file, card=dict(card or {})
            )
            session.add(row)
            session.flush()
            record(session, by, "model added", f"model {row.id}", name=name, file=file, job=job)
            if not self._files.has(file):
                raise WorkspaceError(f"{name}: its file was swept away meanwhile; add it again")
        return row

    def describe(self, model: int, statements: Mapping[str, str], *, by: str) -> Model:
        """Say what people know of a model: what it is for, who labelled, where it fails.

        They become ``card["statements"]``. What was said before is in the event log.

        Args:
            model: which.
            statements: in words, by heading; empty ones are left out.
            by: who says so.
        """
        said = {head: text.strip() for head, text in statements.items() if text.strip()}
        with self._database.writing() as session:
            row = found(session, Model, model)
            row.card = {**row.card, "statements": said}
            record(session, by, "model described", f"model {model}", statements=said)
        return row

    def package(self, model: int) -> Path:
        """The model's package, for :func:`medlib.load`."""
        with self._database.reading() as session:
            return self._files.path(found(session, Model, model).file)

    def list(self, label_set: int | None = None) -> Sequence[Model]:
        """All models, the newest first; of one label set if asked."""
        query = select(Model).order_by(Model.id.desc())
        query = query if label_set is None else query.filter_by(label_set_id=label_set)
        with self._database.reading() as session:
            return [*session.scalars(query)]

    # --- predictions ---------------------------------------------------------------------------

    def keep_mask(
        self,
        model: int,
        scan: int,
        mask: Mask,
        *,
        by: str,
        figures: Mapping[str, Any] | None = None,
        uncertainty: Volume | None = None,
    ) -> Prediction:
        """Keep a mask that a model found.

        Args:
            model: which.
            scan: in which.
            mask: on the scan's grid.
            by: the worker.
            figures: volumes, flags with their reasons, uncertainty a slice; plain JSON values.
            uncertainty: on the scan's grid, to be shown over it.

        Raises:
            UnreadableError, WorkspaceError: as :meth:`Versions.save_mask`; and for an uncertainty
                on another grid.
        """
        from medlib.io import write_nifti
        from medlib.space import Grid

        with self._database.reading() as session:
            row = found(session, Scan, scan)
            asked = found(session, LabelSet, found(session, Model, model).label_set_id)
        fitting = fitted(mask, row, asked)
        shown = None
        if uncertainty is not None:
            if uncertainty.grid != Grid.from_dict(row.grid):
                raise WorkspaceError(f"the uncertainty lies on another grid than {row.name}")
            volume = uncertainty
            shown = self._files.keep(lambda path: write_nifti(volume, path), ENDING)
        file = keeping(self._files, fitting)()
        return self._keep(
            Prediction(content=Content.MASK, file=file, uncertainty=shown, entries={}),
            model, scan, by, figures,
        )  # fmt: skip

    def keep_entries(
        self,
        model: int,
        scan: int,
        content: Content,
        entries: Mapping[str, Any],
        *,
        by: str,
        figures: Mapping[str, Any] | None = None,
    ) -> Prediction:
        """Keep answers, or landmarks (LPS millimetres), that a model found."""
        said = Prediction(content=content, entries=dict(entries))
        return self._keep(said, model, scan, by, figures)

    def _keep(
        self,
        prediction: Prediction,
        model: int,
        scan: int,
        by: str,
        figures: Mapping[str, Any] | None,
    ) -> Prediction:
        with self._database.writing() as session:
            found(session, Scan, scan)
            prediction.label_set_id = found(session, Model, model).label_set_id
            prediction.model_id, prediction.scan_id = model, scan
            prediction.figures = dict(figures or {})
            session.add(prediction)
            session.flush()
            record(
                session, by, "predicted", f"scan {scan}",
                prediction=prediction.id, model=model, file=prediction.file,
            )  # fmt: skip
            for file in filter(None, (prediction.file, prediction.uncertainty)):
                if not self._files.has(file):
                    raise WorkspaceError("its file was swept away meanwhile; keep it again")
        return prediction

    def predictions(
        self, *, scan: int | None = None, model: int | None = None
    ) -> Sequence[Prediction]:
        """Predictions, the newest first; of a scan or by a model if asked."""
        query = select(Prediction).order_by(Prediction.id.desc())
        query = query if scan is None else query.filter_by(scan_id=scan)
        query = query if model is None else query.filter_by(model_id=model)
        with self._database.reading() as session:
            return [*session.scalars(query)]

    def prediction(self, prediction: int) -> Prediction:
        """The prediction of this number.

        Raises:
            NotThereError: when there is none.
        """
        with self._database.reading() as session:
            return found(session, Prediction, prediction)

    def mask(self, prediction: int) -> Mask:
        """The mask of a prediction, on its scan's grid.

        Raises:
            NotThereError: when it holds none.
        """
        from medlib import io
        from medlib.space import Grid

        with self._database.reading() as session:
            row = found(session, Prediction, prediction)
            labels = table_of(found(session, LabelSet, row.label_set_id))
            grid = Grid.from_dict(found(session, Scan, row.scan_id).grid)
        if row.file is None:
            raise NotThereError(f"prediction {prediction} holds {row.content}, no mask")
        return io.read_mask(self._files.path(row.file), labels=labels, on=grid)

    def uncertainty(self, prediction: int) -> Volume | None:
        """How unsure the model was of each voxel, 0 to 1; None where it did not say.

        Raises:
            WorkspaceError: when it does not lie on its scan's grid.
        """
        from medlib.io import read_volume
        from medlib.space import Grid
        from medlib.types import Volume

        with self._database.reading() as session:
            row = found(session, Prediction, prediction)
            grid = Grid.from_dict(found(session, Scan, row.scan_id).grid)
        if row.uncertainty is None:
            return None
        volume = read_volume(self._files.path(row.uncertainty), Volume)
        if not volume.grid.close_to(grid, tolerance_mm=_ROUNDED_MM):
            raise WorkspaceError(
                f"the uncertainty of prediction {prediction} lies on another grid than its scan"
            )
        return replace(volume, grid=grid)
