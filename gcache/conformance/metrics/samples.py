"""Events of every kind that there is, with texts that are hard on those who keep them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gcache.core import events

KINDS: tuple[type[Any], ...] = get_args(events.Event)
"""The classes of all events."""

_TEXTS = (
    *("GetUser", "", " ", "a\nb", 'say "x"', "back\\slash", "{x}=1,y", "%s %(x)s {0}", "\x00\x1b[31m"),
    *("é😀", "ünï:cödé|#tag,x@1", "x" * 5000, "\ud800"),
)
_AMOUNTS: dict[Any, tuple[Any, ...]] = {
    bool: (True, False),
    int: (1, 0, 10**12),
    float: (0.001, 0.0, 1e-9, 86_400.0),
    tuple[float, ...]: ((0.001,), (0.0, 1e-9, 86_400.0), (0.002,) * 1000),
    tuple[int, ...]: ((900,), (0, 1, 10**9), (2_000,) * 1000),
    str: _TEXTS,
}


def samples() -> Iterator[Any]:
    """Yield events of every kind: each field with each of its values, beside plain ones."""
    for kind in KINDS:
        hints = get_type_hints(kind)
        choices = [_choices(hints[name]) for name in kind._fields]
        plain = [values[0] for values in choices]
        yield kind(*plain)
        for place, values in enumerate(choices):
            for value in values[1:]:
                yield kind(*plain[:place], value, *plain[place + 1 :])
        yield from itertools.starmap(
            kind, zip(*(itertools.islice(itertools.cycle(v), 13) for v in choices), strict=True)
        )


def _choices(hint: Any) -> tuple[Any, ...]:
    """Return values of a field that is annotated so."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return _AMOUNTS[hint]
