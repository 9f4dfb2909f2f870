"""Cached functions over a dictionary out of process, and the entries that they have left in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest.mock import patch

from gcache import ANY, GCache, GCacheConfig, GCacheKeyConfig, JsonSerializer, PickleSerializer
from gcache.conformance._dictionary import DictionaryLayer
from gcache.core.events import Error, Event, Hit, Miss


@dataclass
class User:
    id: int
    name: str
    since: datetime


PLAIN: tuple[Any, ...] = (
    None,
    7,
    "",
    "Grüße",
    [1.5, True, None],
    {"id": 12_345, "name": "Ada", "tags": ["a", "b"]},
    {"text": "lorem ipsum " * 30},
)
RICH: tuple[Any, ...] = (*PLAIN, User(1, "Ada", datetime(2024, 2, 29, tzinfo=UTC)), {1, 2}, bytes(range(256)))
SERIALIZERS = {
    "json": (JsonSerializer(), PLAIN),
    "pickle": (PickleSerializer(trusted=[User]), RICH),
    "any": (PickleSerializer(trusted=ANY), RICH),
}


class Specimen(NamedTuple):
    """An entry as it was stored under `name`, and the call that it answers with `value`."""

    read: Callable[[], Any]
    name: str
    epoch_name: str | None
    identity: str
    value: Any
    data: bytes


class Seen(NamedTuple):
    """What became of a call: its value, the layers that answered it, why one did not, and what failed."""

    value: Any
    hits: list[str]
    reasons: list[str]
    errors: list[str]


class Collection:
    """Specimens of every kind, and the dictionary that they are in."""

    def __init__(self, gcache: GCache, layer: DictionaryLayer, events: list[Event]) -> None:
        self.layer = layer
        self._events = events
        self._deliver = gcache._engine.recorder.deliver
        self.specimens = [
            specimen
            for kind, (serializer, values) in SERIALIZERS.items()
            for tracked in (False, True)
            for specimen in self._made(gcache, f"{kind}{tracked}", serializer, tracked, values)
        ]
        self.tracked = [specimen for specimen in self.specimens if specimen.epoch_name is not None]

    def read(self, specimen: Specimen, stored: Any) -> Seen:
        """Make the call while `stored` is in the place of its entry."""
        self.layer.stored[specimen.name] = stored
        self._deliver()
        self._events.clear()
        value = specimen.read()
        self._deliver()
        events = self._events
        return Seen(
            value,
            [event.layer for event in events if isinstance(event, Hit)],
            [event.reason for event in events if isinstance(event, Miss)],
            [event.error for event in events if isinstance(event, Error)],
        )

    def _made(
        self, gcache: GCache, use_case: str, serializer: Any, tracked: bool, values: tuple[Any, ...]
    ) -> Iterator[Specimen]:
        @gcache.cached(
            "user_id", "place", use_case, track_for_invalidation=tracked, serializer=serializer,
            default_config=GCacheKeyConfig.enabled(86_400),
        )  # fmt: skip
        def get(place: int) -> Any:
            return values[place]

        keys = gcache._engine.keys
        for place, value in enumerate(values):
            name = keys.build(get.key(place))
            get(place)
            epoch_name = keys.epoch("user_id", place) if tracked else None
            data = self.layer.stored[name]
            yield Specimen(lambda place=place: get(place), name, epoch_name, serializer.identity, value, data)


@contextmanager
def collection() -> Iterator[Collection]:
    """Give a collection whose calls are cached in the block."""
    layer, events = DictionaryLayer(), list[Event]()

    class Sink:
        record = staticmethod(events.append)

    config = GCacheConfig(layers=[layer], metrics=Sink(), urn_prefix="urn:fuzz")
    undisturbed = patch("gcache.core.recorder._DELIVERY_PAUSE_SEC", 86_400.0)  # sums are asked for here
    with undisturbed, GCache(config) as gcache, gcache.enable():
        yield Collection(gcache, layer, events)
