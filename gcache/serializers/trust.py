"""Which classes a function says it returns: what a pickle of its values may be trusted to name."""

from __future__ import annotations

import builtins
import enum
import inspect
import sys
from abc import ABC
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import GenericAlias
from typing import (
    Annotated,
    Any,
    ClassVar,
    ForwardRef,
    Generic,
    Literal,
    NewType,
    TypeAlias,
    cast,
    get_args,
    get_origin,
)

from gcache.serializers._plain import is_plain, is_standard, is_trustable

_NO_DATA: tuple[object, ...] = (Callable, ClassVar, Generic, type)


def classes_named_by(function: Callable[..., Any]) -> frozenset[type]:
    """Return the classes that the return annotation of `function` names, and those that their fields name.

    Followed are the parts of generics, unions, aliases and new types, and the annotated attributes of every
    class: dataclasses, attrs, pydantic, NamedTuple, TypedDict, or none of these. Left out are plain data,
    abstract classes, protocols, subclasses of what is named, what is named in `Callable[...]`, `type[...]`
    or `ClassVar[...]`, and names that cannot be resolved. Of the standard library only enums and named tuples
    count: much else in it acts on what lies outside the program. Never raises.
    """
    try:
        source = inspect.unwrap(function)
        annotation = source.__annotations__.get("return")
        names = _Names(_closure_of(source), source.__globals__)
    except Exception:
        return frozenset()
    search = _Search()
    search.run(annotation, names)
    return frozenset(search.found)


class _AnySubscript(type):
    def __getattr__(cls, name: str) -> type:
        return cls

    def __getitem__(cls, parts: object) -> GenericAlias:
        return GenericAlias(cls, parts)


class _Unresolved(metaclass=_AnySubscript):
    """Stands in an annotation for a name that cannot be resolved, so that the rest of it can be read."""


class _Names:
    """The names that an annotation may use, nearest scope first."""

    def __init__(self, *scopes: Mapping[str, object]) -> None:
        self._scopes = (*scopes, vars(builtins))

    def __getitem__(self, name: str) -> object:
        for scope in self._scopes:
            if name in scope:
                return scope[name]
        return _Unresolved

    def evaluate(self, annotation: str) -> object:
        # The text is the developer's own source, put into a string by the compiler or by hand.
        return eval(annotation, {}, cast("Mapping[str, object]", self))


_Step: TypeAlias = "tuple[object, _Names]"


class _Search:
    def __init__(self) -> None:
        self.found: set[type] = set()
        self._met: set[object] = set()

    def run(self, annotation: object, names: _Names) -> None:
        pending: list[_Step] = [(annotation, names)]
        while pending:
            try:
                pending.extend(self._parts(*pending.pop()))
            except Exception:
                continue

    def _parts(self, annotation: object, names: _Names) -> Iterator[_Step]:
        """Read one annotation, and yield what is to be read next."""
        if isinstance(annotation, ForwardRef):
            annotation = annotation.__forward_arg__
        if isinstance(annotation, str):
            if self._meets((annotation, names)):
                yield names.evaluate(annotation), names
            return
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            self.found.update(type(argument) for argument in arguments if isinstance(argument, enum.Enum))
        elif origin is Annotated:
            yield arguments[0], names
        elif origin is not None:
            if origin not in _NO_DATA:
                yield origin, names
                for argument in arguments:
                    yield argument, names
        elif isinstance(annotation, type):
            cls = cast("type[object]", annotation)
            if self._meets(cls):
                yield from self._class(cls)
        elif isinstance(annotation, NewType):
            yield annotation.__supertype__, names
        elif type(annotation).__name__ == "TypeAliasType" and self._meets(annotation):
            yield cast("Any", annotation).__value__, names

    def _meets(self, what: object) -> bool:
        """Tell whether this is the first time that `what` is met."""
        new = what not in self._met
        self._met.add(what)
        return new

    def _class(self, cls: type) -> Iterator[_Step]:
        if is_plain(cls) or not is_trustable(cls) or cls is _Unresolved:
            return
        if enum.Enum in cls.__mro__:
            self.found.add(cls)
            return
        if _is_abstract(cls) or (is_standard(cls) and not _is_named_tuple(cls)):
            return
        if not _is_typed_dict(cls):
            self.found.add(cls)
        for base in cls.__mro__:
            if not is_standard(base):
                yield from _annotations_of(base)


def _annotations_of(cls: type) -> Iterator[_Step]:
    module = sys.modules.get(cls.__module__)
    names = _Names({cls.__name__: cls}, vars(module) if module else {}, vars(cls))
    for name, annotation in inspect.get_annotations(cls).items():
        if not name.startswith("__"):
            yield annotation, names
    own = vars(cls)
    for base in own.get("__orig_bases__", ()):
        for argument in get_args(base):
            yield argument, names
    if _is_typed_dict(cls):  # its bases are missing from its `__mro__`
        for base in own.get("__orig_bases__", ()):
            yield base, names
    for field in own.get("__attrs_attrs__", ()):
        yield field.type, names
    if "__pydantic_fields__" in own or "__pydantic_generic_metadata__" in own:
        yield from _pydantic_parts(cls, names)
    if cls.__module__ == "pydantic.networks":
        core = sys.modules["pydantic_core"]
        yield core.Url, names
        yield core.MultiHostUrl, names


def _pydantic_parts(cls: Any, names: _Names) -> Iterator[_Step]:
    for field in cls.model_fields.values():
        yield field.annotation, names
    metadata = cls.__pydantic_generic_metadata__
    yield metadata["origin"], names
    for argument in metadata["args"]:
        yield argument, names


def _closure_of(function: Any) -> dict[str, object]:
    contents: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            contents[name] = cell.cell_contents
    return contents


def _is_abstract(cls: type) -> bool:
    return inspect.isabstract(cls) or ABC in cls.__bases__ or bool(getattr(cls, "_is_protocol", False))


def _is_named_tuple(cls: type) -> bool:
    return tuple in cls.__mro__ and hasattr(cls, "_fields")


def _is_typed_dict(cls: type) -> bool:
    return dict in cls.__mro__ and "__required_keys__" in vars(cls)
