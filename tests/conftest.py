"""What every test may ask for: real scans and programs, where the machine has them."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from elsewhere import elsewhere
from hypothesis import settings
from postgres import serving

# Shared machines stall now and then: that is no failure. The draws are the same each time, so
# that a test that fails does so for the change at hand.
settings.register_profile("medlib", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("medlib")


def _lacking(what: str) -> None:
    """Skip, or fail where everything is required, so that nothing is skipped unseen."""
    if os.environ.get("MEDLIB_REQUIRE_ALL") == "1":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where prepared scans are kept: not in the folder of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MEDLIB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tests' networks are tiny: to share them out between threads takes longer than to run them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def card() -> Iterator[torch.device]:
    """A graphics card, or what stands in for one: it is as strict, and computes on the processor."""
    if torch.cuda.is_available():
        yield torch.device("cuda", 0)
        return
    with elsewhere() as device:
        yield device


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scans."""
    folder = os.environ.get("MEDLIB_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        _lacking("MEDLIB_REAL_DATA does not name a folder of real scans")
    return Path(folder)


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """``program(name)`` is the path of an installed program."""

    def find(name: str) -> Path:
        import sys

        beside = Path(sys.executable).parent  # of a virtual environment that is not activated
        found = shutil.which(name) or shutil.which(name, path=str(beside))
        if found is None:
            _lacking(f"the program {name} is not installed")
        return Path(found)

    return find


@pytest.fixture(scope="session")
def server(program: Callable[[str], Path]) -> Iterator[Callable[[], str]]:
    """``server()`` is the address of a new, empty PostgreSQL database."""
    with serving(program) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> str:
    """Of a new database: none for SQLite, which lies in the workspace's folder."""
    return request.getfixturevalue("server")() if request.param == "postgresql" else ""
