"""A Cluster whose slots go back and forth, so that it answers MOVED and ASK all the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis.crc import key_slot

from benchmarks.drills.repeating import repeating
from benchmarks.drills.scene import Scene
from tests.servers.process import Server

_ASKING_SEC = 0.01


@contextmanager
def resharding(scene: Scene) -> Iterator[None]:
    """The slots of all keys are migrated to the next node, each node's by turns, without end."""
    nodes = scene.stage.cluster.nodes
    names = {node.port: node.command("CLUSTER", "MYID").decode() for node in nodes}

    def once() -> None:
        for source in nodes:
            target = nodes[(nodes.index(source) + 1) % len(nodes)]
            slots = {key_slot(key) for key in source.command("KEYS", "*")}
            for slot in slots:
                _move_keys(slot, source, target, names)
            time.sleep(_ASKING_SEC)
            for slot in slots:
                for node in (target, source, *(node for node in nodes if node not in (target, source))):
                    node.command("CLUSTER", "SETSLOT", slot, "NODE", names[target.port])

    with repeating(once, every_sec=0.001):
        yield


def _move_keys(slot: int, source: Server, target: Server, names: dict[int, str]) -> None:
    """Begin to migrate a slot as `redis-cli` does: its node answers ASK until the slot is the target's."""
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source.port])
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target.port])
    while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        source.command("MIGRATE", target.host, target.port, "", 0, 1000, "REPLACE", "KEYS", *keys)
