"""What a per-subscriber function is called with: what was given to it, the path's parameters, the request."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from jupyter_sse.parameter import Parameter, converter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jupyter_sse.request import Request

REQUEST = "request"

_Kind = inspect.Parameter
_BY_NAME = (_Kind.POSITIONAL_OR_KEYWORD, _Kind.KEYWORD_ONLY)


class Arguments:
    """How a generator function is called for a reader.

    Args:
        function: the function, or a method of an object.
        names: the path's parameters.
        positional: given for all readers alike; so are the next.
        named: by their names.

    Raises:
        TypeError: the function has no place for a path parameter or for what is given, or an annotation that no text
            can be read as.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        names: tuple[str, ...],
        positional: tuple[Any, ...] = (),
        named: Mapping[str, Any] | None = None,
    ) -> None:
        self._function = function
        self._positional = positional
        self._named = dict(named or {})
        signature = inspect.signature(function)
        self._given = _own_object(function) | signature.bind_partial(*positional, **self._named).arguments
        free = {name: one for name, one in signature.parameters.items() if name not in self._given}
        takes_all = any(one.kind is _Kind.VAR_KEYWORD for one in free.values())
        by_name = {name: one for name, one in free.items() if one.kind in _BY_NAME}
        self._wants_request = REQUEST not in names and (REQUEST in by_name or takes_all)
        self._parameters = []
        for name in names:
            if name in by_name or takes_all:
                self._parameters.append(_parameter(function, name, by_name.get(name)))
            elif not self._wants_request:
                raise TypeError(
                    f"expected a parameter {name!r} of {function.__qualname__}, as the path has one, "
                    f"got {function.__name__}{signature}"
                )
        filled = {*names, *([REQUEST] if self._wants_request else [])}
        self.missing = [
            name
            for name, one in free.items()
            if one.default is _Kind.empty
            and one.kind not in (_Kind.VAR_KEYWORD, _Kind.VAR_POSITIONAL)
            and not (name in filled and one.kind in _BY_NAME)
        ]
        """The parameters for which nothing is there yet, such as ``self``."""

    def read(self, request: Request) -> dict[str, Any]:
        """Return the arguments for a reader, by name.

        Raises:
            HTTPError: 400; a parameter of the path is not what it should be.
        """
        values = {one.name: one.read(request.path_params[one.name]) for one in self._parameters}
        return {**values, REQUEST: request} if self._wants_request else values

    def call(self, values: Mapping[str, Any]) -> Any:
        """Make the generator.

        Args:
            values: from ``read``.
        """
        return self._function(*self._positional, **self._named, **values)

    def of_background(
        self, background: Callable[..., Any], values: Mapping[str, Any], request: Request
    ) -> dict[str, Any]:
        """Return those of a reader's arguments, and the request, that a function takes, by name."""
        known = {REQUEST: request, **self._given, **values}
        names = _taken(background)
        return known if names is None else {name: known[name] for name in names if name in known}

    def check_background(self, background: Callable[..., Any]) -> None:
        """Check that a function can be called with the arguments of a reader, or with some of them.

        Raises:
            TypeError: it needs something that the generator function has not.
        """
        if not callable(background):
            raise TypeError(f"background: expected a function, got {background!r}")
        known = {*self._given, *self.missing, *(one.name for one in self._parameters), REQUEST}
        for name, one in _parameters_of(background).items():
            is_needed = one.default is _Kind.empty and one.kind in (*_BY_NAME, _Kind.POSITIONAL_ONLY)
            if is_needed and (one.kind is _Kind.POSITIONAL_ONLY or name not in known):
                raise TypeError(
                    f"background: expected a function of some of ({', '.join(sorted(known))}), "
                    f"got one that needs {name!r}"
                )


def _own_object(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a method's object under the name that the method has for it."""
    if not inspect.ismethod(function):
        return {}
    first = next(iter(inspect.signature(function.__func__).parameters))
    return {first: function.__self__}


def _parameter(function: Callable[..., Any], name: str, of_function: inspect.Parameter | None) -> Parameter:
    annotation = _Kind.empty if of_function is None else of_function.annotation
    try:
        return Parameter(name, converter(_evaluated(annotation, function)))
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return what an annotation stands for that is written as text, as all are where a file or cell asks for it."""
    if not isinstance(annotation, str):
        return annotation
    plain = inspect.unwrap(function)
    plain = getattr(plain, "__func__", plain)
    names = inspect.getclosurevars(plain).nonlocals
    try:
        return eval(annotation, plain.__globals__, dict(names))  # noqa: S307 - it is the function's own
    except Exception as error:  # noqa: BLE001 - whatever it is
        raise TypeError(f"expected an annotation that can be evaluated, got {annotation!r} ({error})") from None


def _parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        # Some built-in functions do not tell.
        return {}


def _taken(function: Callable[..., Any]) -> list[str] | None:
    """Return the names of the parameters that can be given by name; None where all are taken."""
    parameters = _parameters_of(function)
    if any(one.kind is _Kind.VAR_KEYWORD for one in parameters.values()):
        return None
    return [name for name, one in parameters.items() if one.kind in _BY_NAME]
