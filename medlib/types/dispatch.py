"""Multiple dispatch: one verb, many kinds, the closest match wins.

plum does the work. What is ours is the manner in which a verb is declared and how it fails:
a call that nothing was registered for is an error that lists what there is, never silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import plum

F = TypeVar("F", bound=Callable[..., Any])


class Verb:
    """A function whose implementation is chosen by the types of its positional arguments.

    Declare one with :func:`verb`; add an implementation with :meth:`register`. Keyword
    arguments are passed on and never take part in the choice.

    Example:
        >>> @verb
        ... def shout(value):
        ...     "Say it loudly."
        >>> @shout.register
        ... def _(value: str):
        ...     return value.upper()
        >>> shout("hello")
        'HELLO'
        >>> shout(3)
        Traceback (most recent call last):
            ...
        TypeError: shout has nothing registered for (int). It is registered for: (str)
    """

    def __init__(self, declaration: Callable[..., Any]) -> None:
        self.__name__ = declaration.__name__
        self.__qualname__ = declaration.__qualname__
        self.__module__ = declaration.__module__
        self.__doc__ = declaration.__doc__
        self._function = plum.Function(declaration, warn_redefinition=True)
        self._chosen: dict[tuple[type, ...], Callable[..., Any]] = {}
        self._lock = threading.Lock()

    def register(self, implementation: F) -> F:
        """Add an implementation for the types its positional parameters are annotated with.

        A union registers for each of its members.
        """
        # plum would look up the annotated return type and convert every result to it: that
        # annotation is for readers and type checkers, and may name what only they import.
        implementation.__annotations__.pop("return", None)
        with self._lock:
            self._function.dispatch(implementation)
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

        All that touches plum holds the lock: it takes pending registrations in at the first call,
        and loses one that another thread makes meanwhile.
        """
        with self._lock:
            methods = self._function.methods
            try:
                implementation, _ = self._function.resolve_method(args)
            except plum.NotFoundLookupError:
                known = ", ".join(_signatures(methods)) or "nothing yet"
                raise TypeError(
                    f"{self.__name__} has nothing registered for {_names(types)}. "
                    f"It is registered for: {known}"
                ) from None
            except plum.AmbiguousLookupError:
                fitting = [m for m in methods if m.signature.match(args)]
                raise TypeError(
                    f"{self.__name__}{_names(types)} is ambiguous between "
                    f"{' and '.join(_signatures(fitting))}. "
                    "Register an implementation for exactly these types."
                ) from None
            # An annotation like list[int] looks inside its argument: the type does not decide.
            if all(m.signature.is_faithful for m in methods):
                self._chosen[types] = implementation
            chosen: Callable[..., Any] = implementation
            return chosen

    def signatures(self) -> list[str]:
        """The types each implementation is registered for, for people to read."""
        with self._lock:
            return _signatures(self._function.methods)


def verb(declaration: Callable[..., Any]) -> Verb:
    """Declare a verb: its name, parameters and documentation. The body is never run."""
    return Verb(declaration)


def _names(types: Iterable[Any]) -> str:
    return "(" + ", ".join(getattr(t, "__name__", str(t)) for t in types) + ")"


def _signatures(methods: Iterable[Any]) -> list[str]:
    return sorted(_names(m.signature.types) for m in methods)
