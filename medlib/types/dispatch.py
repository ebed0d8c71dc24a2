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
        self._resolved: set[tuple[type, ...]] = set()
        self._lock = threading.Lock()

    def register(self, implementation: F) -> F:
        """Add an implementation for the types its positional parameters are annotated with.

        A union registers for each of its members.
        """
        # plum converts every result to the annotated return type, at ten times the cost of the
        # call: that annotation is for readers and type checkers, and not shown to plum.
        implementation.__annotations__.pop("return", None)
        with self._lock:
            self._function.dispatch(implementation)
            self._resolved.clear()
        return implementation

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the implementation that matches ``args`` most closely.

        Raises:
            TypeError: when none matches, or two match equally closely.
        """
        types = tuple(map(type, args))
        if types not in self._resolved:
            self._resolve(types, args)
        return self._function(*args, **kwargs)

    def _resolve(self, types: tuple[type, ...], args: tuple[Any, ...]) -> None:
        """Choose the implementation for these types, or say why there is none.

        plum resolves pending registrations at the first call, and does not guard that against
        a second thread; so the first call of each combination of types comes through here.
        """
        with self._lock:
            methods = self._function.methods
            try:
                self._function.resolve_method(args)
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
            self._resolved.add(types)

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
