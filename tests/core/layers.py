"""Layers of bytes in a dictionary, with the sides and the troubles that a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gcache.core import epochs
from tests.core.stage import Clock

Stored = dict[str, tuple[bytes, float]]


class LayerDown(ConnectionError):
    """What a layer raises for the verbs in its `failing`."""


class _Shelf:
    """The dictionary. Layers that are given the same one are several processes' views of one server."""

    def __init__(self, name: str, clock: Clock, stored: Stored | None = None) -> None:
        self.name = name
        self.clock = clock
        self.stored: Stored = {} if stored is None else stored
        self.failing: set[str] = set()
        self.log: list[tuple[str, Any]] = []
        self.before: dict[str, Callable[[], object]] = {}

    def _ask(self, verb: str, subject: Any) -> None:
        self.log.append((verb, subject))
        self.before.get(verb, lambda: None)()
        if verb in self.failing or "*" in self.failing:
            raise LayerDown(f"{self.name} cannot {verb}")

    def asked(self, verb: str) -> list[Any]:
        return [subject for asked, subject in self.log if asked == verb]

    def value(self, key: str) -> bytes | None:
        data, deadline = self.stored.get(key, (None, 0.0))
        return data if deadline > self.clock.now else None

    def life(self, key: str) -> float:
        return self.stored[key][1] - self.clock.now

    def entries(self) -> list[str]:
        return sorted(key for key in self.stored if not key.endswith("#epoch"))

    def _get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        self._ask("get", list(keys))
        return [self.value(key) for key in keys]

    def _put(self, items: Mapping[str, bytes], ttl: float) -> None:
        self._ask("put", dict.fromkeys(items, ttl))
        assert ttl > 0
        assert all(type(data) is bytes for data in items.values())
        self.stored.update({key: (data, self.clock.now + ttl) for key, data in items.items()})

    def _add(self, key: str, value: bytes, ttl: float) -> bool:
        self._ask("add", key)
        if self.value(key) is not None:
            return False
        self.stored[key] = value, self.clock.now + ttl
        return True

    def _delete(self, keys: Sequence[str]) -> int:
        self._ask("delete", list(keys))
        return sum(self.stored.pop(key, None) is not None for key in keys)

    def _clear(self, prefix: str) -> int:
        self._ask("clear", prefix)
        return self._remove([key for key in self.stored if key.startswith(prefix)])

    def _remove(self, keys: list[str]) -> int:
        for key in keys:
            del self.stored[key]
        return len(keys)

    def _retire(self, key: str, holder: str, ttl: float) -> None:
        self._ask("retire", key)
        held, life = epochs.retired(self.value(key), holder, ttl, self.clock.time())
        if held is not None:
            self.stored[key] = held, self.clock.now + life
        else:
            self.stored.pop(key, None)


class SyncLayer(_Shelf):
    """A layer that blocks."""

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return self._get(keys)

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        self._put(items, ttl)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        return self._add(key, value, ttl)

    def delete(self, keys: Sequence[str]) -> int:
        return self._delete(keys)

    def clear(self, prefix: str, progress: Callable[[int], None] | None = None) -> int:
        return self._clear(prefix)

    def close(self) -> None:
        self._ask("close", None)


class AsyncLayer(_Shelf):
    """A layer that is awaited."""

    async def aget(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return self._get(keys)

    async def aput(self, items: Mapping[str, bytes], ttl: float) -> None:
        self._put(items, ttl)

    async def aadd(self, key: str, value: bytes, ttl: float) -> bool:
        return self._add(key, value, ttl)

    async def adelete(self, keys: Sequence[str]) -> int:
        return self._delete(keys)

    async def aclear(self, prefix: str, progress: Callable[[int], None] | None = None) -> int:
        return self._clear(prefix)

    async def aclose(self) -> None:
        self._ask("close", None)


class BothSidedLayer(SyncLayer, AsyncLayer):
    """A layer that blocks those who call from threads, and is awaited by those on loops."""


class RetiringLayer(SyncLayer):
    """A layer that retires an epoch in one step."""

    def retire(self, key: str, holder: str, ttl: float) -> None:
        self._retire(key, holder, ttl)


class AsyncRetiringLayer(AsyncLayer):
    """A layer that retires an epoch in one awaited step."""

    async def aretire(self, key: str, holder: str, ttl: float) -> None:
        self._retire(key, holder, ttl)


class BulkLayer(SyncLayer):
    """A layer that adds many keys in one step."""

    def add_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        self._ask("add_many", list(items))
        return [self._add(key, value, ttl) for key, value in items.items()]


class AsyncBulkLayer(AsyncLayer):
    """A layer that adds many keys in one awaited step."""

    async def aadd_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        self._ask("add_many", list(items))
        return [self._add(key, value, ttl) for key, value in items.items()]


def plant_epoch(layer: _Shelf, key: str, ttl: float = 3600.0) -> bytes:
    """Put an epoch under `key`, as another process does."""
    epoch = epochs.plant()
    layer.stored[key] = epoch, layer.clock.now + ttl
    return epoch
