"""Values as pickles that can make instances of known classes and do nothing else.

An instance is written as a call of `make`, the one callable that a pickle can name here, with the name of
its class and what `cls.__new__` takes; state and items follow as in any pickle. So no class is ever within
reach of the bytes: they can neither call it, nor change it, nor look anything up on it. Before any of it, the
instructions are checked (`_opcodes`).
"""

from __future__ import annotations

import copyreg
import enum
import io
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Literal, TypeAlias, cast

from gcache.errors import GCacheConfigError, SerializationError, UntrustedType
from gcache.serializers import _opcodes
from gcache.serializers._plain import FACTORIES, PLAIN, Parts, full_name, is_plain, is_trustable
from gcache.serializers._refusals import distrust_of, indirect, refusal_of, refuse_buffer, unknown

Writer: TypeAlias = Callable[[Any], tuple[Any, ...]]

_PROTOCOL = 5
_LARGE = 16_384  # who has dumped more keeps that much memory, and clears it each time
_CALLED = "()"
_KEYWORDS = "(**)"
_NEWOBJ: object = vars(copyreg)["__newobj__"]
_NEWOBJ_EX: object = vars(copyreg)["__newobj_ex__"]


class Trust(enum.Enum):
    ANY = "any"


ANY: Final = Trust.ANY
"""Trust every class: plain pickle, whose bytes can run anything. For storage that nobody else writes to."""


class PickleSerializer:
    """Stores the standard library's data types, instances of the `trusted` classes, and nothing else.

    A subclass of a trusted class is not trusted. What belongs to a trusted class runs, with arguments that
    may be hostile, when an instance is loaded: `__new__`, `__setstate__`, `__hash__`, `__eq__`, `__del__`,
    and on request `__call__`, `append`, `extend`, `add`, `__setitem__` and property setters. `__init__` runs
    only where the class, or one that it derives from, has a `__reduce__` of its own (exceptions do).

    Functions, modules and classes are not data, and not stored. Hostile bytes run no more than that, import
    nothing but the time zones of `tzdata`, change no class, and claim no memory far beyond their own size.
    They can still waste time, or overrun the C stack: Python hashes a key without limit, be it tuples nested
    a million deep, or each holding the last one twice. Where a stranger can write to the storage, sign what
    is stored.
    """

    identity: str
    """`pickle:1`, or `pickle-any:1` with `trusted=ANY`: the two do not read each other's bytes."""

    def __init__(self, trusted: Iterable[type] | Literal[Trust.ANY] = ()) -> None:
        """Trust the classes `trusted`, or every class with ANY.

        Raises GCacheConfigError for what is no class of data, and for two classes of the same name.
        """
        self._dump: Callable[[Any], bytes] = partial(pickle.dumps, protocol=_PROTOCOL)
        self._load: Callable[[bytes], Any] = pickle.loads
        if trusted is ANY:
            self.identity = "pickle-any:1"
        else:
            self.identity = "pickle:1"
            known = _KnownClasses(trusted)
            self._dump, self._load = _dump_of(known), _load_of(known)

    def dump(self, value: Any) -> bytes:
        """Return the pickle of `value`.

        Raises UntrustedType for an instance of a class that `load` would refuse, and SerializationError for
        what cannot be pickled.
        """
        try:
            return self._dump(value)
        except SerializationError:
            raise
        except RecursionError:
            raise SerializationError("This value is nested too deeply: return a flatter one.") from None
        except Exception as error:
            raise SerializationError(f"This value cannot be pickled ({error}): return plain data.") from error

    def load(self, data: bytes) -> Any:
        """Return the value of `data`.

        Raises UntrustedType where it names what is not trusted, and anything where it is malformed.
        """
        return self._load(data)


def make(name: str, *arguments: Any) -> Any:
    """Stand for `_Maker` in a pickle. What reads one as plain pickle comes here."""
    raise UntrustedType(f"This pickle of a {name} is to be loaded with a PickleSerializer, as it was dumped.")


