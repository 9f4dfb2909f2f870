"""What decides which entry goes: LRU and S3-FIFO by hand, as short as they can be, beside our memory layer.

Each takes a trace and the room, and returns how many accesses found their key.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from gcache import MemoryLayer

_SMALL_SHARE, _MOST_USES = 10, 3


def ours(keys: Iterable[str], room: int) -> int:
    """The memory layer as an application has it, with its bound and its lock."""
    layer: MemoryLayer[int] = MemoryLayer(max_entries=room, sweep=False)
    hits = 0
    for key in keys:
        if layer.find(key, 0.0) is not None:
            hits += 1
        else:
            layer.put({key: 1}, 1e9)
    layer.close()
    return hits


def lru(keys: Iterable[str], room: int) -> int:
    entries: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for key in keys:
        if key in entries:
            hits += 1
            entries.move_to_end(key)
            continue
        entries[key] = None
        if len(entries) > room:
            entries.popitem(last=False)
    return hits


def s3_fifo(keys: Iterable[str], room: int) -> int:
    """Newcomers wait in a tenth of the room; those asked for there, or back soon, get into the rest."""
    cache = _S3Fifo(room)
    return sum(map(cache.access, keys))


class _S3Fifo:
    def __init__(self, room: int) -> None:
        self._room, self._small_room = room, max(1, room // _SMALL_SHARE)
        self._uses: dict[str, int] = {}
        self._small: deque[str] = deque()
        self._main: deque[str] = deque()
        self._gone: OrderedDict[str, None] = OrderedDict()

    def access(self, key: str) -> bool:
        """Whether `key` was there; it is now."""
        if key in self._uses:
            self._uses[key] = min(self._uses[key] + 1, _MOST_USES)
            return True
        while len(self._uses) >= self._room:
            self._evict()
        if key in self._gone:
            del self._gone[key]
            self._main.append(key)
        else:
            self._small.append(key)
        self._uses[key] = 0
        return False

    def _evict(self) -> None:
        if len(self._small) >= self._small_room or not self._main:
            self._evict_newcomer()
        else:
            self._evict_resident()

    def _evict_newcomer(self) -> None:
        key = self._small.popleft()
        if self._uses[key] > 1:
            self._uses[key] = 0
            self._main.append(key)
            return
        del self._uses[key]
        self._gone[key] = None
        if len(self._gone) > self._room - self._small_room:
            self._gone.popitem(last=False)

    def _evict_resident(self) -> None:
        key = self._main.popleft()
        if self._uses[key]:
            self._uses[key] -= 1
            self._main.append(key)
        else:
            del self._uses[key]
