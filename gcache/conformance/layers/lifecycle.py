"""Threads, loops, forks, restarts, and the end."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import threading
from pathlib import Path

import pytest

from gcache.conformance._sides import Layer
from gcache.conformance._together import Child, Meeting
from gcache.conformance.layers.layer import LayerPart, Layers
from gcache.conformance.suite import needs

_ROUNDS = 100
_FILES = Path("/proc/self/fd")


class Lifecycle(LayerPart, topic="threads, loops, processes"):
    """A layer is made once, and called from everywhere."""

    def test_sides_are_declared(self, layers: Layers) -> None:
        """A layer has the sides that the suite names, and no others.

        Core uses each side that is there; one that is not tried here may be broken.
        """
        raw = layers.open().raw
        there = [side for side, verb in (("sync", "get"), ("async", "aget")) if hasattr(raw, verb)]

        assert sorted(self.sides) == sorted(there)

    def test_it_has_a_name(self, layers: Layers) -> None:
        """A layer has a name, which is a string, neither empty nor "*".

        The name is its key in ttl_sec and ramp, and its label in metrics.
        """
        name = layers.open().raw.name

        assert isinstance(name, str)
        assert name not in ("", "*")

    def test_many_threads(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """Eight threads, with loops of their own if the layer is awaited, get what they have put themselves.

        One layer serves all threads and loops of a process. An answer that goes to the wrong one is another
        key's value.
        """

        def work(number: int) -> list[bytes]:
            found: list[bytes] = []
            for turn in range(_ROUNDS):
                layer.put({f"{prefix}{number}": b"%d:%d" % (number, turn)}, 60)
                found.append(layer.one(f"{prefix}{number}"))
            return found

        found = layers.in_threads(8, work)

        assert [[b"%d:%d" % (n, turn) for turn in range(_ROUNDS)] for n in range(8)] == found

    def test_many_callers_of_one_loop(self, layer: Layer, prefix: str) -> None:
        """Two hundred calls that are under way at once each get the answer to their own key.

        An async application has as many callers as it has requests.
        """
        layer.put({f"{prefix}{n}": b"%d" % n for n in range(0, 200, 2)}, 60)
        found = layer.at_once("get", [([f"{prefix}{n}"],) for n in range(200)])

        assert [[None] if n % 2 else [b"%d" % n] for n in range(200)] == [list(values) for values in found]

    def test_loop_after_loop(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """A layer goes on working on a second event loop after the first has ended, and within a running one.

        `asyncio.run` twice in one program is two loops; a blocking layer is called from within loops, too.
        """
        found: list[bytes] = []
        for turn in range(3):
            layer.put({f"{prefix}key": b"%d" % turn}, 60)
            found.append(layer.one(f"{prefix}key"))
            layers.loops.close()
        if layer.side == "sync":

            async def within() -> None:
                found.append(layer.one(f"{prefix}key"))

            asyncio.run(within())

        assert [b"0", b"1", b"2", b"2"][: len(found)] == found

    def test_fork(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """After a fork, parent and child both use the layer that the parent had opened, at the same time.

        Servers open everything and then fork. A connection that both write to gives each the other's answers.
        """
        layer.put({f"{prefix}before": b"before"}, 60)

        def work(number: int, name: str) -> list[bytes]:
            try:
                found = [layer.one(f"{prefix}before")]
                for turn in range(_ROUNDS):
                    meeting.wait(number, turn + 1)
                    layer.put({f"{prefix}{name}": b"%s:%d" % (name.encode(), turn)}, 60)
                    found.append(layer.one(f"{prefix}{name}"))
            finally:
                meeting.leave(number)
            return found

        meeting = Meeting(2)
        child = Child(lambda: work(1, "child"))
        ours, theirs = work(0, "parent"), child.result()

        assert self._expected("parent") == ours
        assert self._expected("child") == theirs

    def test_fork_beside_busy_threads(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """A child that is forked while other threads are using the layer can use it as well.

        The child has none of those threads, but the locks that they held, and what they had half done.
        """
        layer.put({f"{prefix}before": b"before"}, 60)
        ended = threading.Event()

        def work(number: int) -> list[bytes]:
            if number == 0:
                try:
                    return [Child(lambda: layer.one(f"{prefix}before")).result() for _ in range(8)]
                finally:
                    ended.set()
            while not ended.is_set():
                layer.put({f"{prefix}{number}": bytes(1000)}, 60)
            return []

        found, *_ = layers.in_threads(4, work)

        # What a thread was just changing in this process, a child may have to do without.
        lost: set[bytes | None] = set() if self.shared else {None}
        assert {b"before"} >= set(found) - lost

    @needs("shared")
    def test_processes_see_each_other(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """What another process has put is here, and what is deleted here is gone there.

        Processes share a layer so that one loads for all.
        """

        def put() -> int:
            own = layers.open()
            own.put({f"{prefix}theirs": b"theirs"}, 60)
            removed = own.delete([f"{prefix}ours"])
            layers.close(own)
            return removed

        layer.put({f"{prefix}ours": b"ours"}, 60)
        removed = Child(put).result()

        assert 1 == removed
        assert [b"theirs", None] == list(layer.get([f"{prefix}theirs", f"{prefix}ours"]))

    @needs("survives_restart")
    def test_restart(self, layers: Layers, prefix: str) -> None:
        """When all have closed the layer and one opens it anew, the entries are there.

        That is what a layer on disk is for: an application that starts does not start cold.
        """

        def put() -> None:
            own = layers.open()
            own.put({f"{prefix}key": b"value"}, 60)
            own.add(f"{prefix}added", b"value", 60)
            layers.close(own)

        Child(put).result()

        assert [b"value", b"value"] == list(layers.open().get([f"{prefix}key", f"{prefix}added"]))

    def test_pickle(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """A layer comes out of pickle as one that works, if it declares pickles; else pickling it raises.

        A layer that is pickled by accident, with a task or a config, must not come back half alive.
        """
        layer.put({f"{prefix}key": b"value"}, 60)
        if not self.pickles:
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
                pickle.dumps(layer.raw)
            return
        copied = Layer(pickle.loads(pickle.dumps(layer.raw)), layer.side, layers.loops)
        found = copied.one(f"{prefix}key")
        copied.close()

        assert (b"value" if self.shared else None) == found
        assert b"value" == layer.one(f"{prefix}key")

    def test_closed(self, layers: Layers, prefix: str) -> None:
        """A closed layer does not say that an entry is absent which is there: it raises, or it looks.

        Core would take "absent" for an answer, and plant an epoch beside the one that stands.
        """
        layer = layers.open()
        layer.put({f"{prefix}key": b"value"}, 60)
        layers.close(layer)
        if self.in_process:
            return
        try:
            found = layer.one(f"{prefix}key")
        except Exception:
            return

        assert b"value" == found

    @needs("shared")
    def test_closing_leaves_the_entries(self, layers: Layers, layer: Layer, prefix: str) -> None:
        """close() lets go of connections and files, not of entries, and not of another layer's connections.

        One process that ends must not cost the others their cache.
        """
        other = layers.open()
        other.put({f"{prefix}key": b"value"}, 60)
        layers.close(other)

        assert b"value" == layer.one(f"{prefix}key")

    @pytest.mark.skipif(not _FILES.is_dir(), reason="this system does not list a process's files")
    def test_close_lets_go(self, layers: Layers, prefix: str) -> None:
        """Forty layers that were opened, used and closed leave no files and connections behind.

        Tests and reloading servers open layers again and again.
        """

        def use() -> None:
            layer = layers.open()
            layer.put({f"{prefix}key": b"value"}, 60)
            layers.close(layer)

        use()
        gc.collect()
        before = len(os.listdir(_FILES))
        for _ in range(40):
            use()
        gc.collect()

        assert len(os.listdir(_FILES)) < before + 20

    def _expected(self, name: str) -> list[bytes]:
        return [b"before", *(b"%s:%d" % (name.encode(), turn) for turn in range(_ROUNDS))]
