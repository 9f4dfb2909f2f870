"""Structured keys, and the strings that layers store entries under."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache import GCacheKey
from gcache.core.keys import RESERVED_USE_CASES, UrnKeyBuilder, check_prefix, check_use_case, trusted_key
from gcache.errors import GCacheConfigError, InvalidKey, UnrenderableArgument, UseCaseReserved
from tests.core.test_rendering import identity, texts, values

key_types = texts.filter(lambda text: text and ":" not in text)
use_cases = texts.filter(lambda text: text not in RESERVED_USE_CASES)
ids = texts | st.integers()
keys = st.builds(
    GCacheKey,
    key_types,
    ids,
    use_cases,
    st.dictionaries(texts, values, max_size=2),
    st.booleans(),
)


@pytest.fixture
def urn() -> UrnKeyBuilder:
    return UrnKeyBuilder("urn:galileo")


def _identity(key: GCacheKey) -> object:
    return (
        key.key_type,
        str(key.id),
        key.use_case,
        [(name, identity(value)) for name, value in key.args],
        key.track_for_invalidation,
    )


class TestBuild:
    @pytest.mark.parametrize(
        ("expected", "key"),
        [
            ("urn:galileo:user_id:12345#GetUser", GCacheKey("user_id", 12345, "GetUser")),
            ("urn:galileo:user_id:12345#GetUser", GCacheKey("user_id", "12345", "GetUser")),
            ("{urn:galileo:user_id:12345}#GetUser", GCacheKey("user_id", 12345, "GetUser", (), True)),
            (
                "{urn:galileo:user_id:12345}?page=2#GetPosts",
                GCacheKey("user_id", 12345, "GetPosts", {"page": 2}, True),
            ),
            ("urn:galileo:user_id:1?a=x&b='2'#Get", GCacheKey("user_id", 1, "Get", {"b": "2", "a": "x"})),
            (
                "urn:galileo:user%20email:a@b.c:d?x%3D=y%26z#Get%23it",
                GCacheKey("user email", "a@b.c:d", "Get#it", {"x=": "y&z"}),
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_text(self, urn: UrnKeyBuilder, expected: str, key: GCacheKey) -> None:
        """A key is an URN of its parts; a tracked one has its entity in a hash tag."""
        assert expected == urn.build(key)

    @given(keys, keys)
    def test_injective(self, one: GCacheKey, other: GCacheKey) -> None:
        """Two keys have the same string only if all their parts are the same."""
        urn = UrnKeyBuilder()

        assert (_identity(one) == _identity(other)) == (urn.build(one) == urn.build(other))

    @given(texts, texts, texts, texts)
    def test_parts_do_not_run_together(self, a: str, b: str, c: str, d: str) -> None:
        """What is moved from one part to the next makes another key."""
        urn = UrnKeyBuilder()
        one = GCacheKey("k", a, "Get", {b: c})
        other = GCacheKey("k", c, "Get", {d: a})

        assert ((a, b, c) == (c, d, a)) == (urn.build(one) == urn.build(other))

    @given(keys)
    def test_prefixes(self, key: GCacheKey) -> None:
        """Every key begins with one of the builder's prefixes, and so does every epoch."""
        urn = UrnKeyBuilder("urn:mine")

        assert urn.build(key).startswith(urn.prefixes)
        assert urn.epoch(key.key_type, key.id).startswith(urn.prefixes)

    def test_unrenderable(self, urn: UrnKeyBuilder) -> None:
        """A key of a value without a defined text has no string."""
        with pytest.raises(UnrenderableArgument):
            urn.build(GCacheKey("user_id", 1, "Get", {"x": object()}))
        with pytest.raises(UnrenderableArgument):
            urn.build(GCacheKey("user_id", object(), "Get"))


class TestEpoch:
    def test_text(self, urn: UrnKeyBuilder) -> None:
        """The epoch of an entity has the hash tag of its tracked keys, whichever way the id is given."""
        assert (
            "{urn:galileo:user_id:12345}#epoch"
            == urn.epoch("user_id", 12345)
            == urn.epoch("user_id", "12345")
        )

    @given(keys, key_types, ids)
    def test_apart_from_keys(self, key: GCacheKey, key_type: str, id: object) -> None:
        """No key builds to the string of an epoch."""
        urn = UrnKeyBuilder()

        assert urn.epoch(key_type, id) != urn.build(key)

    @given(keys)
    def test_beside(self, key: GCacheKey) -> None:
        """The epoch that is cut out of a tracked key is that of its entity."""
        urn = UrnKeyBuilder()
        tracked = trusted_key(key.key_type, key.id, key.use_case, key.args, True)

        assert urn.epoch(key.key_type, key.id) == urn.epoch_beside(urn.build(tracked))

    @given(keys)
    def test_one_slot(self, key: GCacheKey) -> None:
        """What a Redis Cluster hashes of a tracked key is what it hashes of its entity's epoch."""
        urn = UrnKeyBuilder()
        tracked = trusted_key(key.key_type, key.id, key.use_case, key.args, True)

        def hash_tag(text: str) -> str:
            opening = text.index("{")
            return text[opening + 1 : text.index("}", opening + 1)]

        assert hash_tag(urn.epoch(key.key_type, key.id)) == hash_tag(urn.build(tracked)) != ""

    def test_invalid(self, urn: UrnKeyBuilder) -> None:
        """An entity that no key could be about has no epoch."""
        with pytest.raises(InvalidKey):
            urn.epoch("a:b", 1)
        with pytest.raises(UnrenderableArgument):
            urn.epoch("user_id", object())


class TestNames:
    @pytest.mark.parametrize("name", sorted(RESERVED_USE_CASES))
    def test_reserved_use_case(self, name: str) -> None:
        """A use case cannot have a name that keys need for themselves."""
        assert {"", "epoch", "watermark"} == RESERVED_USE_CASES
        with pytest.raises(UseCaseReserved, match="reserved"):
            GCacheKey("user_id", 1, name)

    def test_free_use_case(self) -> None:
        """Any other name will do."""
        assert "Epoch" == check_use_case("Epoch")

    @pytest.mark.parametrize("name", ["", "user:id", ":"])
    def test_key_type(self, name: str) -> None:
        """A key type is not empty and has no colon, or it would run into the id."""
        with pytest.raises(InvalidKey, match="colon"):
            GCacheKey(name, 1, "Get")

    @pytest.mark.parametrize("prefix", ["", "urn:", "a b", "a?b", "a#b", "a{b", "a%b", "a\nb"])
    def test_prefix(self, prefix: str) -> None:
        """A prefix holds nothing that has a meaning in a key."""
        with pytest.raises(GCacheConfigError, match="urn_prefix"):
            UrnKeyBuilder(prefix)

    def test_own_prefix(self) -> None:
        """Words joined by colons make a prefix."""
        assert "urn:myteam" == check_prefix("urn:myteam")


class TestGCacheKey:
    def test_args(self) -> None:
        """A mapping and pairs in any order make one key."""
        expected = GCacheKey("user_id", 1, "Get", (("a", 1), ("b", 2)))

        assert expected == GCacheKey("user_id", 1, "Get", {"b": 2, "a": 1})
        assert expected == GCacheKey("user_id", 1, "Get", [("b", 2), ("a", 1)])

    def test_trusted(self) -> None:
        """A key made without checks is the key made with them."""
        key = GCacheKey("user_id", 1, "Get", {"a": 1}, True)

        assert key == trusted_key("user_id", 1, "Get", (("a", 1),), True)
        assert hash(key) == hash(trusted_key("user_id", 1, "Get", (("a", 1),), True))
