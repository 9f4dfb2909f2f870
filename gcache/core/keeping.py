"""What of a load's outcome is kept, and how: as the function's decorator and the source itself say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from gcache.core.checks import number
from gcache.core.entries import Entry, Raised
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.missing import MISSING
from gcache.core.raised import once_more
from gcache.core.records import Record
from gcache.core.runtime import Outcome
from gcache.errors import GCacheConfigError

if TYPE_CHECKING:
    from types import TracebackType

    from gcache.core.policy import Step
    from gcache.core.troubles import Troubles
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Visit


class Loaded(Record):
    """What came of a load, how many seconds it took, and what the source said meanwhile with `keep_for`."""

    outcome: Outcome[Any]
    seconds: float
    said: float | GCacheKeyConfig | None


class Saying:
    """A load under way, which the source can say something about."""

    __slots__ = ("_token", "said")

    def __init__(self) -> None:
        self.said: float | GCacheKeyConfig | None = None

    def __enter__(self) -> Saying:
        self._token = _load.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _load.reset(self._token)


_load: ContextVar[Saying | None] = ContextVar("gcache_load", default=None)


def keep_for(ttl_sec: float | GCacheKeyConfig) -> None:
    """Say, within a cached function, for how long what it is about to return is kept.

    Seconds shorten what the configuration says, and 0 keeps nothing. A GCacheKeyConfig takes the place of the
    configured TTLs, which may be longer, for this entry in the layers that the call passes. What is said last
    counts. Where nothing is cached it does nothing; but a function that is called in a load while caching is
    off speaks for that load. Raises GCacheConfigError.
    """
    if not isinstance(ttl_sec, GCacheKeyConfig) and number("ttl_sec", ttl_sec) < 0:
        raise GCacheConfigError(f"ttl_sec is {ttl_sec!r}: give seconds from 0, which keeps nothing.")
    load = _load.get()
    if load is not None:
        load.said = ttl_sec


def worth_keeping(visit: Visit, loaded: Loaded, troubles: Troubles) -> Any:
    """Return what an entry is to hold, or MISSING if nothing of this is kept. Sets the visit's TTLs."""
    use_case, rules = visit.call.use_case, visit.call.use_case.rules
    value, error = loaded.outcome.value, loaded.outcome.error
    if error is not None:
        if not isinstance(error, rules.exceptions):
            return MISSING
        visit.steps = said_of(visit.steps, visit.config.exception_ttl_sec)
        value = Raised(once_more(error))
    elif not is_worth(use_case, value, troubles):
        return MISSING
    if loaded.said is not None:
        visit.steps = said_of(visit.steps, loaded.said)
    return value if visit.steps else MISSING


def is_worth(use_case: UseCase, value: object, troubles: Troubles) -> bool:
    """Tell whether a value that was loaded is to be kept, and can be."""
    if is_used_up(value):
        troubles.used_up(use_case, value)
        return False
    cache_if = use_case.rules.cache_if
    if cache_if is None:
        return True
    try:
        return bool(cache_if(value))
    except Exception as doubt:  # what cannot be judged is served, and not kept
        troubles.not_judged(use_case, doubt)
        return False


def is_used_up(value: object) -> bool:
    """Tell whether `value` can be had once only: a coroutine, an iterator."""
    return hasattr(value, "__await__") or hasattr(value, "__next__")


def outcome_of(entry: Entry, copies: bool = False) -> Outcome[Any]:
    """Return what the load of an entry came to, for one more caller. Raises what a copy of it raises."""
    value = entry.value
    if type(value) is Raised:
        return Outcome(error=once_more(value.error))
    return Outcome(copy.deepcopy(value) if copies else value)


def shared(outcome: Outcome[Any], copies: bool) -> Outcome[Any]:
    """Return the outcome of somebody else's load, for one more caller."""
    if not copies or outcome.error is not None:
        return outcome
    try:
        return Outcome(copy.deepcopy(outcome.value))
    except Exception:  # nothing of this is kept, and all who asked at once have to share it
        return outcome


def copy_of(entry: Entry) -> Entry:
    """Return an entry with a copy of the value, which nobody else has. Raises what copying raises."""
    value = copy.deepcopy(entry.value)
    return Entry(value, entry.began, entry.expires, entry.epoch, entry.generation, entry.load_sec)


def copying(find: Callable[[str, float], Entry | None]) -> Callable[[str, float], Entry | None]:
    """Return a `find` whose entries hold copies."""

    def find_and_copy(key: str, now: float) -> Entry | None:
        entry = find(key, now)
        return None if entry is None else copy_of(entry)

    return find_and_copy


def said_of(steps: tuple[Step, ...], said: float | GCacheKeyConfig) -> tuple[Step, ...]:
    """Return the layers that keep an entry of which this was said, with their TTLs."""
    if isinstance(said, GCacheKeyConfig):
        changed = [step._replace(ttl=said.ttl(step.tier.name) or 0) for step in steps]
    else:
        changed = [step._replace(ttl=min(step.ttl, said)) for step in steps]
    return tuple(step for step in changed if step.ttl > 0)
