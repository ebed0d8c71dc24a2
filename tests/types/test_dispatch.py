import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import torch

from medlib.space import Grid
from medlib.types import CTVolume, Mask, MRVolume, Points, Volume, describe, verb

if TYPE_CHECKING:
    from nowhere import Unheard

GRID = Grid.from_axes((2, 2, 2))
DATA = torch.zeros(1, 2, 2, 2)


def fresh():
    @verb
    def name(value, other=None):
        """Say what it is."""

    return name


def test_the_closest_match_wins_and_a_closer_one_takes_over():
    name = fresh()

    @name.register
    def _(value: Volume):
        return "some volume"

    assert name(CTVolume(DATA, GRID)) == "some volume"
    assert name(MRVolume(DATA, GRID)) == "some volume"

    @name.register
    def _(value: CTVolume):
        return "CT"

    assert name(CTVolume(DATA, GRID)) == "CT"
    assert name(MRVolume(DATA, GRID)) == "some volume"


def test_a_class_of_one_s_own_inherits():
    class Contrast(CTVolume):
        pass

    name = fresh()

    @name.register
    def _(value: CTVolume):
        return "CT"

    assert name(Contrast(DATA, GRID)) == "CT"


def test_a_union_registers_each_member():
    name = fresh()

    @name.register
    def _(value: Mask | Points):
        return "drawn"

    assert name(Points([[0, 0, 0]])) == "drawn"
    assert name(Mask(DATA.int(), GRID)) == "drawn"
    with pytest.raises(TypeError, match="nothing registered for"):
        name(Volume(DATA, GRID))


def test_a_member_of_a_union_is_closer_than_its_base():
    name = fresh()

    @name.register
    def _(value: Volume):
        return "some volume"

    @name.register
    def _(value: CTVolume | Points, other: Mask | None = None):
        return "CT or points"

    scan = CTVolume(DATA, GRID)
    assert name(scan) == name(scan, None) == name(scan, Mask(DATA.int(), GRID)) == "CT or points"
    assert name(MRVolume(DATA, GRID)) == "some volume"
    assert name.signatures() == [
        *("(CTVolume)", "(CTVolume, Mask)", "(CTVolume, NoneType)"),
        *("(Points)", "(Points, Mask)", "(Points, NoneType)", "(Volume)"),
    ]


def test_a_second_implementation_for_the_same_types_is_told_of():
    name = fresh()
    name.register(answering(CTVolume, 1))
    name.register(answering(CTVolume, 2))
    with pytest.warns(UserWarning, match=r"name was already registered for \(CTVolume\)"):
        assert name(CTVolume(DATA, GRID)) == 2


@verb
def known_to_its_module(value):
    """Say what it is."""


@known_to_its_module.register
def _(value: Volume):
    return "a volume"


def test_a_verb_is_pickled_by_its_name():
    again = pickle.loads(pickle.dumps(known_to_its_module))
    assert again is known_to_its_module
    with pytest.raises((pickle.PicklingError, AttributeError), match="local"):
        pickle.dumps(fresh())


def test_a_verb_reaches_a_process_that_is_started_afresh():
    """As the workers of a data loader are on Windows and macOS."""
    scan = CTVolume(DATA, GRID)
    work = pickle.dumps((describe, scan))
    script = f"import pickle; verb, scan = pickle.loads({work!r}); print(verb(scan))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == describe(scan)


def test_silence_is_not_an_answer():
    """A peer returns its input unchanged where nothing matches."""
    name = fresh()
    with pytest.raises(TypeError, match="nothing yet"):
        name(3)

    @name.register
    def _(value: int, other: str):
        return 1

    @name.register
    def _(value: str):
        return 2

    with pytest.raises(TypeError) as error:
        name(2.5)
    assert str(error.value) == (
        "name has nothing registered for (float). It is registered for: (int, str), (str)"
    )
    with pytest.raises(TypeError, match="nothing registered for"):
        name()


def test_ambiguity_names_both_candidates():
    name = fresh()

    @name.register
    def _(value: CTVolume, other: Volume):
        return 1

    @name.register
    def _(value: Volume, other: CTVolume):
        return 2

    @name.register
    def _(value: Volume, other: Volume):
        return 0

    scan = CTVolume(DATA, GRID)
    with pytest.raises(TypeError) as error:
        name(scan, scan)
    assert "ambiguous between (CTVolume, Volume) and (Volume, CTVolume). " in str(error.value)
    assert name(MRVolume(DATA, GRID), MRVolume(DATA, GRID)) == 0

    @name.register
    def _(value: CTVolume, other: CTVolume):
        return 3

    assert name(scan, scan) == 3


def test_keywords_pass_through_and_choose_nothing():
    name = fresh()

    @name.register
    def _(value: int, *, unit: object = "mm"):
        return f"{value} {unit}"

    assert name(3) == "3 mm"
    assert name(3, unit="cm") == "3 cm"
    assert name(3, unit=4.5) == "3 4.5"


def test_results_are_not_converted_and_annotations_may_be_for_readers_only():
    name = fresh()

    @name.register
    def _(value: int) -> float:
        return value

    @name.register
    def _(value: str) -> "Unheard":
        return value

    assert type(name(3)) is int
    assert name("x") == "x"


def test_what_is_inside_a_container_is_looked_at_each_time():
    name = fresh()

    @name.register
    def _(value: list[int]):
        return "numbers"

    @name.register
    def _(value: list[str]):
        return "words"

    assert [name([1]), name(["a"]), name([1])] == ["numbers", "words", "numbers"]


def test_errors_inside_are_passed_on():
    name = fresh()

    @name.register
    def _(value: int):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        name(3)


def test_it_reads_as_a_function():
    name = fresh()
    assert name.__name__ == "name"
    assert name.__doc__ == "Say what it is."
    assert name.signatures() == []


def answering(kind, answer):
    def implementation(value):
        return answer

    implementation.__annotations__["value"] = kind
    return implementation


def test_threads_that_all_call_for_the_first_time_at_once():
    """Streamlit is threaded, and annotations are looked up at the first call.

    The kinds inherit from one another, so that a thread that sees only some registrations finds
    an implementation that fits, and is wrong.
    """
    kinds = [type("Kind0", (), {})]
    for i in range(1, 8):
        kinds.append(type(f"Kind{i}", (kinds[-1],), {}))
    callers = 32
    pause = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(callers) as pool:
            for _ in range(40):
                name = fresh()
                for i, kind in enumerate(kinds):
                    name.register(answering(kind, i))
                gate = threading.Barrier(callers)

                def call(k, name=name, gate=gate):
                    gate.wait()
                    return name(kinds[k % 8]())

                assert list(pool.map(call, range(callers))) == [k % 8 for k in range(callers)]
    finally:
        sys.setswitchinterval(pause)


def test_threads_that_register_while_others_call():
    kinds = [type(f"Kind{i}", (), {}) for i in range(16)]
    for _ in range(20):
        name = fresh()
        name.register(answering(object, -1))
        gate = threading.Barrier(16)

        def both(k, name=name, gate=gate):
            gate.wait()
            name.register(answering(kinds[k], k))
            return name(kinds[k]())

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(both, range(16))) == list(range(16))
        assert [name(kind()) for kind in kinds] == list(range(16))
