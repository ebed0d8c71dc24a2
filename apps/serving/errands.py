"""Slow things done meanwhile: pages look on, and may stop them; a closed page does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from medlib.io.files import FILE_ERRORS

_LOG = logging.getLogger("medlib")


class StoppedError(Exception):
    """Somebody asked to stop."""


@dataclass(frozen=True)
class Step:
    """How far an errand has come.

    Args:
        done: of its parts.
        of: how many there are; 0 while nobody knows.
        what: is being done, in words.
    """

    done: int = 0
    of: int = 0
    what: str = ""


Report = Callable[[int, int, str], None]
"""Says how far it has come, as :class:`Step`; raises :class:`StoppedError` when it is to stop."""


class Errand:
    """Something slow, begun when it is made.

    Args:
        work: does it, in a thread of its own; it calls what it is given now and then.

    Attributes:
        step: how far it has come.
        result: what came of it, once it has ended well.
        error: why it did not end well, in a sentence; empty else.
    """

    def __init__(self, work: Callable[[Report], Any]) -> None:
        self.step, self.error = Step(), ""
        self.result: Any = None
        self._work, self._stopping = work, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask it to stop; it does when it next says how far it has come."""
        self._stopping.set()

    def wait(self) -> None:
        """Until it has ended."""
        self._thread.join()

    def _report(self, done: int, of: int, what: str) -> None:
        self.step = Step(done, of, what)
        if self.is_stopping:
            raise StoppedError

    def _run(self) -> None:
        try:
            self.result = self._work(self._report)
        except StoppedError:
            self.error = "Stopped. What was finished by then is kept."
        except (*FILE_ERRORS, ValueError) as error:
            self.error = str(error)
        except Exception:
            _LOG.exception("an errand failed")
            self.error = "Something unforeseen went wrong; the server's terminal shows what."


class Errands:
    """The errands of a server, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Errand] = {}

    def begin(self, name: str, work: Callable[[Report], Any]) -> Errand:
        """Begin an errand; one of this name that goes on still is the one."""
        errand = self._by_name.get(name)
        if errand is None or not errand.is_running:
            errand = self._by_name[name] = Errand(work)
        return errand

    def get(self, name: str) -> Errand | None:
        """The errand of this name, if there is one that nobody has put away."""
        return self._by_name.get(name)

    def put_away(self, name: str) -> None:
        """Forget an errand that has ended."""
        errand = self._by_name.get(name)
        if errand is not None and not errand.is_running:
            del self._by_name[name]
