"""Configurations: what they mean, and which cannot be meant."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gcache import (
    CacheLayer,
    GCache,
    GCacheConfig,
    GCacheConfigError,
    GCacheKeyConfig,
    MemoryLayer,
    RedisConfig,
    RedisConfigConflict,
)
from tests.core.layers import SyncLayer
from tests.core.stage import Clock


class TestKeyConfig:
    def test_named_layer(self) -> None:
        """A layer that is named has what is said of it, one that is not stays out."""
        config = GCacheKeyConfig(ttl_sec={CacheLayer.LOCAL: 5, "disk": 7}, ramp={CacheLayer.LOCAL: 50})

        assert (5, 50) == (config.ttl("local"), config.percentage("local"))
        assert (7, 0) == (config.ttl("disk"), config.percentage("disk"))
        assert (None, 0) == (config.ttl("remote"), config.percentage("remote"))

    def test_every_layer(self) -> None:
        """ "*" speaks for the layers that are not named, and for them alone."""
        config = GCacheKeyConfig(ttl_sec={"*": 60, "local": 5}, ramp={"*": 100, "local": 0})

        assert (5, 0) == (config.ttl("local"), config.percentage("local"))
        assert (60, 100) == (config.ttl("remote"), config.percentage("remote"))

    def test_enabled(self) -> None:
        """`enabled` caches everything everywhere."""
        assert GCacheKeyConfig(ttl_sec={"*": 60}, ramp={"*": 100}) == GCacheKeyConfig.enabled(60)

    def test_copies(self) -> None:
        """A mapping that is changed afterwards changes nothing."""
        ttl_sec = {"local": 5.0}
        config = GCacheKeyConfig(ttl_sec=ttl_sec)

        ttl_sec["local"] = -1

        assert 5 == config.ttl("local")

    @pytest.mark.parametrize("ttl", [-1, math.nan, math.inf, 10**400, "5", None, True])
    def test_no_ttl(self, ttl: Any) -> None:
        """A life is a number of seconds from 0, and the error names the layer."""
        with pytest.raises(GCacheConfigError, match="ttl_sec of layer 'local'"):
            GCacheKeyConfig(ttl_sec={"local": ttl})

    @pytest.mark.parametrize("ramp", [-1, 101, math.nan, "50", None, False])
    def test_no_ramp(self, ramp: Any) -> None:
        """A ramp is a percentage, and the error names the layer."""
        with pytest.raises(GCacheConfigError, match="ramp of layer 'local'"):
            GCacheKeyConfig(ttl_sec={"local": 5}, ramp={"local": ramp})

    def test_shadow(self) -> None:
        """A layer is shadowed as is said of it, or of "*", or else not at all; it needs no life for that."""
        config = GCacheKeyConfig(shadow={"local": 0.5, "*": 20})

        assert (0.5, 20) == (config.shadow_percentage("local"), config.shadow_percentage("remote"))
        assert 0 == GCacheKeyConfig.enabled(60).shadow_percentage("local")

    @pytest.mark.parametrize("shadow", [-1, 101, math.nan, "50", None, False])
    def test_no_shadow(self, shadow: Any) -> None:
        """A shadow is a percentage, and the error names the layer."""
        with pytest.raises(GCacheConfigError, match="shadow of layer 'local'"):
            GCacheKeyConfig(shadow={"local": shadow})

    @pytest.mark.parametrize("ttl_sec", [{}, {"remote": 5}])
    def test_ramp_without_ttl(self, ttl_sec: dict[str, float]) -> None:
        """A ramp for a layer without a life is an error, and says what is missing."""
        with pytest.raises(GCacheConfigError, match="ttl_sec does not name it"):
            GCacheKeyConfig(ttl_sec=ttl_sec, ramp={"local": 100})

    def test_no_ramp_needs_no_ttl(self) -> None:
        """A ramp of 0 needs no life, and a life of 0 is allowed: both keep the layer out."""
        assert 0 == GCacheKeyConfig(ramp={"local": 0}).percentage("local")
        assert 0 == GCacheKeyConfig(ttl_sec={"local": 0}, ramp={"local": 100}).ttl("local")


class TestRedisConfig:
    def test_protocol(self) -> None:
        """Only Redis's own protocol is spoken, in the clear or not."""
        assert ["redis", "rediss"] == [RedisConfig(protocol=name).protocol for name in ("redis", "rediss")]
        with pytest.raises(GCacheConfigError, match="protocol is 'http'"):
            RedisConfig(protocol="http")

    def test_replicas(self) -> None:
        """Replicas to wait for are counted; none is the default."""
        assert [0, 2] == [
            RedisConfig(**options).invalidate_wait_replicas
            for options in ({}, {"invalidate_wait_replicas": 2})
        ]

    @pytest.mark.parametrize("number", [-1, 1.0, True, "1", None])
    def test_impossible_replicas(self, number: Any) -> None:
        """What is no number of replicas is refused."""
        with pytest.raises(GCacheConfigError, match="invalidate_wait_replicas is"):
            RedisConfig(invalidate_wait_replicas=number)

    def test_secrets(self) -> None:
        """A configuration that is logged does not tell the password."""
        config = RedisConfig(password="hunter2", redis_py_options={"ssl_keyfile_password": "hunter3"})

        assert "hunter" not in repr(config)


