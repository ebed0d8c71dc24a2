import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import torch

from medlib.space import Grid
from medlib.types import CTVolume, Mask, MRVolume, Points, Volume, verb

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

    scan = CTVolume(DATA, GRID)
    with pytest.raises(TypeError) as error:
        name(scan, scan)
    assert "(CTVolume, Volume)" in str(error.value)
    assert "(Volume, CTVolume)" in str(error.value)

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
    """Streamlit is threaded; plum takes registrations in at the first call."""
    kinds = [type(f"Kind{i}", (), {}) for i in range(8)]
    callers = 32
    with ThreadPoolExecutor(callers) as pool:
        for _ in range(60):
            name = fresh()
            for i, kind in enumerate(kinds):
                name.register(answering(kind, i))
            gate = threading.Barrier(callers)

            def call(k, name=name, gate=gate):
                gate.wait()
                return name(kinds[k % 8]())

            assert list(pool.map(call, range(callers))) == [k % 8 for k in range(callers)]


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
