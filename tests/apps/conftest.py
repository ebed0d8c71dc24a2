"""What tests of pages share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from medlib.resources import folder
from medlib.workspace import Role, Workspace

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest


@pytest.fixture(autouse=True)
def _forms_end() -> Iterator[None]:
    """AppTest runs pages in the tests' own thread: what one leaves open is the next one's too."""
    singletons = pytest.importorskip("streamlit.delta_generator_singletons")
    yield
    singletons.context_dg_stack.set(singletons.get_default_dg_stack_value())


@pytest.fixture(autouse=True)
def _pages_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest runs one page, which knows of no others: going to another ends it."""
    st = pytest.importorskip("streamlit")
    monkeypatch.setattr(st, "switch_page", lambda page: st.stop())


@pytest.fixture(autouse=True)
def _main_stays_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest puts the page in the place of ``__main__``, which spawned processes then run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def open_page(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., AppTest]]:
    """``open_page(page, person, role, state)``: a page of the workspace, as a person sees it first."""
    apps = folder("apps")
    monkeypatch.syspath_prepend(str(apps))  # as Streamlit does for the pages
    from desk import Desk
    from serving.site import site
    from streamlit.testing.v1 import AppTest

    monkeypatch.setattr(sys, "argv", ["app.py", str(workspace.folder)])
    site.cache_clear()

    def opening(
        page: str,
        person: str = "ada",
        role: Role = Role.REVIEWER,
        state: dict[str, Any] | None = None,
        timeout: float = 60,
    ) -> AppTest:
        monkeypatch.setattr("desk.desk", lambda: Desk(site(), person, role))
        app = AppTest.from_file(str(apps / page), default_timeout=timeout)
        for key, value in (state or {}).items():
            app.session_state[key] = value
        app.run()
        assert not app.exception
        return app

    yield opening
    site.cache_clear()
