"""A Cluster whose slots go back and forth, so that it answers MOVED and ASK all the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis.crc import key_slot

from benchmarks.drills.repeating import repeating
from benchmarks.drills.scene import Scene
from tests.servers.process import Server


@contextmanager
def resharding(scene: Scene) -> Iterator[None]:
    """The slot of each key is migrated to another node, key by key, and the round begins again."""
    nodes = scene.stage.cluster.nodes
    names = {node.port: node.command("CLUSTER", "MYID").decode() for node in nodes}

    def once() -> None:
        for source in nodes:
            for slot in sorted({key_slot(key) for key in source.command("KEYS", "*")})[:8]:
                target = nodes[(nodes.index(source) + 1) % len(nodes)]
                _migrate(slot, source, target, names, nodes)

    with repeating(once, every_sec=0.001):
        yield


def _migrate(slot: int, source: Server, target: Server, names: dict[int, str], nodes: list[Server]) -> None:
    """Move a slot as `redis-cli --cluster reshard` does: ASK while it lasts, MOVED from then on."""
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source.port])
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target.port])
    while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        source.command("MIGRATE", target.host, target.port, "", 0, 1000, "REPLACE", "KEYS", *keys)
    for node in (target, source, *(node for node in nodes if node not in (target, source))):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", names[target.port])
