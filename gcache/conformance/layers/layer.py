"""What an author says of a layer, and what each part of its suite is given."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import pytest

from gcache.conformance._opened import Opened
from gcache.conformance._sides import Layer, Side
from gcache.conformance.clocks import Clock, ManualClock, RealClock
from gcache.conformance.suite import Suite, forgotten


class Layers(Opened[Layer]):
    """The layers of one test."""

    noun = "layer"
    protocol = "CacheLayer"
    verbs = ("get", "put", "add", "delete", "clear", "close")

    def tried(self, raw: Any) -> Layer:
        return Layer(raw, self.side, self.loops)


class LayerPart(Suite):
    """The capabilities that a layer declares, and the fixtures that all parts of its suite share."""

    sides: ClassVar[Sequence[Side]] = ("sync",)
    """Which sides the layer has: "sync" for `get`, "async" for `aget`. Each test is run on each of them."""

    in_process: ClassVar[bool] = False
    """It keeps live objects in this process, as `MemoryLayer` does. Such a layer is no authority."""

    shared: ClassVar[bool] = True
    """All layers that `make_layer` opens, in any process, see the same entries."""

    survives_restart: ClassVar[bool] = False
    """Entries are still there when every layer has been closed and one is opened anew."""

    atomic_add: ClassVar[bool] = True
    """Of several that `add` one key at once, at most one is told True. An authority needs it."""

    authority: ClassVar[bool] = True
    """It may be the last layer of a chain, on which all processes agree. That takes atomic_add."""

    atomic_retire: ClassVar[bool] = False
    """It has `retire`, in one step. Without it, one invalidation can cut another one's hold short."""

    bulk_add: ClassVar[bool] = False
    """It has `add_many`, in one round trip. Without it, `cached_many` plants one epoch after the other."""

    counts_clears: ClassVar[bool] = True
    """`clear` returns how many entries it removed. One that cannot know returns 0."""

    pickles: ClassVar[bool] = False
    """A layer can be pickled, and works where it is unpickled. One that cannot raises when it is pickled."""

    controlled_clock: ClassVar[bool] = False
    """`make_layer` gives the layer the time of the fixture `clock`. Expiry is tried in real time as well."""

    faults: ClassVar[bool] = False
    """The fixtures `endpoint` and `make_layer_at` are there, to put a bad line before the layer's server."""

    max_key_bytes: ClassVar[int | None] = None
    """The longest key (UTF-8) that the layer takes; a longer one raises. None: of any length."""

    max_value_bytes: ClassVar[int | None] = None
    """The largest value that the layer takes; a larger one raises gcache.EntryTooLarge. None: over 1 MiB."""

    max_entries: ClassVar[int | None] = None
    """How many entries the layers of `make_layer` have room for, if they are bounded so."""

    max_bytes: ClassVar[int | None] = None
    """How many bytes of values the layers of `make_layer` have room for, if they are bounded so."""

    min_ttl_sec: ClassVar[float] = 0.0
    """The shortest life that the layer can give, in seconds; what is to live less long lives this long."""

    late_sec: ClassVar[float] = 0.0
    """For how many seconds after its end an entry may still be answered."""

    deadline_sec: ClassVar[float] = 2.0
    """In how many seconds every operation has ended, however bad the line to the server is."""

    @property
    def bounded(self) -> bool:
        """Whether the layer declares how much it keeps."""
        return bool(self.max_entries or self.max_bytes)

    @pytest.fixture
    def make_layer(self) -> Callable[[], Any]:
        """A function without arguments that opens the layer anew, as another process would."""
        forgotten(
            self,
            "make_layer",
            """
            @pytest.fixture
            def make_layer(self, tmp_path):
                return lambda: MyLayer(tmp_path / "entries.db")
            """,
        )

    @pytest.fixture
    def side(self) -> Side:
        """Which side of the layer is tried: given by `sides`."""
        return self.sides[0]

    @pytest.fixture
    def clock_kind(self) -> Literal["real", "manual"]:
        """Whose clock the test goes by: the machine's, or its own."""
        return "real"

    @pytest.fixture
    def clock(self, clock_kind: Literal["real", "manual"]) -> Clock:
        """What the test tells time by."""
        return ManualClock() if clock_kind == "manual" else RealClock()

    @pytest.fixture
    def layers(self, make_layer: Callable[[], Any], side: Side) -> Iterator[Layers]:
        """What opens layers."""
        layers = Layers(make_layer, side)
        yield layers
        layers.close_all()

    @pytest.fixture
    def layer(self, layers: Layers) -> Layer:
        """A layer that was just opened."""
        return layers.open()

    @pytest.fixture
    def prefix(self) -> str:
        """What all keys of this test begin with, and no others."""
        return f"urn:conformance:{uuid.uuid4().hex}:"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on each side, and tests of expiry by each clock."""
        if "side" in metafunc.fixturenames:
            metafunc.parametrize("side", self.sides)
        if self.controlled_clock and "clock_kind" in metafunc.fixturenames:
            is_expiry = self.topics.get(metafunc.function.__name__) == "expiry"
            metafunc.parametrize("clock_kind", ["manual", "real"] if is_expiry else ["manual"])

    def _told(self, test: str) -> Mapping[str, str]:
        told = {name: getattr(self, name) for name in LayerPart.__annotations__}
        told["sides"] = " and ".join(self.sides)
        return {**super()._told(test), **{f"declares {name}": str(value) for name, value in told.items()}}
