from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.stacks import Instances, Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gcache import GCache

_SERVERS = {"valkey": "valkey", "redis": "redis_server", "cluster": "valkey_cluster"}


@pytest.fixture(params=["memory", "valkey", "redis", "cluster"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Memory only, Valkey, Redis, and a Cluster of three nodes."""
    if request.param == "memory":
        return Stack(None)
    server = request.getfixturevalue(_SERVERS[request.param])
    server.empty()
    return Stack(server)


@pytest.fixture
async def new_gcache(stack: Stack) -> AsyncIterator[Instances]:
    """Makes instances on the stack, all with one prefix: close one before the next is made."""
    instances = Instances(stack)
    yield instances
    await instances.aclose()


@pytest.fixture
async def gcache(new_gcache: Instances) -> GCache:
    """An instance that caches everything in every layer of the stack."""
    return new_gcache()
