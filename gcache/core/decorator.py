"""`@cached`: a function that answers from memory when it may, and hands everything else to the engine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from gcache.core.calls import Shape, names_of
from gcache.core.context import is_generator
from gcache.core.entries import Raised
from gcache.core.keeping import Saying, copying, outcome_of
from gcache.core.methods import VERBS, Method
from gcache.core.missing import MISSING
from gcache.core.runtime import Operation, Outcome, is_awaited
from gcache.core.shadows import sampling
from gcache.core.use_case import NEVER
from gcache.core.visit import FunctionCall
from gcache.errors import DecorationError, UntrackedUseCase

if TYPE_CHECKING:
    from gcache.core.engine import Engine
    from gcache.core.entries import Entry
    from gcache.core.keys import GCacheKey
    from gcache.core.use_case import UseCase

# Everything that a hit in memory does is here, and nothing else. What is not a hit goes beyond.
_WRAPPER = """\
{async}def {name}({parameters}):
    if not _gc_enabled():
        _gc_case.bypassed += 1.0
        return {await}_gc_source({forward})
    _gc_now = _gc_clock()
    if _gc_now < _gc_case.open_until:
        try:
{look}
        except _gc_Exception:
            pass
    _gc_outcome = {await}_gc_beyond(({positional}), {{keywords}})
    return _gc_outcome.value if _gc_outcome.error is None else _gc_outcome.unwrap()
