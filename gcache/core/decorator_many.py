"""`@cached_many`: a function that takes many ids at once, and has its source asked for the missing ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from gcache.core.asked import Asked
from gcache.core.calls import NO_EXPRESSION
from gcache.core.keeping import Saying, copying
from gcache.core.methods import Method
from gcache.core.runtime import Operation, is_awaited
from gcache.errors import DecorationError, UntrackedUseCase

if TYPE_CHECKING:
    from gcache.core.calls import Shape
    from gcache.core.engine import Engine
    from gcache.core.entries import Entry
    from gcache.core.keys import GCacheKey
    from gcache.core.use_case import UseCase

# `{ids}` is the parameter of the ids. The lambdas are the call with other ids in its place.
_WRAPPER = """\
{async}def {name}({parameters}):
    if not _gc_enabled():
        _gc_case.bypassed += 1.0
        return {await}_gc_source({forward})
    return {await}_gc_beyond(
        {ids},
        lambda {ids}: _gc_source({forward}),
        lambda {ids}: {key},
        lambda {ids}: _gc_key({forward}),
    )
"""


class BehindMany:
    """What stands behind the wrapper of one function of many ids."""

    def __init__(self, engine: Engine, use_case: UseCase, shape: Shape) -> None:
        self.engine = engine
        self.use_case = use_case
        self.is_async = is_awaited(shape.function)
        self.key = shape.key_maker(use_case.key_type, use_case.name, use_case.tracked)
        listed = "def {name}({parameters}):\n    return [_gc_key({forward}) for {ids} in {ids}]\n"
        self.keys = shape.wrapper(listed.replace("{ids}", shape.id_name), NO_EXPRESSION, {"key": self.key})
        self._find: Callable[[str, float], Entry | None] | None = None
        if engine.memory is not None:
            find = engine.memory.find
            self._find = copying(find) if use_case.rules.copies else find

    def beyond(self, ids: Any, source: Any, names: Any, key: Any) -> Any:
        asked = self._asked(ids, source, names, key)
        if not isinstance(asked, _Order):
            with Saying():
                return source(asked)
        if asked.missing is not None:
            self.engine.read_many(asked.missing)
        return asked.answer()

    async def abeyond(self, ids: Any, source: Any, names: Any, key: Any) -> Any:
        asked = self._asked(ids, source, names, key)
        if not isinstance(asked, _Order):
            with Saying():
                return await source(asked)
        if asked.missing is not None:
            await self.engine.aread_many(asked.missing)
        return asked.answer()

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        errors: list[Exception] = []
        for key in self._entities(args, kwargs):
            try:
                self.engine.invalidate(key.key_type, key.id, 0)
            except Exception as error:  # the others are told all the same
                errors.append(error)
        if errors:
            raise errors[0]

    async def ainvalidate(self, *args: Any, **kwargs: Any) -> None:
        errors: list[Exception] = []
        for key in self._entities(args, kwargs):
            try:
                await self.engine.ainvalidate(key.key_type, key.id, 0)
            except Exception as error:  # the others are told all the same
                errors.append(error)
        if errors:
            raise errors[0]

    def _entities(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[GCacheKey]:
        if not self.use_case.tracked:
            raise UntrackedUseCase(
                f"The use case {self.use_case.name!r} is not tracked: decorate it with "
                "track_for_invalidation=True, or forget each with gcache.delete(key), of function.keys(...)."
            )
        keys: list[GCacheKey] = self.keys(*args, **kwargs)
        return keys

    def _asked(self, ids: Any, source: Any, names: Any, key: Any) -> Any:
        """Return what is asked for, or else the ids to give to the source, as nothing is cached."""
        if self.engine.is_off(self.use_case):
            return ids
        listed: list[Any] | None = None
        try:
            ids_once = iter(ids)
        except Exception as error:  # the source knows what to do with it, or what to raise
            self.engine.troubles.unkeyable(self.use_case, error)
            return ids
        listed = list(ids_once)
        try:
            by_id = dict.fromkeys(listed)
            by_id = dict(zip(by_id, names(list(by_id)), strict=True))
            return self._order(by_id, source, key)
        except Exception as error:  # the call itself can be made all the same
            self.engine.troubles.unkeyable(self.use_case, error)
            return listed if ids_once is ids else ids

    def _order(self, names: dict[Any, str], source: Any, key: Any) -> _Order:
        """Take what memory has, as single calls do, and make calls of the rest."""
        values = self._remembered(names)
        ids: dict[str, Any] = dict(zip(names.values(), names, strict=True))
        if values or len(ids) < len(names):
            ids = {}
            for id_asked, name in names.items():
                if name not in values:
                    ids.setdefault(name, id_asked)  # of ids that mean the same, the first
        if not ids:
            return _Order(names, values, None)

        def load(some: list[Any]) -> Operation[[], Any]:
            run = partial(source, some)
            return Operation(awaitable=run) if self.is_async else Operation(run)

        return _Order(names, values, Asked(self.use_case, ids, key, load, values))

    def _remembered(self, names: dict[Any, str]) -> dict[str, Any]:
        use_case, now, values = self.use_case, self.engine.clock(), dict[str, Any]()
        if self._find is None or now >= use_case.open_until:
            return values
        for name in names.values():
            try:
                entry = self._find(name, now)
            except Exception:  # the chain meets the same, and says so
                continue
            if entry is not None and entry.generation.alive:
                values[name] = entry.value
        found = float(len(values))
        use_case.hits += found  # nothing is called between reading and writing, so no thread comes in between
        return values


class _Order:
    """The ids of a call in their order, with the names of their entries, and what they have come to."""

    __slots__ = ("_names", "_values", "missing")

    def __init__(self, names: dict[Any, str], values: dict[str, Any], missing: Asked | None) -> None:
        self._names = names
        self._values = values
        self.missing = missing

    def answer(self) -> dict[Any, Any]:
        values = self._values
        if len(values) == len(self._names):
            return dict(zip(self._names, map(values.__getitem__, self._names.values()), strict=True))
        return {id_asked: values[name] for id_asked, name in self._names.items() if name in values}


def wrap_many(engine: Engine, use_case: UseCase, shape: Shape) -> Any:
    """Return `shape`'s function of many ids behind the cache, as a method if it has a receiver."""
    behind = BehindMany(engine, use_case, shape)
    side = "a" if behind.is_async else ""
    template = _WRAPPER.replace("{async}", "async " if side else "").replace(
        "{await}", "await " if side else ""
    )
    wrapper = shape.wrapper(
        template.replace("{ids}", shape.id_name),
        shape.keys_expression(engine.keys, use_case.key_type, use_case.name, use_case.tracked),
        {
            "enabled": engine.enabled.get,
            "case": use_case,
            "source": shape.function,
            "build": engine.keys.build,
            "key": behind.key,
            "beyond": behind.abeyond if side else behind.beyond,
        },
    )
    wrapper.__dict__.update({name: getattr(behind, name) for name in ("keys", f"{side}invalidate")})
    return wrapper if shape.receiver is None else Method(wrapper)


def check_ids(shape: Shape) -> None:
    """Raise DecorationError unless the ids can be passed on as one list."""
    [parameter] = [p for p in shape.parameters if p.name == shape.id_name]
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise DecorationError(
            f"{shape.id_name!r} takes the ids of {shape.qualname} one by one: "
            "give it an argument that is a list."
        )