class TestConfig:
    @pytest.mark.parametrize("other", [{}, None, "redis://localhost", GCacheConfig, RedisConfig()], ids=repr)
    def test_something_else(self, other: Any) -> None:
        """An instance is made of a configuration; whoever gives something else is told what to write."""
        with pytest.raises(GCacheConfigError, match=r"write GCache\(GCacheConfig\(\.\.\.\)\)"):
            GCache(other)

    def test_defaults(self) -> None:
        """Nothing need be said."""
        config = GCacheConfig()

        assert ("urn:galileo", 1.0, 100_000) == (
            config.urn_prefix,
            config.config_refresh_sec,
            config.local_max_entries,
        )

    @pytest.mark.parametrize(
        ("ways", "message"),
        [
            (
                {"redis_config": RedisConfig(), "redis_client_factory": object},
                "redis_config and redis_client_factory",
            ),
            ({"redis_config": RedisConfig(), "layers": [SyncLayer("a", Clock())]}, "redis_config and layers"),
            (
                {"redis_client_factory": object, "layers": [SyncLayer("a", Clock())]},
                "redis_client_factory and layers",
            ),
        ],
        ids=["config-factory", "config-layers", "factory-layers"],
    )
    def test_conflict(self, ways: dict[str, Any], message: str) -> None:
        """Two ways to reach the second layer are a conflict that names them."""
        with pytest.raises(RedisConfigConflict, match=message):
            GCacheConfig(**ways)

    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            ("memory", r"layers is no list but a str: .*\[\"memory\", "),
            (b"memory", "no list but a bytes"),
            ({"memory"}, "no list but a set"),
            (7, "no list but a int"),
            (["memory", None], "layers has a NoneType, which is neither"),
            ([MemoryLayer], "layers has the class MemoryLayer"),
            ([RedisConfig()], "layers has a RedisConfig"),
            ([b"memory"], "layers has a bytes"),
        ],
        ids=repr,
    )
    def test_no_layers(self, layers: Any, message: str) -> None:
        """What is no list of layers or their texts is refused, and the error says what is meant."""
        with pytest.raises(GCacheConfigError, match=message):
            GCacheConfig(layers=layers)

    def test_layers_of_both_kinds(self) -> None:
        """Layers and texts may be mixed, and a configuration that is logged tells no text's password."""
        layer = SyncLayer("far", Clock())

        config = GCacheConfig(layers=["memory", "redis://user:hunter2@host?x=hunter2\nhunter2", layer])

        assert f"layers=['memory', 'redis...', {layer!r}]" in repr(config)
        assert "hunter2" not in repr(config)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("layers", []),
            ("config_refresh_sec", -1),
            ("config_refresh_sec", math.nan),
            ("config_refresh_sec", "1"),
            ("local_max_entries", 0),
            ("urn_prefix", "urn galileo"),
            ("urn_prefix", ""),
        ],
    )
    def test_unmeant(self, field: str, value: Any) -> None:
        """What cannot be meant is an error that names the field, when the configuration is built."""
        with pytest.raises(GCacheConfigError, match=field):
            GCacheConfig(**{field: value})


@pytest.mark.parametrize("given", [{"ttl_sec": 60}, {"ramp": 100}], ids=repr)
def test_one_number_for_all_layers(given: dict[str, Any]) -> None:
    """A number where each layer has its own is refused, with an example of what is meant."""
    with pytest.raises(GCacheConfigError, match=r"give a value for each layer, as in \{CacheLayer.LOCAL: "):
        GCacheKeyConfig(**given)


def test_decoded_responses() -> None:
    """A client that would turn entries into text is refused when it is configured."""
    with pytest.raises(GCacheConfigError, match="leave it out"):
        RedisConfig(redis_py_options={"decode_responses": True})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ttl_jitter", 1),
        ("ttl_jitter", -0.1),
        ("stale_if_error_sec", -1),
        ("stale_while_revalidate_sec", math.inf),
        ("retry_load_sec", "1"),
        ("refresh_ahead", True),
        ("load_timeout_sec", 0),
        ("load_timeout_sec", 1e10),
        ("soft_load_timeout_sec", -1),
        ("lease_sec", None),
        ("exception_ttl_sec", math.nan),
    ],
)
def test_unmeant_for_a_use_case(field: str, value: Any) -> None:
    """What cannot be meant is an error that names the field."""
    with pytest.raises(GCacheConfigError, match=field):
        GCacheKeyConfig(**{field: value})


def test_soft_limit_beyond_the_hard_one() -> None:
    """A soft limit that the hard one forestalls is refused."""
    with pytest.raises(GCacheConfigError, match="make the soft one shorter"):
        GCacheKeyConfig(soft_load_timeout_sec=2, load_timeout_sec=1, stale_if_error_sec=5)


def test_soft_limit_without_a_window() -> None:
    """A soft limit needs something stale to serve."""
    with pytest.raises(GCacheConfigError, match="without stale_if_error_sec"):
        GCacheKeyConfig(soft_load_timeout_sec=1)
