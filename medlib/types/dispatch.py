"""Multiple dispatch: one verb, many kinds, the closest match wins.

plum reads signatures and compares them. What is ours is the manner in which a verb is declared
and how it fails: a call that nothing was registered for is an error that lists what there is,
never silence.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from itertools import product
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import plum

F = TypeVar("F", bound=Callable[..., Any])


class Verb:
    """A function whose implementation is chosen by the types of its positional arguments.

    Declare one with :func:`verb`; add an implementation with :meth:`register`. What is
    registered for a class serves its subclasses, until something closer is registered; of all
    that fit, the closest in every argument is run. Keyword arguments are passed on and never
    take part in the choice. A verb may be pickled wherever a function may: by its name.

    Example:
        >>> @verb
        ... def shout(value):
        ...     "Say it loudly."
        >>> @shout.register
        ... def _(value: str | bytes):
        ...     return value.upper()
        >>> shout("hello")
        'HELLO'
        >>> shout(3)
        Traceback (most recent call last):
            ...
        TypeError: shout has nothing registered for (int). It is registered for: (bytes), (str)
    """

    def __init__(self, declaration: Callable[..., Any]) -> None:
        self.__name__ = declaration.__name__
        self.__qualname__ = declaration.__qualname__
        self.__module__ = declaration.__module__
        self.__doc__ = declaration.__doc__
        self.__wrapped__ = declaration  # what inspect.signature and doctest look through
        self._pending: list[Callable[..., Any]] = []
        self._implementations: dict[plum.Signature, Callable[..., Any]] = {}
        self._chosen: dict[tuple[type, ...], Callable[..., Any]] = {}
        self._lock = threading.Lock()

    def register(self, implementation: F) -> F:
        """Add an implementation for the types its positional parameters are annotated with.

        A union (``CTVolume | MRVolume``) registers for each of its members, as if each had been
        written out. A parameter with a default may be left out by the caller. Annotations are
        looked up at the first call, so they may name what is defined further below.

        Warns:
            UserWarning: at that call, when it takes the place of one for the same types.
        """
        # plum would look up the annotated return type too, which is for readers and type
        # checkers, and may name what only they import.
        implementation.__annotations__.pop("return", None)
        with self._lock:
            self._pending.append(implementation)
            self._chosen.clear()
        return implementation

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the implementation that matches ``args`` most closely.

        Raises:
            TypeError: when none matches, or two match equally closely.
        """
        types = tuple(map(type, args))
        implementation = self._chosen.get(types) or self._choose(types, args)
        return implementation(*args, **kwargs)

    def _choose(self, types: tuple[type, ...], args: tuple[Any, ...]) -> Callable[..., Any]:
        """The implementation for these arguments, remembered by their types; or why there is none.

        One thread at a time, for plum rewrites the annotations that it looks up.
        """
        with self._lock:
            self._take_in()
            fitting = [s for s in self._implementations if s.match(args)]
            closest = [s for s in fitting if not any(_closer(other, s) for other in fitting)]
            if not fitting:
                known = ", ".join(_written(self._implementations)) or "nothing yet"
                raise TypeError(
                    f"{self.__name__} has nothing registered for {_names(types)}. "
                    f"It is registered for: {known}"
                )
            if len(closest) > 1:
                raise TypeError(
                    f"{self.__name__}{_names(types)} is ambiguous between "
                    f"{' and '.join(_written(closest))}. "
                    "Register an implementation for exactly these types."
                )
            chosen = self._implementations[closest[0]]
            # An annotation like list[int] looks inside its argument: the type does not decide.
            if all(s.is_faithful for s in self._implementations):
                self._chosen[types] = chosen
            return chosen

    def _take_in(self) -> None:
        """Read the signatures of what was registered since the last look."""
        while self._pending:
            implementation = self._pending[0]
            for signature in _signatures(implementation):
                if signature in self._implementations:
                    warnings.warn(
                        f"{self.__name__} was already registered for {_names(signature.types)}; "
                        "the newer implementation takes its place",
                        stacklevel=4,
                    )
                self._implementations[signature] = implementation
            del self._pending[0]

    def signatures(self) -> list[str]:
        """The types each implementation is registered for, for people to read."""
        with self._lock:
            self._take_in()
            return _written(self._implementations)

    def __reduce__(self) -> str:
        return self.__qualname__


def verb(declaration: Callable[..., Any]) -> Verb:
    """Declare a verb: its name, parameters and documentation. The body is never run."""
    return Verb(declaration)


def _signatures(implementation: Callable[..., Any]) -> set[plum.Signature]:
    """All that an implementation is for: each member of each union, with and without defaults.

    For plum a union is one type, as far from each member as from the base of that member:
    ``CTVolume | MRVolume`` would be no closer to a CT than ``Volume`` is.
    """
    written = plum.Signature.from_callable(implementation)
    members = [get_args(t) if get_origin(t) in (Union, UnionType) else (t,) for t in written.types]
    single = [plum.Signature(*types, varargs=written.varargs) for types in product(*members)]
    return {s for each in single for s in plum.append_default_args(each, implementation)}


def _closer(one: plum.Signature, other: plum.Signature) -> bool:
    """Whether ``one`` is closer than ``other`` in some argument, and further in none."""
    return bool(one <= other) and not other <= one


def _names(types: Iterable[Any]) -> str:
    return "(" + ", ".join(t.__name__ if isinstance(t, type) else str(t) for t in types) + ")"


def _written(signatures: Iterable[plum.Signature]) -> list[str]:
    return sorted(_names(s.types) for s in signatures)
