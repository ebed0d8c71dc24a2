"""A bar that shows how far the training is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from medlib.train.callbacks.base import Callback

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class Progress(Callback):
    """A progress bar in the terminal: time left, loss, score.

    It is drawn some times a second, and not at every step: to read a loss from a graphics card is to
    wait for it.

    Example:
        >>> bar = Progress()  # learner = Learner(…, callbacks=[bar])
    """

    once: ClassVar[bool] = True

    def made_with(self) -> None:
        """It only looks on."""

    def before_fit(self, learn: Learner) -> None:
        """Draw the bar."""
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[left]} left  {task.fields[note]}"),
        )
        self._bar.start()
        self._task = self._bar.add_task("train", total=1.0, left="…", note="")
        self._drawn = 0.0

    def after_step(self, learn: Learner) -> None:
        """Move it, a few times a second."""
        if time.monotonic() - self._drawn < 0.25:
            return
        self._drawn = time.monotonic()
        left = round(learn.budget.seconds_left(learn.step, learn.seconds_a_step))
        note = f"loss {learn.smooth_loss:.3f}"
        if learn.scores.cases:
            note += f"  {learn.scores.measure} {learn.scores.mean:.3f}"
        self._bar.update(
            self._task, completed=learn.progress, left=f"{left // 60}:{left % 60:02d}", note=note
        )

    def after_fit(self, learn: Learner) -> None:
        """Leave it as it stands."""
        if learn.progress >= 1.0:
            self._bar.update(self._task, completed=1.0, left="0:00")
        self._bar.stop()
