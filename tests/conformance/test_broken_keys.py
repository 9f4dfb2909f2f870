"""Key builders with one fault each, and the test of the suite that names it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from gcache import GCacheKey, UnrenderableArgument
from gcache.conformance import KeyBuilderSuite
from gcache.core.keys import UrnKeyBuilder
from tests.conformance.catching import assert_caught


class Joining(UrnKeyBuilder):
    """Joins the parts as they are."""

    def build(self, key: GCacheKey) -> str:
        arguments = "&".join(f"{name}={value!r}" for name, value in key.args)
        return f"{self.prefixes[0]}{key.key_type}:{key.id}?{arguments}#{key.use_case}"


class Changing(UrnKeyBuilder):
    """Builds another key than it is asked for."""

    def build(self, key: GCacheKey) -> str:
        return super().build(GCacheKey(*self.changed(key)))

    def changed(self, key: GCacheKey) -> tuple[Any, ...]:
        return key.key_type, key.id, key.use_case, key.args, key.track_for_invalidation


class Casual(Changing):
    """Takes 1 for "1"."""

    def changed(self, key: GCacheKey) -> tuple[Any, ...]:
        args = [(name, str(value)) for name, value in key.args]
        return key.key_type, key.id, key.use_case, args, key.track_for_invalidation


class TrackedAlike(Changing):
    """Does not tell tracked keys from others."""

    def changed(self, key: GCacheKey) -> tuple[Any, ...]:
        return *super().changed(key)[:-1], True


class ExactIds(Changing):
    """Tells the id 1 from the id "1"."""

    def changed(self, key: GCacheKey) -> tuple[Any, ...]:
        return key.key_type, repr(key.id), *super().changed(key)[2:]


class Unordered(Changing):
    """Writes sets as they come."""

    def changed(self, key: GCacheKey) -> tuple[Any, ...]:
        args = [(n, ("set", *v) if isinstance(v, set) else v) for n, v in key.args]
        return key.key_type, key.id, key.use_case, args, key.track_for_invalidation


class Hashing(UrnKeyBuilder):
    """Shortens keys by a hash that differs from process to process."""

    def build(self, key: GCacheKey) -> str:
        return f"{self.prefixes[0]}{hash(super().build(key))}"


class Addressing(UrnKeyBuilder):
    """Has a text for everything."""

    def build(self, key: GCacheKey) -> str:
        try:
            return super().build(key)
        except UnrenderableArgument:
            return f"{self.prefixes[0]}{key!r}"


class Endless(UrnKeyBuilder):
    """Follows a list for ever."""

    def build(self, key: GCacheKey) -> str:
        return super().build(key) if not key.args else _flat(key.args[0][1])


class Picky(UrnKeyBuilder):
    """Refuses None."""

    def build(self, key: GCacheKey) -> str:
        if any(value is None for _, value in key.args):
            raise UnrenderableArgument("None")
        return super().build(key)


class Encoding(UrnKeyBuilder):
    """Gives bytes."""

    def build(self, key: GCacheKey) -> Any:
        return super().build(key).encode()


class Sharing(UrnKeyBuilder):
    """Keeps the key that it is at work on where all threads see it."""

    def build(self, key: GCacheKey) -> str:
        self._key = key
        time.sleep(0)
        return super().build(self._key)


class Straying(UrnKeyBuilder):
    """Puts untracked keys beyond its prefixes."""

    def build(self, key: GCacheKey) -> str:
        return super().build(key) if key.track_for_invalidation else f"plain:{super().build(key)}"


class OpenEnded(UrnKeyBuilder):
    """Says prefixes that longer names begin with, too."""

    def __init__(self, prefix: str = "urn:app") -> None:
        super().__init__(prefix)
        self.prefixes = (prefix, "{" + prefix)


class OneEpoch(UrnKeyBuilder):
    """Has one epoch for all entities of a key type."""

    def epoch(self, key_type: str, id: object) -> str:
        return super().epoch(key_type, f"{id}"[:0])


class EpochAsKey(UrnKeyBuilder):
    """Builds an epoch as if it were a use case."""

    def epoch(self, key_type: str, id: object) -> str:
        return self.build(GCacheKey(key_type, id, "Epoch"))


class EpochApart(UrnKeyBuilder):
    """Leaves the hash tag of epochs out."""

    def epoch(self, key_type: str, id: object) -> str:
        return super().epoch(key_type, id).replace("{", "").replace("}", "")


class AnyId(UrnKeyBuilder):
    """Takes any object for an id in epochs."""

    def epoch(self, key_type: str, id: object) -> str:
        return super().epoch(key_type, str(id))


def _flat(value: Any) -> str:
    return "".join(map(_flat, value)) if isinstance(value, list) else ""


def suite_of(builder: Callable[..., Any]) -> type[KeyBuilderSuite]:
    class Broken(KeyBuilderSuite):
        namespaces = True

        @pytest.fixture
        def key_builder(self) -> Any:
            return builder()

        @pytest.fixture
        def make_key_builder(self) -> Any:
            return builder

    return Broken


BROKEN = [
    (Joining, "test_neighbours"),
    (TrackedAlike, "test_different_keys"),
    (Casual, "test_arguments_of_other_types"),
    (Picky, "test_plainest_arguments"),
    (Unordered, "test_equal_keys"),
    (ExactIds, "test_id_by_its_text"),
    (Encoding, "test_strings"),
    (Straying, "test_prefixes"),
    (OpenEnded, "test_foreign_prefixes"),
    (EpochAsKey, "test_epoch_is_no_key"),
    (OneEpoch, "test_epochs_differ"),
    (EpochApart, "test_same_slot"),
    (Hashing, "test_another_interpreter"),
    (Sharing, "test_many_threads"),
    (Addressing, "test_unrenderable"),
    (AnyId, "test_unrenderable_ids"),
    (Endless, "test_endless"),
]


@pytest.mark.parametrize(("builder", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_broken_builder(builder: Callable[..., Any], test: str) -> None:
    """The test of the suite that names the fault of a broken builder fails."""
    assert_caught(suite_of(builder), test)


def test_every_promise() -> None:
    """For each promise of the suite there is a part that breaks it."""
    assert set(KeyBuilderSuite.topics) == {test for _, test in BROKEN}
