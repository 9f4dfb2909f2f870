"""The reference layer, broken in one place each. What a class says of itself is its fault."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from gcache.core import epochs
from tests.conformance.reference import MAX_VALUE_BYTES, AwaitedLayer, Connection, LineLayer, Store

_MONTH_SEC = 30 * 86_400


class ExpiresLate(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        super().put(items, ttl * 1.5)


class ExpiresEarly(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        super().put(items, ttl * 0.7)


class WholeSeconds(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        super().put(items, max(1, int(ttl)))


class AddsForEver(LineLayer):
    def add(self, key: str, value: bytes, ttl: float) -> bool:
        return super().add(key, value, 10 * _MONTH_SEC)


class GivesTheFirstOfABulkLess(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        for place, (key, value) in enumerate(items.items()):
            super().put({key: value}, ttl * (0.5 if place == 0 and len(items) > 1 else 1))


class DropsTheLastOfABulk(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        super().put(dict(list(items.items())[: max(1, len(items) - 1)]), ttl)


class AnswersInTheOrderOfNames(LineLayer):
    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return super().get(sorted(keys))


class AnswersEachKeyOnce(LineLayer):
    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return super().get(list(dict.fromkeys(keys)))


class GetsOnePage(LineLayer):
    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [*super().get(keys[:100]), *(None for _ in keys[100:])]


class WantsLists(LineLayer):
    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return super().get(keys.copy())  # type: ignore[attr-defined]


class AddsInTwoSteps(LineLayer):
    def add(self, key: str, value: bytes, ttl: float) -> bool:
        if self.get([key])[0] is not None:
            return False
        self.put({key: value}, ttl)
        return True


class LocksThisProcessOnly(AddsInTwoSteps):
    lock = threading.Lock()

    def __init__(self, *at: Any) -> None:
        super().__init__(*at)
        os.register_at_fork(after_in_child=_new_lock)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        with LocksThisProcessOnly.lock:
            return super().add(key, value, ttl)


def _new_lock() -> None:
    LocksThisProcessOnly.lock = threading.Lock()


class AddOverwrites(LineLayer):
    def add(self, key: str, value: bytes, ttl: float) -> bool:
        told = super().add(key, value, ttl)
        self.put({key: value}, ttl)
        return told


class RefusedAddProlongs(Store):
    def add(self, key: str, value: str, ttl: float) -> bool:
        stored = self.get([key])[0]
        self.put({key: value if stored is None else stored}, ttl)
        return stored is None


class AddSeesTheDead(Store):
    """A get() sweeps the key away; an add() before one finds what is over."""

    def get(self, keys: Sequence[str]) -> list[str | None]:
        found = super().get(keys)
        for key, value in zip(keys, found, strict=True):
            if value is None:
                self._remove(key)
        return found

    def add(self, key: str, value: str, ttl: float) -> bool:
        return key not in self.entries and super().add(key, value, ttl)


class ClearsByPattern(Store):
    """As `LIKE 'prefix%'` does: a `%` stands for anything, and a `_` for a letter."""

    def clear(self, prefix: str) -> int:
        fits = _like(prefix)
        return self.delete([key for key in self.entries if fits(key)])


class ClearsWhateverTheCase(Store):
    def clear(self, prefix: str) -> int:
        return self.delete([key for key in self.entries if key.lower().startswith(prefix.lower())])


class ClearsTheFirstPage(Store):
    def clear(self, prefix: str) -> int:
        return self.delete([key for key in self.entries if key.startswith(prefix)][:100])


class ClearsByTheBeginning(Store):
    """Looks at no more of a prefix than fits into an index of its store."""

    def clear(self, prefix: str) -> int:
        return super().clear(prefix[:400])


class ClearsWithoutProgress(LineLayer):
    def clear(self, prefix: str, progress: Callable[[int], None] | None = None) -> int:
        return super().clear(prefix) if progress is None else 0


class CountsAbsentOnes(LineLayer):
    def delete(self, keys: Sequence[str]) -> int:
        super().delete(keys)
        return len(set(keys))


class CountsTheDead(Store):
    def delete(self, keys: Sequence[str]) -> int:
        removed = len(set(keys) & set(self.entries))
        super().delete(keys)
        return removed


class KeepsTheMapping(LineLayer):
    """Writes when somebody reads, what the caller's mapping holds by then."""

    waiting: tuple[Mapping[str, bytes], float] | None = None

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        self.waiting = items, ttl

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        if self.waiting is not None:
            super().put(*self.waiting)
            self.waiting = None
        return super().get(keys)


class SwallowsErrors(LineLayer):
    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        try:
            return super().get(keys)
        except Exception:
            return [None] * len(keys)


