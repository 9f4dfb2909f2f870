"""A schedule as somebody reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcache.core.runtime import Outcome

Line = tuple[str, str, str]
"""Who, what, and what came of it."""


def narrated(headline: str, trace: Sequence[Line]) -> str:
    """Return a schedule as a table."""
    width = max((len(actor) for actor, _, _ in trace), default=0)
    verb = max((len(what) for _, what, _ in trace), default=0)
    lines = [f"  {actor:<{width}}  {what:<{verb}}  {result}".rstrip() for actor, what, result in trace]
    return "\n".join([headline, *lines])


def shown(outcome: Outcome[Any]) -> str:
    """Return an outcome in a few words."""
    if outcome.error is not None:
        return repr(outcome.error)
    values = outcome.value if isinstance(outcome.value, list) else [outcome.value]
    return ", ".join(_brief(value) for value in values)


def _brief(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode().rstrip() if len(value) < 24 else "an entry"
    return "nothing" if value is None else str(value)
