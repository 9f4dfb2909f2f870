"""Every drill: its name in the table, where it takes place, and what goes wrong there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.drills import clientside, network, planting, serverside, stages
from benchmarks.drills.clientside import YEAR_SEC, clock_off_by
from benchmarks.drills.network import slow_by
from benchmarks.drills.planting import planted
from benchmarks.drills.resharding import resharding
from benchmarks.drills.scene import Fault
from benchmarks.drills.stages import Stage
from benchmarks.drills.subjects import SideName


@dataclass(frozen=True)
class Crowd:
    """So many calls at once, `rounds` times over."""

    count: int
    rounds: int = 1


@dataclass(frozen=True, eq=False)
class Drill:
    """One row. `crowds` are the sides that call at once; without any, calls come one after the other."""

    name: str
    stage: Callable[[], AbstractContextManager[Stage]]
    fault: Fault
    crowds: Mapping[SideName, Crowd] = field(default_factory=dict[SideName, Crowd])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    peers: str = ""
    """Why no peer takes part; empty if all do that have the side."""


_OTHER_LAYER = "as the layer is one of ours"
_MEMORY = {"memory": True}
_NO_MEMORY = "as their local caches are off"
_CLUSTER = "as two of three reach a Cluster through other backends"

DRILLS = (
    Drill("nothing", stages.valkey, network.nothing),
    Drill("refused", stages.valkey, network.refused),
    Drill("black hole", stages.valkey, network.black_hole),
    Drill("accepts, then closes", stages.valkey, network.closed_at_once),
    Drill("slow by 10 ms", stages.valkey, slow_by(0.01)),
    Drill("slow by 100 ms", stages.valkey, slow_by(0.1)),
    Drill("slow by 400 ms", stages.valkey, slow_by(0.4)),
    Drill("slow by 1 s", stages.valkey, slow_by(1)),
    Drill("slow by 5 s", stages.valkey, slow_by(5)),
    Drill("cut in mid-reply", stages.valkey, network.cut),
    Drill("frozen", stages.valkey, serverside.frozen),
    Drill("killed, started again", stages.valkey, serverside.killed),
    Drill("out of memory", stages.valkey, serverside.out_of_memory),
    Drill("evicting everything", stages.valkey, serverside.evicting),
    Drill("read-only replica", stages.valkey, serverside.read_only),
    Drill("loading", stages.loading_valkey, serverside.loading),
    Drill("MOVED and ASK storm", stages.valkey_cluster, resharding, peers=_CLUSTER),
    Drill("bad password", stages.valkey_with_user, serverside.bad_password),
    Drill("ACL forbids", stages.valkey_with_user, serverside.forbidden),
    Drill("TLS certificate expired", stages.redis_with_tls, serverside.certificate_expired),
    Drill("wrong type", stages.valkey, planting.wrong_type),
    Drill("garbage", stages.valkey, planted(planting.garbage)),
    Drill("truncated entries", stages.valkey, planted(planting.truncated)),
    Drill("bit-flipped entries", stages.valkey, planted(planting.flipped)),
    Drill("clock a year ahead", stages.valkey, clock_off_by(YEAR_SEC)),
    Drill("clock a year behind", stages.valkey, clock_off_by(-YEAR_SEC)),
    Drill(
        "clock ahead, with memory", stages.valkey, clock_off_by(YEAR_SEC), options=_MEMORY, peers=_NO_MEMORY
    ),
    Drill(
        "clock behind, with memory", stages.valkey, clock_off_by(-YEAR_SEC), options=_MEMORY, peers=_NO_MEMORY
    ),
    Drill(
        "connection pool of 2",
        stages.valkey,
        network.nothing,
        {"sync": Crowd(50, 4), "async": Crowd(200, 4)},
        {"max_connections": 2},
    ),
    Drill("1,000 threads", stages.valkey, network.nothing, {"sync": Crowd(1000)}),
    Drill("10,000 tasks", stages.valkey, network.nothing, {"async": Crowd(10_000)}),
    Drill("memcached: refused", stages.memcached, network.refused, peers=_OTHER_LAYER),
    Drill("memcached: black hole", stages.memcached, network.black_hole, peers=_OTHER_LAYER),
    Drill("memcached: cut in mid-reply", stages.memcached, network.cut, peers=_OTHER_LAYER),
    Drill("memcached: slow by 1 s", stages.memcached, slow_by(1), peers=_OTHER_LAYER),
    Drill("memcached: frozen", stages.memcached, serverside.memcached_frozen, peers=_OTHER_LAYER),
    Drill("memcached: killed", stages.memcached, serverside.memcached_killed, peers=_OTHER_LAYER),
    Drill("disk: nothing", stages.disk, network.nothing, peers=_OTHER_LAYER),
    Drill("disk: full", stages.disk, clientside.disk_full, peers=_OTHER_LAYER),
)