"""
_FIND = """\
            _gc_find = _gc_case.find
            _gc_entry = _gc_find({key}, _gc_now)
            if _gc_entry is not None and _gc_entry.generation.alive:
                _gc_value = _gc_entry.value
                _gc_case.hits += 1.0
                return _gc_value"""
# What `find` does, without a call of it.
_LOOK_UP = """\
            _gc_find = _gc_case.find
            _gc_slot = _gc_find({key})
            if _gc_slot is not None and _gc_slot.deadline > _gc_now:
                if _gc_slot.generation.alive:
                    if not _gc_slot.visited:
                        _gc_slot.visited = True
                    _gc_value = _gc_slot.value
                    _gc_case.hits += 1.0
                    return _gc_value"""


class Behind:
    """What stands behind the wrapper of one function: all that a hit in memory has no need of."""

    def __init__(self, engine: Engine, use_case: UseCase, shape: Shape) -> None:
        self.engine = engine
        self.use_case = use_case
        self.source = shape.function
        self.is_async = is_awaited(shape.function)
        self._key = shape.key_maker(use_case.key_type, use_case.name, use_case.tracked)
        self._name = shape.namer(engine.keys, use_case.key_type, use_case.name, use_case.tracked)

    def key(self, *args: Any, **kwargs: Any) -> GCacheKey:
        key: GCacheKey = self._key(*args, **kwargs)
        return key

    def load(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation[[], Any]:
        run = partial(self.source, *args, **kwargs)
        return Operation(awaitable=run) if self.is_async else Operation(run)

    def beyond(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome[Any]:
        call = self._call_or_none(args, kwargs)
        return Outcome(self._bypassed(args, kwargs)) if call is None else self.engine.read(call)

    def abeyond(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Outcome[Any]]:
        call, engine = self._call_or_none(args, kwargs), self.engine
        if call is None:
            return self._abypassed_outcome(args, kwargs)
        return engine.chain.read(engine.loops, call)

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        self.engine.invalidate(*self._entity(args, kwargs), 0)

    async def ainvalidate(self, *args: Any, **kwargs: Any) -> None:
        await self.engine.ainvalidate(*self._entity(args, kwargs), 0)

    def refresh(self, *args: Any, **kwargs: Any) -> Any:
        call = self._call_or_none(args, kwargs)
        return self._bypassed(args, kwargs) if call is None else self.engine.refresh(call)

    async def arefresh(self, *args: Any, **kwargs: Any) -> Any:
        call = self._call_or_none(args, kwargs)
        return await (self._abypassed(args, kwargs) if call is None else self.engine.arefresh(call))

    def peek(self, *args: Any, **kwargs: Any) -> Any:
        return self._value(self.engine.peek(self._call(args, kwargs)) if self._may_peek() else None)

    async def apeek(self, *args: Any, **kwargs: Any) -> Any:
        return self._value(await self.engine.apeek(self._call(args, kwargs)) if self._may_peek() else None)

    def _bypassed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Saying():  # so that what the source says is not taken for a word about a load around it
            return self.source(*args, **kwargs)

    async def _abypassed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Saying():
            return await self.source(*args, **kwargs)

    async def _abypassed_outcome(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome[Any]:
        return Outcome(await self._abypassed(args, kwargs))

    def _may_peek(self) -> bool:
        return self.engine.enabled.get() and not self.engine.is_closed

    def _value(self, entry: Entry | None) -> Any:
        if entry is None or isinstance(entry.value, Raised):
            return MISSING
        return outcome_of(entry, self.use_case.rules.copies).value

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> FunctionCall:
        return FunctionCall(self.use_case, self._name(*args, **kwargs), self, args, kwargs)

    def _call_or_none(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> FunctionCall | None:
        if self.engine.is_off(self.use_case):
            return None
        try:
            call = FunctionCall(self.use_case, self._name(*args, **kwargs), self, args, kwargs)
            if self.use_case.open_until != NEVER:
                call.is_drawn = self.use_case.has_drawn(self.engine.clock)
            return call
        except Exception as error:  # the call itself can be made all the same
            self.engine.troubles.unkeyable(self.use_case, error)
            return None

    def _entity(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any]:
        if not self.use_case.tracked:
            raise UntrackedUseCase(
                f"The use case {self.use_case.name!r} is not tracked: decorate it with "
                "track_for_invalidation=True, or forget this one call with gcache.delete(function.key(...))."
            )
        key = self._key(*args, **kwargs)
        return key.key_type, key.id


def wrap(engine: Engine, use_case: UseCase, shape: Shape) -> Any:
    """Return `shape`'s function behind the cache, as a function, or as a method if it has a receiver."""
    behind = Behind(engine, use_case, shape)
    look, find = _finding(engine, use_case)
    use_case.find, use_case.draw = find, _drawing(use_case, find)
    wrapper = shape.wrapper(
        _WRAPPER.replace("{async}", "async " if behind.is_async else "")
        .replace("{await}", "await " if behind.is_async else "")
        .replace("{look}", look),
        shape.key_expression(
            engine.keys, use_case.key_type, use_case.name, use_case.tracked, render_id="seek_id"
        ),
        {
            "case": use_case,
            "source": shape.function,
            "build": engine.keys.build,
            "beyond": behind.abeyond if behind.is_async else behind.beyond,
        },
        {"enabled": engine.enabled.get, "clock": engine.clock},
    )
    side = "a" if behind.is_async else ""
    actions = {name: getattr(behind, name) for name in ("key", *(side + verb for verb in VERBS))}
    wrapper.__dict__.update(actions)
    return wrapper if shape.receiver is None else Method(wrapper)


def _finding(engine: Engine, use_case: UseCase) -> tuple[str, Callable[..., Any]]:
    """Return how the wrapper looks into memory, and what it calls to do so."""
    if engine.memory is None:
        return _LOOK_UP, use_case.find
    if use_case.rules.copies:
        return _FIND, copying(engine.memory.find)
    memory: object = engine.memory  # whose class says it, or else it may be passed on around its own `find`
    lookup: Any = getattr(memory, "lookup", None) if hasattr(memory.__class__, "lookup") else None
    return (_FIND, engine.memory.find) if lookup is None else (_LOOK_UP, lookup)


def _drawing(use_case: UseCase, find: Callable[..., Any]) -> Callable[[float], None]:
    """Return what has the wrapper of `use_case`, which looks with `find`, leave hits to the chain."""

    def draw(percent: float) -> None:
        use_case.find = sampling(find, percent)

    return draw


def check_cacheable(function: Any) -> None:
    """Raise DecorationError for what has no single value to cache."""
    if isinstance(function, type) or not callable(function):
        raise DecorationError(f"{function!r} cannot be cached: decorate a function or a method.")
    if any(is_generator(part) for part in (function, type(function).__call__)):
        raise DecorationError(
            f"{names_of(function)[1]} is a generator, which can be run through only once: "
            "return a list or a mapping."
        )
