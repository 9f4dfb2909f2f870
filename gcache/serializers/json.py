"""Values as JSON: readable by every language, and only what JSON gives back unchanged."""

from __future__ import annotations

import json
from typing import Any, cast

from gcache.errors import SerializationError

_MAX_DEPTH = 200

_SCALARS = frozenset([str, int, float, bool, type(None)])

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class JsonSerializer:
    """Stores str, int, float, bool, None, and lists and string-keyed dicts of them, 200 levels deep at most.

    `dump` refuses everything else with SerializationError, subclasses of these types included.
    NaN and the infinities come back, as the `NaN` and `Infinity` that Python writes for them.
    """

    identity = "json:1"

    def dump(self, value: Any) -> bytes:
        """Return `value` as compact UTF-8.

        Raises SerializationError for what `load` would give back changed, or not at all.
        """
        try:
            data = _encode(value).encode()
        except UnicodeEncodeError:
            raise _refusal("a string with a lone surrogate, which UTF-8 cannot hold") from None
        except RecursionError:
            raise _refusal(f"something nested deeper than {_MAX_DEPTH} levels") from None
        except (TypeError, ValueError) as error:
            _refuse_lossy(value)
            raise _refusal(f"something that JSON cannot write ({error})") from error
        _refuse_lossy(value)
        return data

    def load(self, data: bytes) -> Any:
        """Return the value of `data`. Raises ValueError or RecursionError for what is no such JSON."""
        return _decode(data.decode())


def _refuse_lossy(value: object) -> None:
    """Look at every part of `value`, level by level.

    What contains itself goes on for ever, so that the depth ends it; each level looks at a container once.
    """
    level: list[object] = [value]
    for _ in range(_MAX_DEPTH + 1):
        below: dict[int, list[object]] = {}
        for part in level:
            kind = type(part)
            if kind in _SCALARS:
                continue
            if kind is list:
                below[id(part)] = cast("list[object]", part)
            elif kind is dict:
                below[id(part)] = _values(cast("dict[object, object]", part))
            else:
                raise _refusal(f"a {_full_name(kind)}, which would come back as another type or not at all")
        if not below:
            return
        level = [part for parts in below.values() for part in parts]
    raise _refusal(f"something nested deeper than {_MAX_DEPTH} levels")


def _values(part: dict[object, object]) -> list[object]:
    for key in part:
        if type(key) is not str:
            raise _refusal(f"a dict with a {_full_name(type(key))} as a key, which would become a str")
    return list(part.values())


def _full_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _refusal(what: str) -> SerializationError:
    return SerializationError(
        f"JsonSerializer cannot store {what}: return plain JSON data, or use PickleSerializer."
    )
