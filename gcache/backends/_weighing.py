"""What a value weighs if nobody else says so: the bytes of all objects that it consists of."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

ENTRY_BYTES = 400
"""About what an entry takes beside its value: its key, its place and its dates."""

_AT_ONCE = 1_000
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)


def by_bytes(limit: int) -> Callable[[Any], int]:
    """Return what measures a value by `sys.getsizeof` of it and of all that it refers to, each once.

    Classes, modules and functions are not counted. Beyond `limit` bytes no more is looked at, since the
    answer is known to be too large: a value that refers to half of the application costs no more than that.
    """

    def bytes_of(value: Any) -> int:
        total = ENTRY_BYTES
        seen: dict[int, object] = {}
        pending = [value]
        while pending and total <= limit:
            some = {id(each): each for each in pending[-_AT_ONCE:]}
            del pending[-_AT_ONCE:]
            fresh = [each for key, each in some.items() if key not in seen and not isinstance(each, _SHARED)]
            seen |= some
            total += sum(map(sys.getsizeof, fresh))
            pending += gc.get_referents(*fresh)
        return total

    return bytes_of