class ForgetsToWriteQuietly(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        try:
            super().put(items, ttl)
        except OSError:
            return


class RaisesOnAMiss(LineLayer):
    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        found = super().get(keys)
        if list(found) == [None]:
            raise KeyError(keys[0])
        return found


class GivesText(LineLayer):
    def get(self, keys: Sequence[str]) -> Any:
        return [value if value is None else value.decode("latin-1") for value in super().get(keys)]


class GivesByteArrays(LineLayer):
    def get(self, keys: Sequence[str]) -> Any:
        return [value if value is None else bytearray(value) for value in super().get(keys)]


class StripsZeros(LineLayer):
    def get(self, keys: Sequence[str]) -> Any:
        return [value if value is None else value.rstrip(b"\0") or value for value in super().get(keys)]


class OverwritesForEver(Store):
    def put(self, items: Mapping[str, str], ttl: float) -> None:
        for key, value in items.items():
            super().put({key: value}, ttl if self.get([key])[0] is None else 10 * _MONTH_SEC)


class OverwritesKeepTheEnd(Store):
    def put(self, items: Mapping[str, str], ttl: float) -> None:
        for key, value in items.items():
            _, end = self.entries.get(key, (None, 0.0))
            left = end - self.clock.monotonic()
            super().put({key: value}, left if left > 0 else ttl)


class Renames(LineLayer):
    """Keeps entries under other names than it is told."""

    @staticmethod
    def rename(key: str) -> str:
        return key

    def ask(self, verb: str, *args: Any) -> Any:
        first, *others = args
        if isinstance(first, str):
            return super().ask(verb, self.rename(first), *others)
        if isinstance(first, list):
            return super().ask(verb, [self.rename(key) for key in first], *others)
        return super().ask(verb, {self.rename(key): value for key, value in first.items()}, *others)


class CutsKeys(Renames):
    rename = staticmethod(lambda key: key[:250])


class FoldsCase(Renames):
    rename = staticmethod(str.lower)


class StripsBlanks(Renames):
    rename = staticmethod(str.strip)


class Normalises(Renames):
    rename = staticmethod(lambda key: unicodedata.normalize("NFC", key))


class EndsAtNul(Renames):
    rename = staticmethod(lambda key: key.partition("\0")[0])


class TakesLongLivesForDates(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        super().put(items, ttl if ttl <= _MONTH_SEC else max(0, ttl - time.time()))


class CutsValues(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        super().put({key: value[:MAX_VALUE_BYTES] for key, value in items.items()}, ttl)


class CutsValuesShort(LineLayer):
    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        super().put({key: value[: MAX_VALUE_BYTES // 2] for key, value in items.items()}, ttl)


class Grows(Store):
    def _make_room(self) -> None:
        return


class EmptiesItselfWhenFull(Store):
    def _make_room(self) -> None:
        if len(self.entries) > self.max_entries or self._bytes > self.max_bytes:
            last = next(reversed(self.entries))
            self.delete([key for key in self.entries if key != last])


class RefusesWhenFull(Store):
    """Makes room for one value, and takes no larger one than that which went."""

    def put(self, items: Mapping[str, str], ttl: float) -> None:
        for key, value in items.items():
            if self._bytes + len(value) - len(next(iter(self.entries.values()), ("",))[0]) > self.max_bytes:
                raise MemoryError("there is no room")
            super().put({key: value}, ttl)


class EvictsHolds(Store):
    def may_go(self, value: str) -> bool:
        return True


class EmptiesOnClose(LineLayer):
    def close(self) -> None:
        self.clear("")
        super().close()


class LiesWhenClosed(LineLayer):
    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [None] * len(keys) if self._is_closed else super().get(keys)


class RetireShortens(Store):
    def retire(self, key: str, holder: str, ttl: float) -> None:
        holds = epochs.decoded((self.get([key])[0] or "").encode("latin-1"))
        holds.pop(holder, None)
        if holds:
            self.put({key: epochs.encoded(holds).decode()}, max(holds.values()) - self.clock.time())
        else:
            self.delete([key])
        super().retire(key, holder, ttl)


class RetiresInTwoSteps(LineLayer):
    def retire(self, key: str, holder: str, ttl: float) -> None:
        left, life = epochs.retired(self.get([key])[0], holder, ttl, self.ask("time"))
        if left is None:
            self.delete([key])
        else:
            self.put({key: left}, life)


class RetireEndsAll(Store):
    def retire(self, key: str, holder: str, ttl: float) -> None:
        if ttl == 0:
            self.delete([key])
        super().retire(key, holder, ttl)


class RetireKeepsTheEpoch(Store):
    def retire(self, key: str, holder: str, ttl: float) -> None:
        if epochs.standing((self.get([key])[0] or "").encode("latin-1")) != "epoch" or ttl > 0:
            super().retire(key, holder, ttl)


class AddsManyInTheOrderOfNames(LineLayer):
    def add_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        return super().add_many(dict(sorted(items.items())), ttl)


class AddsManyOrNone(Store):
    def add_many(self, items: Mapping[str, str], ttl: float) -> list[bool]:
        are_free = not any(self.get(list(items)))
        if are_free:
            self.put(items, ttl)
        return [are_free] * len(items)


class AddsManyOverOld(Store):
    def add_many(self, items: Mapping[str, str], ttl: float) -> list[bool]:
        told = super().add_many(items, ttl)
        self.put(items, ttl)
        return told


class AddsManyToTheDeleted(Store):
    """Knows what it has added, and does not look whether it is still there."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()

    def put(self, items: Mapping[str, str], ttl: float) -> None:
        self._known |= set(items)
        super().put(items, ttl)

    def add_many(self, items: Mapping[str, str], ttl: float) -> list[bool]:
        told = [key not in self._known for key in items]
        self.put({key: value for (key, value), new in zip(items.items(), told, strict=True) if new}, ttl)
        return told


class AddsOnePageOfMany(LineLayer):
    def add_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        super().add_many(dict(list(items.items())[:100]), ttl)
        return [True] * len(items)


class AddsManyForEver(Store):
    def add_many(self, items: Mapping[str, str], ttl: float) -> list[bool]:
        return super().add_many(items, 1_000_000)


class AddsManyInTwoSteps(LineLayer):
    def add_many(self, items: Mapping[str, bytes], ttl: float) -> Sequence[bool]:
        told = [value is None for value in self.get(list(items))]
        self.put({key: value for (key, value), new in zip(items.items(), told, strict=True) if new}, ttl)
        return told


class SharesOverAFork(LineLayer):
    def __init__(self, host: str, port: int, timeout_sec: float | None = 0.5) -> None:
        super().__init__(host, port, timeout_sec)

    def idle(self) -> list[Connection]:
        return self._idle.setdefault(0, [])


class LocksOverAFork(LineLayer):
    """Takes turns by a lock that a child inherits as it is."""

    lock = threading.Lock()

    def ask(self, verb: str, *args: Any) -> Any:
        if not LocksOverAFork.lock.acquire(timeout=0.5):
            raise TimeoutError("the others take too long")
        try:
            return super().ask(verb, *args)
        finally:
            LocksOverAFork.lock.release()


class OneConnectionForAllThreads(LineLayer):
    """Has one connection for each process, and lets threads use it at once."""

    def take(self) -> Connection:
        own = self.idle()
        if not own:
            own.append(self.connection(*self._at[:2], 0.5))
        return own[0]


class PicklesHalfAlive(LineLayer):
    def __reduce__(self) -> Any:
        return object.__new__, (type(self),)


class LeaksAFile(LineLayer):
    kept: ClassVar[list[int]] = []

    def __init__(self, *at: Any) -> None:
        super().__init__(*at)
        self.kept.append(os.dup(0))


class RemembersItsFirstLoop(AwaitedLayer):
    loop: asyncio.AbstractEventLoop | None = None

    async def run(self, verb: str, *args: Any) -> Any:
        self.loop = self.loop or asyncio.get_running_loop()
        return await self.loop.run_in_executor(None, getattr(self._layer, verb), *args)


class CachesInFront(LineLayer):
    """Remembers what it read, and hears nothing of what others do."""

    def __init__(self, *at: Any) -> None:
        super().__init__(*at)
        self._read: dict[str, bytes] = {}

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        for key in [key for key in keys if key not in self._read]:
            [found] = super().get([key])
            if found is not None:
                self._read[key] = found
        return [self._read.get(key) for key in keys]

    def ask(self, verb: str, *args: Any) -> Any:
        if verb != "get":
            self._read.clear()
        return super().ask(verb, *args)


class ReusesLateLines(LineLayer):
    """Uses a connection again after its answer did not come in time."""

    def ask(self, verb: str, *args: Any) -> Any:
        connection = self.take()
        try:
            answer = connection.ask(verb, args)
        except TimeoutError:
            connection.read_on()
            self.idle().append(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self.idle().append(connection)
        return answer


class _TakesHalves(Connection):
    def understood(self, line: bytes) -> Any:
        if not line.endswith(b"\n") and line.startswith(b'[["'):
            return [line[3:].decode("unicode-escape", "ignore").rstrip('"]')]
        return super().understood(line)


class TakesHalfAnswers(LineLayer):
    connection = _TakesHalves


class _TakesAnything(Connection):
    def understood(self, line: bytes) -> Any:
        try:
            return super().understood(line)
        except ValueError:
            return [line.decode("latin-1")]


class TakesGarbage(LineLayer):
    connection = _TakesAnything


class WaitsForEver(LineLayer):
    def __init__(self, host: str, port: int, timeout_sec: float | None = None) -> None:
        super().__init__(host, port, None)


class NeverConnectsAnew(LineLayer):
    is_lost = False

    def ask(self, verb: str, *args: Any) -> Any:
        if self.is_lost:
            raise ConnectionError("the line was lost")
        try:
            return super().ask(verb, *args)
        except (OSError, ValueError):
            self.is_lost = True
            raise


def _like(prefix: str) -> Callable[[str], bool]:
    pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in prefix)
    return lambda key: re.match(pattern, key, re.DOTALL) is not None
