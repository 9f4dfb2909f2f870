"""What an author says of a layer, and what each part of its suite is given."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import pytest

from gcache.conformance import _together
from gcache.conformance._sides import Layer, Loops, Side
from gcache.conformance.clocks import Clock, ManualClock, RealClock
from gcache.conformance.suite import Suite, forgotten

_VERBS = ("get", "put", "add", "delete", "clear", "close")


class Layers:
    """Opens the layer of a test, as often as it is asked to, and closes what was opened."""

    def __init__(self, make: Callable[[], Any], side: Side) -> None:
        self.side: Side = side
        self.loops = Loops()
        self._make = make
        self._opened: list[Layer] = []

    def make(self) -> Any:
        """Return a new layer, which is its caller's to close."""
        if not callable(self._make):
            pytest.fail(
                f"make_layer gave a {type(self._make).__name__} instead of a function that opens one, as in "
                "`return lambda: MyLayer(...)`: the suite opens several layers over one storage.",
                pytrace=False,
            )
        layer = self._make()
        mark = "a" if self.side == "async" else ""
        if lacking := [f"{mark}{verb}" for verb in _VERBS if not hasattr(layer, f"{mark}{verb}")]:
            pytest.fail(
                f"make_layer() returned a {type(layer).__name__}, which lacks {', '.join(lacking)}: a layer "
                f"has the methods of gcache.{'Async' * bool(mark)}CacheLayer on each of the suite's `sides`.",
                pytrace=False,
            )
        return layer

    def open(self) -> Layer:
        """Return a new layer, which is closed when the test ends."""
        layer = Layer(self.make(), self.side, self.loops)
        self._opened.append(layer)
        return layer

    def close(self, layer: Layer) -> None:
        """Close a layer before the test ends."""
        self._opened.remove(layer)
        layer.close()

    def in_threads(self, count: int, work: Callable[[int], Any]) -> list[Any]:
        """Return what `work(0)`, `work(1)`, ... give in threads that start together, each with its loop."""

        def work_and_leave(number: int) -> Any:
            try:
                return work(number)
            finally:
                self.loops.close()

        return _together.in_threads(count, work_and_leave)

    def close_all(self) -> None:
        try:
            for layer in tuple(self._opened):
                self.close(layer)
        finally:
            self.loops.close()


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
