"""The suite for key builders."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from gcache.conformance._together import in_threads
from gcache.conformance.keys import samples
from gcache.conformance.keys.elsewhere import in_another_interpreter
from gcache.conformance.keys.strings import all_strings, key_with, mixed_up, rendered, slot, told_of
from gcache.conformance.suite import Suite, forgotten, needs
from gcache.core.keys import GCacheKey
from gcache.errors import UnrenderableArgument

_thoroughly = settings(
    deadline=None,
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # what is drawn is short as it is
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_A_FEW = tuple(samples.neighbours())[::97]


class KeyBuilderSuite(Suite, topic="keys"):
    """All that a key builder promises. Give it the fixture `key_builder`."""

    pickles: ClassVar[bool] = True
    """The builder can be pickled, which is how it gets into an interpreter of its own to be tried there."""

    namespaces: ClassVar[bool] = False
    """The fixture `make_key_builder` is there, to see that applications do not get into each other's way."""

    @pytest.fixture
    def key_builder(self) -> Any:
        """The builder that is tried."""
        forgotten(
            self,
            "key_builder",
            """
            @pytest.fixture
            def key_builder(self):
                return MyKeyBuilder("app")
            """,
        )

    @pytest.fixture
    def make_key_builder(self) -> Callable[[str], Any]:
        """A function that makes the builder of an application, whose name is letters and digits."""
        forgotten(
            self,
            "make_key_builder",
            """
            @pytest.fixture
            def make_key_builder(self):
                return MyKeyBuilder
            """,
        )

    def test_neighbours(self, key_builder: Any) -> None:
        """Thousands of keys, made of the very characters that join the parts of a key, have a string each.

        Ids and arguments come from users of an application. Two calls of one string get each other's values.
        """
        assert [] == mixed_up(key_builder, samples.neighbours())

    @_thoroughly
    @given(key=samples.keys, other=samples.keys)
    def test_different_keys(self, key_builder: Any, key: GCacheKey, other: GCacheKey) -> None:
        """Keys of any texts and values have different strings if they differ in anything.

        That is: in key type, the text of the id, use case, or being tracked, or in the name, type or value
        of an argument. Each may change what a function returns, or what an invalidation ends.
        """
        assert [] == mixed_up(key_builder, (*samples.relatives(key), *samples.relatives(other)))

    def test_arguments_of_other_types(self, key_builder: Any) -> None:
        """Among arguments 1, "1", True and 1.0 differ, None and "None", a list and a tuple, a date and text.

        A function may well return something else for each. What a builder cannot render, it refuses.
        """
        strings: dict[str, Any] = {}
        mixed_up: list[tuple[Any, Any]] = []
        for value in samples.ARGUMENTS:
            with contextlib.suppress(UnrenderableArgument):
                string = key_builder.build(key_with(value))
                if string in strings:
                    mixed_up.append((strings[string], value))
                strings[string] = value

        assert [] == mixed_up

    def test_plainest_arguments(self, key_builder: Any) -> None:
        """Texts, numbers, True, False and None can be rendered, and so can any text or number as an id.

        They are what most functions take. A call whose key cannot be built is not cached.
        """
        built = [key_builder.build(key_with(value)) for value in samples.PLAINEST]
        built += [key_builder.build(GCacheKey("k", id, "U")) for id in ("", "text", 1, -1, 2.5)]

        assert len(built) == len(set(built))

    def test_equal_keys(self, key_builder: Any) -> None:
        """Equal keys have one string, whatever order their arguments, dictionaries and sets were filled in.

        A second string for the same call is a miss for ever, and an entry that nobody can delete.
        """
        one, other = ([{8, 0}, {"a": 1, "b": 2}], [{0, 8}, {"b": 2, "a": 1}])
        strings = [
            [key_builder.build(GCacheKey("k", 1, "U", pairs, tracked)) for tracked in (False, True)]
            for pairs in ([("x", 1), ("y", "2")], [("y", "2"), ("x", 1)])
        ]
        assert strings[0] == strings[1]
        for value, equal in zip(one, other, strict=True):
            with contextlib.suppress(UnrenderableArgument):
                assert key_builder.build(key_with(value)) == key_builder.build(key_with(equal))

    def test_id_by_its_text(self, key_builder: Any) -> None:
        """12345 and "12345" are one entity: their keys and their epochs are the same.

        One part of an application has the number from a database, another the text from a URL. If they
        were two, the invalidation of one would leave the other's values standing.
        """
        for tracked in (False, True):
            number, text = (GCacheKey("k", id, "U", {"x": 1}, tracked) for id in (12345, "12345"))
            assert key_builder.build(number) == key_builder.build(text)
        assert key_builder.epoch("k", 12345) == key_builder.epoch("k", "12345")

    def test_strings(self, key_builder: Any) -> None:
        """What is built is a `str` that UTF-8 can write, even of texts that UTF-8 cannot.

        Layers send keys as bytes. One that cannot be sent looks like a layer in trouble.
        """
        keys = [*_A_FEW, GCacheKey("k", "\ud800", "U"), GCacheKey("k", 1, "\udfff", {"x": "\udc80"})]
        built = [key_builder.build(key) for key in keys]
        built += [key_builder.epoch(*entity) for entity in (*samples.entities(), ("\ud800", "\udfff"))]

        assert {str} == set(map(type, built))
        assert [] == [string for string in built if string.encode(errors="ignore").decode() != string]

    def test_prefixes(self, key_builder: Any) -> None:
        """`prefixes` is a tuple of texts, none of them empty, and whatever is built begins with one of them.

        flushall() clears these prefixes in every layer: what begins otherwise stays, and would be served.
        """
        prefixes: tuple[str, ...] = key_builder.prefixes
        assert type(prefixes) is tuple
        assert [] == [prefix for prefix in prefixes if type(prefix) is not str or not prefix]
        built = all_strings(key_builder, samples.neighbours())

        assert [] == [string for string in built if not string.startswith(prefixes)]

    @needs("namespaces")
    def test_foreign_prefixes(self, make_key_builder: Callable[[str], Any]) -> None:
        """No string of one application begins with a prefix of another, however alike their names are.

        flushall() of one would empty the cache of the other, and end its invalidations' holds.
        """
        names = ("app", "apps", "App", "ap", "1app")
        built = {name: all_strings(make_key_builder(name), _A_FEW) for name in names}
        reached = [
            (name, string)
            for name in names
            for other in names
            for string in built[other]
            if name != other and string.startswith(make_key_builder(name).prefixes)
        ]

        assert [] == reached

    def test_epoch_is_no_key(self, key_builder: Any) -> None:
        """The string of an epoch is not the string of any key.

        An epoch that a value overwrites, or that passes for a value, ends invalidation for its entity.
        """
        epochs = {key_builder.epoch(*entity) for entity in samples.entities()}

        assert set() == epochs & {key_builder.build(key) for key in samples.neighbours()}

    def test_epochs_differ(self, key_builder: Any) -> None:
        """Each entity has an epoch of its own.

        If two shared one, an invalidation of either would end both, and a hold would stop both.
        """
        entities = list(samples.entities())

        assert len(entities) == len({key_builder.epoch(*entity) for entity in entities})

    def test_same_slot(self, key_builder: Any) -> None:
        """All tracked keys of an entity, and its epoch, are in one slot of a Redis Cluster.

        Core reads an entry and its epoch together. Two nodes cannot answer as of one moment, nor in one call.
        """
        apart: list[tuple[str, str]] = []
        for key_type, id in samples.entities():
            epoch = key_builder.epoch(key_type, id)
            for use_case, args in (("U", {}), ("U}", {"x": "{"}), ("{U}", {"{x}": "}{"})):
                string = key_builder.build(GCacheKey(key_type, id, use_case, args, True))
                if slot(epoch) != slot(string):
                    apart.append((epoch, string))

        assert [] == apart

    @needs("pickles")
    def test_another_interpreter(self, key_builder: Any) -> None:
        """Another interpreter, in which hashes of texts are others, builds the same strings.

        Processes share what they cache, and an application that was restarted finds what it had.
        """
        values = ["text", ["a", "b"], {"a", "b", "c", "d"}, {"a": 1, "b": 2}, frozenset(map(str, range(20)))]
        keys = [*_A_FEW, *map(key_with, rendered(key_builder, values))]

        assert all_strings(key_builder, keys) == in_another_interpreter(all_strings, key_builder, keys)

    def test_many_threads(self, key_builder: Any) -> None:
        """Eight threads that build at once get what one alone gets.

        All threads of an application share one builder.
        """
        alone = all_strings(key_builder, _A_FEW)

        assert [alone] * 8 == in_threads(8, lambda _: all_strings(key_builder, _A_FEW))

    def test_unrenderable(self, key_builder: Any) -> None:
        """What has no text of its own raises UnrenderableArgument: objects, functions, containers of them.

        The default text of an object has its address in it: another key at each start, and the same one
        for another object later. Core does without the cache for the call, and logs what would mend it.
        """
        things: list[Any] = [object(), _Plain(), key_with, lambda: 0, iter(()), _Plain]
        things += [wrap(thing) for thing in things for wrap in _WRAPPINGS]
        wrong = [
            (thing, told) for thing in things if (told := told_of(key_builder, key_with(thing))) is not None
        ]

        assert [] == wrong

    def test_unrenderable_ids(self, key_builder: Any) -> None:
        """An id that has no text of its own raises UnrenderableArgument, for a key as for an epoch.

        An invalidation by such an id would end nothing, in silence.
        """
        things = [object(), _Plain(), key_with, iter(()), [_Plain()]]
        wrong = [told for id in things if (told := told_of(key_builder, GCacheKey("k", id, "U"))) is not None]
        for id in things:
            with pytest.raises(UnrenderableArgument):
                key_builder.epoch("k", id)

        assert [] == wrong

    def test_endless(self, key_builder: Any) -> None:
        """A list in itself, one nested very deeply and a number of many digits raise nothing else either.

        Core tells by UnrenderableArgument that the argument is to be mended, and not the builder.
        """
        endless: list[Any] = []
        endless.append(endless)
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        told = [told_of(key_builder, key_with(value), refuse=False) for value in (endless, deep, 10**10_000)]

        assert [None] * 3 == told


class _Plain:
    """Has no text but its address."""


_WRAPPINGS: Sequence[Callable[[Any], Any]] = (
    lambda thing: [thing],
    lambda thing: (1, thing),
    lambda thing: {"x": thing},
    lambda thing: {thing: 1},
    lambda thing: {thing},
    lambda thing: [[thing]],
)