class _Maker:
    """What `make` means to one serializer. Hostile bytes can reach it, so nothing about it can be set."""

    __slots__ = ("_makers",)

    def __init__(self, makers: dict[str, Callable[..., Any]]) -> None:
        self._makers = makers

    def __call__(self, name: str, *arguments: Any) -> Any:
        try:
            maker = self._makers[name]
        except KeyError:
            raise UntrustedType(unknown(name)) from None
        return maker(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("Only instances have a state.")


class _KnownClasses:
    """Two tables, built ahead: how to write an instance, by its class; how to make one, by a name."""

    def __init__(self, trusted: Iterable[type]) -> None:
        self.writers: dict[object, Writer] = {}
        self.makers: dict[str, Callable[..., Any]] = {}
        self._factories = dict(FACTORIES)
        for cls, recipe in PLAIN.items():
            self.writers[cls] = partial(_write_plain, recipe.take, cls.__name__)
            self.makers[cls.__name__] = recipe.make
        self.writers[defaultdict] = self._write_defaultdict
        self.makers["defaultdict"] = self._make_defaultdict
        for cls in dict.fromkeys(trusted):
            self._trust(cls)
        self._factory_names = {cls: name for name, cls in self._factories.items()}

    def _trust(self, cls: type) -> None:
        if is_plain(cls):
            return
        if not isinstance(cls, type) or not is_trustable(cls):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise GCacheConfigError(f"{cls!r} cannot be trusted: name classes whose instances are data.")
        name = f"{cls.__module__}:{cls.__qualname__}"
        if name in self._factories:
            raise GCacheConfigError(f"Two trusted classes are called {full_name(cls)}: rename one of them.")
        self._factories[name] = cls
        if enum.Flag in cls.__mro__:
            self.writers[cls] = partial(_write_flag, name)
            self.makers[name] = partial(_make_flag, cls)
        elif enum.Enum in cls.__mro__:
            self.writers[cls] = partial(_write_member, name)
            self.makers[name] = cast("type[enum.Enum]", cls).__members__.__getitem__
        else:
            self.writers[cls] = partial(_write_instance, cls, name)
            self.makers.update(_makers_of(cls, name))

    def _write_defaultdict(self, value: defaultdict[Any, Any]) -> tuple[Any, ...]:
        factory: Any = value.default_factory
        if factory is None:
            name = None
        elif factory in self._factory_names:
            name = self._factory_names[factory]
        else:
            raise refusal_of(factory) if not isinstance(factory, type) else distrust_of(factory)
        return make, ("defaultdict", name), None, None, iter(value.items())

    def _make_defaultdict(self, name: str | None) -> defaultdict[Any, Any]:
        if name is None:
            return defaultdict(None)
        try:
            return defaultdict(self._factories[name])
        except KeyError:
            raise UntrustedType(unknown(name)) from None


def _write_plain(take: Callable[[Any], Parts], name: str, value: Any) -> tuple[Any, ...]:
    arguments, *rest = take(value)
    return make, (name, *arguments), *rest


def _write_member(name: str, member: enum.Enum) -> tuple[Any, ...]:
    return make, (name, member._name_)


def _write_flag(name: str, flag: enum.Flag) -> tuple[Any, ...]:
    return make, (name, int(flag._value_))


def _make_flag(cls: Callable[[int], enum.Flag], bits: int) -> enum.Flag:
    if type(bits) is not int:
        raise TypeError("A flag is made of an int.")
    return cls(bits)


def _write_instance(cls: type, name: str, value: Any) -> tuple[Any, ...]:
    reduced = _reduce(cls, value)
    if isinstance(reduced, str):
        raise indirect(cls, f"the global {reduced!r}")
    function, arguments, *rest = reduced
    if len(rest) > 3:
        raise indirect(cls, "a function that sets its state")
    if function is _NEWOBJ and arguments[0] is cls:
        return make, (name, *arguments[1:]), *rest
    if function is _NEWOBJ_EX and arguments[0] is cls:
        return make, (name + _KEYWORDS, *arguments[1:]), *rest
    if function is cls:
        return make, (name + _CALLED, *arguments), *rest
    raise indirect(cls, repr(function))


def _reduce(cls: type, value: object) -> str | tuple[Any, ...]:
    reduce: Callable[[object], str | tuple[Any, ...]] = copyreg.dispatch_table.get(cls, _reduce_ex)
    return reduce(value)


def _reduce_ex(value: object) -> str | tuple[Any, ...]:
    return value.__reduce_ex__(_PROTOCOL)


def _makers_of(cls: type, name: str) -> dict[str, Callable[..., Any]]:
    new = cast("Callable[..., Any]", partial(cls.__new__, cls))

    def make_with_keywords(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return new(*arguments, **keywords)

    makers = {name: new}
    if hasattr(cls, "__getnewargs_ex__"):
        makers[name + _KEYWORDS] = make_with_keywords
    if _has_own_reduce(cls):
        makers[name + _CALLED] = cls
    return makers


def _has_own_reduce(cls: type) -> bool:
    ours: tuple[object, ...] = (cls.__reduce__, cls.__reduce_ex__)
    return ours != (object.__reduce__, object.__reduce_ex__) or cls in copyreg.dispatch_table


def _dump_of(known: _KnownClasses) -> Callable[[Any], bytes]:
    find_writer = known.writers.get

    class Pickler(pickle.Pickler):
        def reducer_override(self, obj: object) -> Any:
            writer = find_writer(type(obj))
            if writer is not None:
                return writer(obj)
            if obj is make or obj is Ellipsis or obj is NotImplemented:
                return NotImplemented
            raise refusal_of(obj)

    idle: list[tuple[io.BytesIO, Pickler]] = []  # to make one takes as long as to dump a small value

    def dump(value: Any) -> bytes:
        try:
            file, pickler = idle.pop()
        except IndexError:
            file = io.BytesIO()
            pickler = Pickler(file, _PROTOCOL, True, refuse_buffer)
        pickler.dump(value)
        data = file.getvalue()
        if len(data) < _LARGE:
            file.seek(0)
            file.truncate()
            pickler.clear_memo()
            idle.append((file, pickler))
        return data

    return dump


def _load_of(known: _KnownClasses) -> Callable[[bytes], Any]:
    nameable = {
        (make.__module__, make.__qualname__): _Maker(known.makers),
        ("builtins", "Ellipsis"): Ellipsis,
        ("builtins", "NotImplemented"): NotImplemented,
    }

    class Unpickler(pickle.Unpickler):
        def find_class(self, module_name: str, global_name: str, /) -> Any:
            try:
                return nameable[module_name, global_name]
            except KeyError:
                raise UntrustedType(unknown(f"{module_name}.{global_name}")) from None

    def load(data: bytes) -> Any:
        position = _opcodes.match_run(data).end()  # type: ignore[union-attr]  # nothing matches, too
        if position < len(data):
            _opcodes.check(data, position)
        if _opcodes.STACK_GLOBAL in data:
            return Unpickler(io.BytesIO(data)).load()
        return pickle.loads(data)

    return load
