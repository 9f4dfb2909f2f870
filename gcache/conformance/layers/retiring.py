"""Retiring an epoch in one step."""

from __future__ import annotations

from gcache.conformance._sides import Layer
from gcache.conformance._together import in_processes
from gcache.conformance.clocks import Clock
from gcache.conformance.layers.layer import LayerPart, Layers
from gcache.conformance.suite import needs
from gcache.core import epochs

# By how much the clock of a layer's server may differ from that of this machine.
_SKEW_SEC = 2.0


class Retiring(LayerPart, topic="retire"):
    """What `gcache.core.epochs.retired` says, done where the key lies."""

    def test_atomic_retire_is_declared(self, layer: Layer) -> None:
        """A layer has `retire` if, and only if, it declares atomic_retire.

        Core uses it as soon as it is there, and trusts it to be one step.
        """
        verb = "retire" if layer.side == "sync" else "aretire"

        assert self.atomic_retire == hasattr(layer.raw, verb)

    @needs("atomic_retire")
    def test_retire_takes_an_epoch_away(self, layer: Layer, prefix: str) -> None:
        """With ttl 0, retire() leaves nothing where an epoch stood, and nothing where nothing stood.

        That is an invalidation without a buffer: the next reader plants a new epoch.
        """
        layer.put({f"{prefix}epoch": epochs.plant()}, 60)
        for name in ("epoch", "absent"):
            layer.retire(f"{prefix}{name}", epochs.ANYBODY, 0)

        assert [None, None] == list(layer.get([f"{prefix}epoch", f"{prefix}absent"]))

    @needs("atomic_retire")
    def test_retire_holds(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """With a ttl, retire() puts a hold in the place of whatever stood there, and add() finds it there.

        While a hold stands, no reader can plant an epoch, so nothing is cached.
        """
        layer.put({f"{prefix}epoch": epochs.plant()}, 60)
        for name in ("epoch", "absent"):
            begun = clock.time()
            layer.retire(f"{prefix}{name}", "holder", 60)
            done = clock.time()
            holds = self._holds(layer, f"{prefix}{name}")

            assert ["holder"] == list(holds)
            assert begun + 60 - _SKEW_SEC <= holds["holder"] <= done + 60 + _SKEW_SEC
            assert not layer.add(f"{prefix}{name}", epochs.plant(), 60)

    @needs("atomic_retire")
    def test_retire_shortens_no_hold(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """A hold is prolonged by a longer ttl, never cut short by a shorter one, and not by anybody's 0.

        Two invalidations of one entity overlap, and the longer buffer counts.
        """
        begun = clock.time()
        for ttl in (30, 60, 10, 0):
            layer.retire(f"{prefix}epoch", epochs.ANYBODY, ttl)
        done = clock.time()
        holds = self._holds(layer, f"{prefix}epoch")

        assert [epochs.ANYBODY] == list(holds)
        assert begun + 60 - _SKEW_SEC <= holds[epochs.ANYBODY] <= done + 60 + _SKEW_SEC

    @needs("atomic_retire")
    def test_retire_ends_ones_own_hold_alone(self, layer: Layer, prefix: str) -> None:
        """A holder's ttl 0 ends its own hold and leaves those of others standing.

        Two processes write one entity at once, and the first that is done must not open it for caching.
        """
        layer.retire(f"{prefix}epoch", "a", 60)
        layer.retire(f"{prefix}epoch", "b", 30)
        layer.retire(f"{prefix}epoch", "a", 0)
        left = self._holds(layer, f"{prefix}epoch")
        layer.retire(f"{prefix}epoch", "b", 0)

        assert ["b"] == list(left)
        assert layer.one(f"{prefix}epoch") is None

    @needs("atomic_retire")
    def test_a_hold_ends(self, layer: Layer, clock: Clock, prefix: str) -> None:
        """The key of a hold expires with the last hold on it.

        After it the entity can be cached again.
        """
        life = max(0.25, self.min_ttl_sec)
        layer.retire(f"{prefix}epoch", "a", life / 2)
        layer.retire(f"{prefix}epoch", "b", life)
        deadline = clock.monotonic() + life + self.late_sec + _SKEW_SEC
        while layer.one(f"{prefix}epoch") is not None and clock.monotonic() < deadline:
            clock.advance(0.01)

        assert layer.one(f"{prefix}epoch") is None

    @needs("atomic_retire")
    def test_retire_in_threads(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """Of eight holders that retire one epoch at once, all hold it afterwards.

        Reading the key and then writing it loses whoever came in between.
        """
        layers.in_threads(8, lambda number: layer.retire(f"{prefix}epoch", f"holder{number}", 60))
        holders = sorted(self._holds(layer, f"{prefix}epoch"))

        assert [f"holder{number}" for number in range(8)] == holders

    @needs("atomic_retire", "shared")
    def test_retire_in_processes(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """Of four processes that retire one epoch at once, twenty times over, all hold it afterwards.

        That is what one step means: no other process comes in between.
        """

        def retire(number: int) -> None:
            own = layers.open()
            for turn in range(20):
                own.retire(f"{prefix}epoch", f"holder{number}x{turn}", 60)
            layers.close(own)

        in_processes(4, retire)
        holders = self._holds(layer, f"{prefix}epoch")

        assert {f"holder{number}x{turn}" for number in range(4) for turn in range(20)} == set(holders)

    def _holds(self, layer: Layer, key: str) -> dict[str, float]:
        """Return who holds, and until when (Unix time, by the layer's clock)."""
        stored = layer.one(key)

        assert "hold" == epochs.standing(stored)
        return epochs.decoded(stored)
