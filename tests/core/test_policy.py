"""From a configuration to what a call does: the ramp, and which layers are passed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache import GCacheKeyConfig, MemoryLayer
from gcache.core.policy import Policy, ramp_point
from gcache.core.tiers import Tier, link
from tests.core.layers import SyncLayer
from tests.core.stage import Clock

ENTITIES = [f"user_id:{number}" for number in range(2000)]


@pytest.fixture
def tiers() -> list[Tier]:
    """Memory, a disk in the middle, and the authority."""
    layers = [MemoryLayer[object](), SyncLayer("disk", Clock()), SyncLayer("remote", Clock())]
    return list(link([Tier(layer.name, layer=layer) for layer in layers]))


def names(policy: Policy, use_case: str = "Get", entity: str = "user_id:1") -> list[tuple[str, float]]:
    return [(step.tier.name, step.ttl) for step in policy.steps(use_case, entity)]


def ramped(percent: float, tiers: list[Tier], use_case: str = "Get") -> set[str]:
    policy = Policy(GCacheKeyConfig(ttl_sec={"local": 5}, ramp={"local": percent}), tiers, False)
    return {entity for entity in ENTITIES if policy.steps(use_case, entity)}


class TestSteps:
    def test_order(self, tiers: list[Tier]) -> None:
        """A call passes its layers nearest first, each with its own life."""
        config = GCacheKeyConfig(
            ttl_sec={"remote": 60, "local": 5, "disk": 30},
            ramp={"*": 0} | dict.fromkeys(("local", "disk", "remote"), 100),
        )

        assert [("local", 5), ("disk", 30), ("remote", 60)] == names(Policy(config, tiers, False))

    def test_every_layer(self, tiers: list[Tier]) -> None:
        """ "*" speaks for all layers that are not named."""
        config = GCacheKeyConfig(ttl_sec={"*": 9, "local": 5}, ramp={"*": 100, "disk": 0})

        assert [("local", 5), ("remote", 9)] == names(Policy(config, tiers, False))

    def test_unknown_layer(self, tiers: list[Tier]) -> None:
        """A layer that the chain does not have is passed over."""
        config = GCacheKeyConfig(ttl_sec={"moon": 9, "local": 5}, ramp={"moon": 100, "local": 100})

        assert [("local", 5)] == names(Policy(config, tiers, False))

    @pytest.mark.parametrize(
        "config",
        [GCacheKeyConfig(), GCacheKeyConfig(ttl_sec={"*": 0}, ramp={"*": 100})],
        ids=["nothing", "ttl 0"],
    )
    def test_none(self, tiers: list[Tier], config: GCacheKeyConfig) -> None:
        """Without a ramp, or with a life of 0, no layer is passed."""
        assert [] == names(Policy(config, tiers, False))

    def test_tracked(self, tiers: list[Tier]) -> None:
        """A tracked call passes by what is neither in process nor the authority."""
        config = GCacheKeyConfig.enabled(5)

        assert ["local", "remote"] == [name for name, _ in names(Policy(config, tiers, True))]
        assert ["local", "disk", "remote"] == [name for name, _ in names(Policy(config, tiers, False))]


class TestHotPath:
    @pytest.mark.parametrize(
        ("expected", "ramp"),
        [(True, {"local": 100}), (False, {"local": 99}), (False, {"remote": 100}), (False, {})],
    )
    def test_nearest_is_open(self, tiers: list[Tier], expected: bool, ramp: dict[str, float]) -> None:
        """Memory may answer unasked only if it is at the head and no call is ramped out of it."""
        assert expected == Policy(GCacheKeyConfig(ttl_sec={"*": 5}, ramp=ramp), tiers, False).nearest_is_open

    def test_other_head(self, tiers: list[Tier]) -> None:
        """A head that is out of process, or memory that is not at the head, does not."""
        config = GCacheKeyConfig.enabled(5)

        assert not Policy(config, tiers[1:], False).nearest_is_open
        assert not Policy(config, [tiers[1], tiers[0]], False).nearest_is_open


class TestShadow:
    def test_steps(self, tiers: list[Tier]) -> None:
        """Each layer has its share of shadowed hits, named or by "*", and none if nothing is said."""
        said = [GCacheKeyConfig({"*": 5}, {"*": 100}, shadow) for shadow in ({"*": 3, "disk": 0.5}, {})]
        shares = [[step.shadow for step in Policy(config, tiers, False).all] for config in said]

        assert [[3, 0.5, 3], [0, 0, 0]] == shares

    @pytest.mark.parametrize(
        ("expected", "ramp", "shadow"),
        [(7, 100, {"*": 7}), (0, 99, {"*": 7}), (0, 0, {"*": 7}), (0, 100, {"remote": 7})],
    )
    def test_open_shadow(
        self, tiers: list[Tier], expected: float, ramp: float, shadow: dict[str, float]
    ) -> None:
        """The hot path leaves hits to the chain if it is open and memory is shadowed."""
        config = GCacheKeyConfig({"*": 5}, {"local": ramp, "remote": 100}, shadow)

        assert expected == Policy(config, tiers, False).open_shadow


class TestRamp:
    def test_monotone(self, tiers: list[Tier]) -> None:
        """Those who are in at 10 stay in at 20, and so on up to all; at 0 there is nobody."""
        crowds = [ramped(percent, tiers) for percent in (0, 0.5, 10, 20, 50, 90, 100)]

        assert set() == crowds[0]
        assert set(ENTITIES) == crowds[-1]
        for fewer, more in itertools.pairwise(crowds):
            assert fewer < more

    def test_stable(self) -> None:
        """Where an entity lies depends on nothing but the names: the same in every process and release."""
        assert [43.14959053, 8.77229035] == [
            round(ramp_point("Get", entity), 8) for entity in ("user_id:1", "user_id:2")
        ]

    @pytest.mark.parametrize("percent", [1, 10, 25, 50, 75, 99])
    def test_share(self, tiers: list[Tier], percent: float) -> None:
        """As many are in as the percentage says, within five standard deviations."""
        share = percent / 100
        deviation = (len(ENTITIES) * share * (1 - share)) ** 0.5

        assert abs(len(ramped(percent, tiers)) - len(ENTITIES) * share) < 5 * deviation

    def test_per_use_case(self, tiers: list[Tier]) -> None:
        """Each use case draws its own lots."""
        assert ramped(50, tiers, "Get") != ramped(50, tiers, "List")

    def test_per_layer(self, tiers: list[Tier]) -> None:
        """An entity that is in at the lower ramp of one layer is in at the higher one of another."""
        config = GCacheKeyConfig(ttl_sec={"*": 5}, ramp={"local": 20, "remote": 60})
        policy = Policy(config, tiers, False)
        seen = {tuple(name for name, _ in names(policy, entity=entity)) for entity in ENTITIES}

        assert {(), ("remote",), ("local", "remote")} == seen

    @given(st.text(st.characters(), max_size=10), st.text(st.characters(), max_size=10))
    def test_range(self, use_case: str, entity: str) -> None:
        """Every entity lies from 0 to below 100, so that 0 is nobody and 100 everybody."""
        assert 0 <= ramp_point(use_case, entity) < 100
