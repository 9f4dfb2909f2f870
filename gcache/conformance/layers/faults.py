"""A layer whose server is hard to reach: it raises, in time, and never makes an answer up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from gcache.conformance._instance import Instance, Source
from gcache.conformance._line import LinePart
from gcache.conformance._sides import Layer, Loops, Side, WatchedLayer
from gcache.conformance.layers.layer import LayerPart, Layers
from gcache.conformance.proxy import FaultProxy
from gcache.conformance.suite import forgotten, needs
from gcache.conformance.waiting import wait_until
from gcache.errors import InvalidationPending

_VALUE = bytes(range(256)) * 20


class Faults(LinePart, LayerPart, topic="faults"):
    """Run where `faults` is declared, with a proxy between the layer and its server."""

    @pytest.fixture
    def make_layer_at(self) -> Callable[[str, int], Any]:
        """A function of host and port that opens a layer over the server which answers there."""
        forgotten(
            self,
            "make_layer_at",
            """
            @pytest.fixture
            def make_layer_at(self):
                return lambda host, port: MyLayer(host, port)
            """,
        )

    @pytest.fixture
    def far(self, request: pytest.FixtureRequest, line: FaultProxy, side: Side) -> Iterator[Layer]:
        """A layer at the other end of the line."""
        make = request.getfixturevalue("make_layer_at")
        layers = Layers(lambda: make(line.host, line.port), side)
        far = WatchedLayer(layers.make(), side, layers.loops, 2 * self.deadline_sec)
        yield far
        line.pass_through()
        with suppress(Exception, pytest.fail.Exception):  # a layer may say that its line was cut
            far.close()

    def test_refused(self, far: Layer, line: FaultProxy, prefix: str) -> None:
        """When the server refuses, every operation raises, and within deadline_sec.

        "Absent" would be a lie: core would plant an epoch where one stands.
        """
        line.refuse()

        self._every_operation_raises(far, prefix)

    def test_silent(self, far: Layer, line: FaultProxy, prefix: str) -> None:
        """When the server accepts and answers nothing, every operation raises within deadline_sec.

        A server that hangs must not take its callers along.
        """
        far.put({f"{prefix}key": _VALUE}, 60)
        line.black_hole()

        self._every_operation_raises(far, prefix)

    def test_garbled(self, far: Layer, line: FaultProxy, prefix: str) -> None:
        """When something else answers in the server's place, what it says is no value.

        Ports are given to other programs, and proxies answer with pages of their own.
        """
        far.put({f"{prefix}key": _VALUE}, 60)
        line.garbage()
        for _ in range(3):
            with pytest.raises(Exception):  # noqa: B017  # which one is up to the layer
                far.one(f"{prefix}key")

    def test_cut(self, far: Layer, line: FaultProxy, prefix: str) -> None:
        """When the line is cut in the middle of an answer, wherever that is, the answer is right or an error.

        Half a value is damage, and half an answer to two keys is not "absent".
        """
        far.put({f"{prefix}key": _VALUE}, 60)
        wrong: list[tuple[int, Any]] = []
        for count in (0, 1, 5, 20, 60, 100, 1000, 4000, len(_VALUE)):
            line.cut_after(count)
            with suppress(Exception):
                found = far.one(f"{prefix}key")
                if found != _VALUE:
                    wrong.append((count, found))
            line.pass_through()
            self._comes_back(far, f"{prefix}key")

        assert [] == wrong

    def test_slow(self, far: Layer, line: FaultProxy, prefix: str) -> None:
        """An answer that comes after its caller gave up goes to nobody, least of all to the next caller.

        A connection with an answer still to come is not to be used again.
        """
        far.put({f"{prefix}a": b"a", f"{prefix}b": b"b"}, 60)
        line.delay(self.deadline_sec)
        with pytest.raises(Exception):  # noqa: B017  # which one is up to the layer
            far.one(f"{prefix}a")
        line.pass_through()
        found: list[bytes] = []
        for _ in range(5):
            with suppress(Exception):
                found.append(far.one(f"{prefix}b"))

        assert [b"b"] * len(found) == found
        self._comes_back(far, f"{prefix}b", b"b")

    def test_comes_back(self, far: Layer, line: FaultProxy, prefix: str) -> None:
        """After a fault has ended, the same layer works again.

        Nobody restarts an application because its cache was away for a minute.
        """
        far.put({f"{prefix}key": _VALUE}, 60)
        for fault in (line.refuse, line.black_hole, line.garbage, line.drop_connections):
            fault()
            with suppress(Exception):
                far.one(f"{prefix}key")
            line.pass_through()
            self._comes_back(far, f"{prefix}key")

    @needs("authority")
    def test_callers_are_served(
        self, line: FaultProxy, make_layer_at: Callable[[str, int], Any], side: Side, prefix: str
    ) -> None:
        """While the layer's server is away the source answers; an invalidation is made up for afterwards.

        The cache never breaks a caller, and what could not be invalidated yet is not served.
        """
        loops, source = Loops(), Source()
        instance = Instance([make_layer_at(line.host, line.port)], prefix.rstrip(":"), side, loops)
        read = instance.cached(source)
        read(1)
        line.refuse()
        source.truth[1] = 1
        with pytest.raises(InvalidationPending):
            instance.invalidate(1)
        during = [read(1), read(2)]
        line.pass_through()
        wait_until(lambda: _is_cached(read, source), sentence="the invalidation to be made up for")
        after = read(1)
        instance.close()
        loops.close()

        assert [1, 0] == during
        assert 1 == after

    def _every_operation_raises(self, layer: Layer, prefix: str) -> None:
        key = f"{prefix}key"
        for verb, args in (
            ("get", ([key],)),
            ("put", ({key: b"value"}, 60)),
            ("add", (key, b"value", 60)),
            ("delete", ([key],)),
            ("clear", (prefix,)),
        ):
            started = time.monotonic()
            with pytest.raises(Exception):  # noqa: B017  # which one is up to the layer
                getattr(layer, verb)(*args)
                pytest.fail(f"{verb}() did not raise")

            assert time.monotonic() - started < self.deadline_sec, f"{verb}() took too long"

    def _comes_back(self, layer: Layer, key: str, value: bytes = _VALUE) -> None:
        def answers() -> bool:
            with suppress(Exception):
                return bool(layer.one(key) == value)
            return False

        wait_until(answers, sentence="the layer to answer again")


def _is_cached(read: Callable[[int], Any], source: Source) -> bool:
    before = source.loads
    read(1)
    return before == source.loads
