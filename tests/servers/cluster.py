"""A cluster of three primaries, formed without redis-cli."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot

from gcache.conformance.waiting import wait_until
from tests.servers.process import Server

if TYPE_CHECKING:
    from types import TracebackType

    from tests.servers.availability import Kind

_SLOT_RANGES = ((0, 5460), (5461, 10922), (10923, 16383))
_FIELDS_BEFORE_SLOTS = 8
_UNSETTLED = {b"handshake", b"noaddr", b"fail", b"fail?"}


class Cluster:
    """Three primaries, each with `replicas` replicas; every node announces 127.0.0.1."""

    def __init__(self, kind: Kind, *options: str, replicas: int = 0, node_timeout_ms: int = 1000) -> None:
        self.kind = kind
        self.nodes: list[Server] = []
        self._node_options = (
            *("--cluster-enabled", "yes"),
            *("--cluster-announce-ip", Server.host),
            *("--cluster-node-timeout", str(node_timeout_ms)),
            *("--repl-diskless-sync-delay", "0"),
            *options,
        )
        self._size = len(_SLOT_RANGES) * (1 + replicas)

    @property
    def url(self) -> str:
        return self.nodes[0].url

    @property
    def startup_nodes(self) -> list[ClusterNode]:
        return [ClusterNode(node.host, node.port) for node in self.nodes]

    @property
    def primaries(self) -> list[Server]:
        """The nodes that call themselves primary just now; all of them must be running."""
        return [node for node in self.nodes if node.command("ROLE")[0] == b"master"]

    @property
    def replicas(self) -> list[Server]:
        return [node for node in self.nodes if node.command("ROLE")[0] == b"slave"]

    def owner(self, key: str) -> Server:
        """The primary that holds `key`, as the first running node sees it."""
        slot = key_slot(key.encode())
        ports = [row[2][1] for row in self._slots() if row[0] <= slot <= row[1]]
        return next(node for node in self.nodes if [node.port] == ports)

    def replicas_of(self, primary: Server) -> list[Server]:
        """The nodes that follow `primary`, whether they answer or not."""
        primary_id = primary.command("CLUSTER", "MYID")
        places = [row[1].split(b"@")[0] for row in _peers(primary) if row[3] == primary_id]
        return [node for node in self.nodes if f"{node.host}:{node.port}".encode() in places]

    def start(self) -> None:
        """Return once every node finds the cluster whole and every replica follows its primary."""
        for _ in range(self._size):
            node = Server(self.kind, *self._node_options)
            self.nodes.append(node)
            node.start()
        primaries, replicas = self.nodes[: len(_SLOT_RANGES)], self.nodes[len(_SLOT_RANGES) :]
        for epoch, (node, slots) in enumerate(zip(primaries, _SLOT_RANGES, strict=True), start=1):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            node.command("CLUSTER", "ADDSLOTSRANGE", *slots)
        for node, other in combinations(self.nodes, 2):
            node.command("CLUSTER", "MEET", other.host, other.port)
        wait_until(self._all_have_met, sentence="the nodes to know each other")
        for place, node in enumerate(replicas):
            primary_id = primaries[place % len(primaries)].command("CLUSTER", "MYID").decode()
            node.command("CLUSTER", "REPLICATE", primary_id)
        self.wait_until_settled()

    def wait_until_settled(self, timeout_sec: float = 20.0) -> None:
        wait_until(self._is_settled, sentence="the cluster to settle", timeout_sec=timeout_sec)

    def wait_until_replaced(self, lost: Server) -> None:
        """Return once a replica has the slots of `lost`, a primary that was killed or frozen."""
        wait_until(
            lambda: lost.port not in [row[2][1] for row in self._slots()],
            sentence="a replica to take over",
            timeout_sec=20,
        )

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def revive(self) -> None:
        """Thaw or start each node a test left frozen or dead, and wait for the cluster to be whole."""
        for node in self.nodes:
            node.revive()
        self.wait_until_settled()

    def empty(self) -> None:
        """Revive it and drop every key."""
        self.revive()
        for node in self.primaries:
            node.command("FLUSHALL")

    def client(self, **options: Any) -> RedisCluster:
        """A client for the test's own use. Close it."""
        return RedisCluster(startup_nodes=self.startup_nodes, **({"socket_timeout": 2.0} | options))

    def _slots(self) -> Any:
        """The rows of CLUSTER SLOTS: first and last slot, primary, replicas."""
        witness = next(node for node in self.nodes if node.running and not node.frozen)
        return witness.command("CLUSTER", "SLOTS")

    def _all_have_met(self) -> bool:
        return all(self._knows_all(_peers(node)) for node in self.nodes)

    def _is_settled(self) -> bool:
        try:
            return all(self._is_settled_on(node) for node in self.nodes)
        except redis.RedisError:
            return False

    def _is_settled_on(self, node: Server) -> bool:
        peers = _peers(node)
        primaries = [peer for peer in peers if b"master" in peer[2]]
        with_slots = [peer for peer in peers if len(peer) > _FIELDS_BEFORE_SLOTS]
        role = node.command("ROLE")
        return (
            self._knows_all(peers)
            and len(primaries) == len(with_slots) == len(_SLOT_RANGES)
            and (role[0] == b"master" or role[3] == b"connected")
            and b"cluster_state:ok" in node.command("CLUSTER", "INFO")
        )

    def _knows_all(self, peers: list[list[bytes]]) -> bool:
        flags = {flag for peer in peers for flag in peer[2].split(b",")}
        return len(peers) == self._size and not flags & _UNSETTLED

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _peers(node: Server) -> list[list[bytes]]:
    """The rows of CLUSTER NODES, split into fields; the third holds the flags."""
    return [row.split() for row in node.command("CLUSTER", "NODES").splitlines()]
