"""Values become bytes, and the same values again."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from gcache.conformance._dictionary import DictionaryLayer
from gcache.conformance._together import Child, in_threads
from gcache.conformance.serializers import samples
from gcache.conformance.serializers.alike import alike, parts_that_change
from gcache.conformance.serializers.serializer import SerializerPart
from gcache.core.config import GCacheConfig
from gcache.core.key_config import GCacheKeyConfig
from gcache.core.keys import GCacheKey
from gcache.errors import SerializationError
from gcache.instrumentation.null import NullSink
from gcache.serializers import JsonSerializer, PickleSerializer
from gcache.toolkit import GCache

_BUILT_IN = {"pickle:1": PickleSerializer, "pickle-any:1": PickleSerializer, "json:1": JsonSerializer}


class RoundTrips(SerializerPart, topic="round trips"):
    """What a serializer is for."""

    def test_comes_back(self, serializer: Any, promised: Sequence[Any]) -> None:
        """Each of `values` comes back equal and of the same type, and so do its parts.

        A caller does not know whether a value was loaded or cached, and must not see it.
        """
        changed = [(value, back) for value in promised if not alike(value, back := _back(serializer, value))]

        assert [] == changed

    def test_bytes(self, dumps: list[bytes]) -> None:
        """What is dumped is `bytes`: no text, no bytearray.

        Core puts it after a header, and layers send it as it is.
        """
        assert {bytes} == set(map(type, dumps))

    def test_refused(self, serializer: Any, unwanted: Sequence[Any]) -> None:
        """Each of `refused` raises SerializationError.

        Core serves such a value uncached, and logs once what would mend it.
        """
        assert [] == [told for value in unwanted if (told := _told(serializer, value)) != "refused"]

    def test_awkward_values(self, serializer: Any) -> None:
        """Any value comes back as it was, or raises SerializationError when it is dumped.

        Such are tuples, sets, keys that are no texts, NaN, subclasses, dates with a fold and lone surrogates.
        A value that comes back changed is a wrong answer, and at hits only, which makes it hard to find.
        """
        told = [_told(serializer, value) for value in samples.AWKWARD]

        assert [] == [wrong for wrong in told if wrong not in ("refused", "comes back")]

    @settings(
        deadline=None,
        max_examples=100,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what is drawn is short as it is
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(value=samples.values)
    def test_any_plain_value(self, serializer: Any, value: Any) -> None:
        """Whatever is made of texts, numbers, lists, tuples and dictionaries comes back or is refused.

        What a function returns today is not all that it will return.
        """
        assert _told(serializer, value) in ("refused", "comes back")

    def test_unwritable(self, serializer: Any) -> None:
        """Functions, locks, iterators and modules raise SerializationError, and nothing else.

        Core tells by it that the value is at fault, and says so. Any other error looks like a fault of the
        cache.
        """
        told = [_told(serializer, wrap(value)) for value in samples.UNWRITABLE for wrap in _WRAPPINGS]

        assert [] == [wrong for wrong in told if wrong not in ("refused", "comes back")]

    def test_endless(self, serializer: Any) -> None:
        """A list in itself, and one nested very deeply, are refused or dumped, and never end the process.

        Values come from users of an application. It runs in a process of its own here.
        """
        told = Child(lambda: [_dumped(serializer, value) for value in samples.ENDLESS]).result()

        assert [] == [wrong for wrong in told if wrong not in ("refused", "dumped")]

    def test_identity(self, serializer: Any) -> None:
        """`identity` is a name and a version, such as "json:1": 2 to 32 visible ASCII letters, one a digit.

        It travels with each entry. When a serializer changes its format it changes its version, and what
        was stored before is a miss instead of a riddle.
        """
        identity = serializer.identity

        assert isinstance(identity, str)
        assert re.fullmatch(r"[!-~]{2,32}", identity)
        assert re.search(r"\d", identity)

    def test_identity_is_its_own(self, serializer: Any) -> None:
        """No serializer goes by the identity of a bundled one.

        Core hands a serializer whatever bears its identity, so that it would be given the other's bytes.
        """
        owner = _BUILT_IN.get(serializer.identity)

        assert owner is None or isinstance(serializer, owner)

    def test_identity_stays(self, serializer: Any, promised: Sequence[Any]) -> None:
        """`identity` stays what it is, whatever is dumped and loaded.

        Processes that share a layer would not read each other's entries.
        """
        before = serializer.identity
        for value in promised:
            _back(serializer, value)

        assert before == serializer.identity

    def test_nothing_is_shared(self, serializer: Any, promised: Sequence[Any]) -> None:
        """Two loads of the same bytes share no part that can be changed, nor do they with the value dumped.

        A caller may sort the list that it got. The next caller is to get the one that was stored.
        """
        shared: list[Any] = []
        for value in promised:
            data = serializer.dump(value)
            first, second = serializer.load(data), serializer.load(data)
            ids = [{id(part) for part in parts_that_change(each)} for each in (value, first, second)]
            if ids[0] & ids[1] or ids[1] & ids[2]:
                shared.append(value)

        assert [] == shared

    def test_dump_changes_nothing(self, serializer: Any, promised: Sequence[Any]) -> None:
        """Dumping leaves a value as it is.

        It is the very object that the caller gets.
        """
        before = [_copied(value) for value in promised]
        for value in promised:
            serializer.dump(value)

        assert [] == [value for value, was in zip(promised, before, strict=True) if not alike(was, value)]

    def test_keeps_nothing(self, serializer: Any, promised: Sequence[Any], dumps: list[bytes]) -> None:
        """Bytes are enough: another process loads them, and this one what the other has dumped, in any order.

        Most entries are loaded by a process that did not dump them.
        """

        def work() -> tuple[int, list[bytes]]:
            found = [serializer.load(data) for data in reversed(dumps)]
            right = sum(map(alike, reversed(promised), found))
            return right, [serializer.dump(value) for value in reversed(promised)]

        right, theirs = Child(work).result()

        assert len(promised) == right
        assert [] == [
            v
            for v, data in zip(promised, reversed(theirs), strict=True)
            if not alike(v, serializer.load(data))
        ]

    def test_many_threads(self, serializer: Any, promised: Sequence[Any]) -> None:
        """Eight threads that dump and load at once get their own values.

        One serializer serves all threads. What is mixed up here is another call's value.
        """

        def work(number: int) -> list[Any]:
            turned = [*promised[number % len(promised) :], *promised[: number % len(promised)]] * 20
            return [value for value in turned if not alike(value, _back(serializer, value))]

        assert [[]] * 8 == in_threads(8, work)

    def test_end_to_end(self, serializer: Any, promised: Sequence[Any]) -> None:
        """Through a GCache, each of `values` is loaded once, and a hit in another process from then on.

        That is what a serializer is for.
        """
        stored: dict[str, bytes] = {}
        loads: list[int] = []
        found = [_through_gcache(serializer, stored, promised, loads) for _ in range(2)]

        assert list(range(len(promised))) == loads
        assert [] == [value for value, back in zip(promised, found[1], strict=True) if not alike(value, back)]

    def test_refused_end_to_end(self, serializer: Any, unwanted: Sequence[Any]) -> None:
        """Through a GCache, what is refused is served all the same, loaded each time.

        A serializer that refuses costs its caller nothing.
        """
        stored: dict[str, bytes] = {}
        loads: list[int] = []
        found = [_through_gcache(serializer, stored, unwanted, loads) for _ in range(2)]

        assert 2 * len(unwanted) == len(loads)
        assert all(mine is back for mine, back in zip([*unwanted] * 2, [*found[0], *found[1]], strict=True))


_WRAPPINGS: Sequence[Callable[[Any], Any]] = (
    lambda value: value,
    lambda value: [value],
    lambda value: {"x": value},
)


def _back(serializer: Any, value: Any) -> Any:
    return serializer.load(serializer.dump(value))


def _dumped(serializer: Any, value: Any) -> str:
    try:
        serializer.dump(value)
    except SerializationError:
        return "refused"
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"[:200]
    return "dumped"


def _told(serializer: Any, value: Any) -> str:
    """Return what becomes of `value`."""
    if (told := _dumped(serializer, value)) != "dumped":
        return told if told == "refused" else f"{value!r:.80} {told}"
    try:
        back = _back(serializer, value)
    except Exception as error:
        return f"{value!r:.80} is dumped, and raises {type(error).__name__} when it is loaded"
    return "comes back" if alike(value, back) else f"{value!r:.80} comes back as {back!r:.80}"


def _copied(value: Any) -> Any:
    with suppress(Exception):
        return copy.deepcopy(value)
    return value


def _through_gcache(
    serializer: Any, stored: dict[str, bytes], values: Sequence[Any], loads: list[int]
) -> list[Any]:
    """Return what an instance of its own gives for `values`, and note which of them it had to load."""
    layer = DictionaryLayer(stored)
    config = GCacheConfig(
        layers=[layer],
        urn_prefix="urn:conformance:serializers",
        serializer=serializer,
        metrics=NullSink(),
        cache_config_provider=lambda _: GCacheKeyConfig.enabled(600),
    )

    def load(number: int) -> Any:
        loads.append(number)
        return values[number]

    with GCache(config) as gcache, gcache.enable():
        return [
            gcache.get(GCacheKey("value", number, "Value"), lambda number=number: load(number))  # type: ignore[misc]
            for number in range(len(values))
        ]
