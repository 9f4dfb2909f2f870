"""Faults of the server itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.drills.repeating import repeating
from benchmarks.drills.scene import Scene
from benchmarks.drills.stages import PASSWORD, USER, LoadingServer, ServerWithExpiredTwin
from gcache.conformance.waiting import wait_until
from tests.servers.process import Server


@contextmanager
def frozen(scene: Scene) -> Iterator[None]:
    """SIGSTOP: the kernel accepts connections, nothing answers; SIGCONT ends it."""
    server = scene.stage.server
    server.freeze()
    yield
    server.thaw()


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    """SIGKILL; at the end it is started again, empty, on its port."""
    server = scene.stage.server
    server.kill()
    yield
    server.start()


@contextmanager
def out_of_memory(scene: Scene) -> Iterator[None]:
    """`noeviction`, and no memory left: reads go on, writes are refused."""
    server = scene.stage.server
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
    yield
    server.command("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def evicting(scene: Scene) -> Iterator[None]:
    """`allkeys-lru` with a little room, and somebody else who fills it again and again."""
    server = scene.stage.server
    with server.client() as client:
        used = client.info("memory")["used_memory"]
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", used + 500_000)
    with server.client() as client:

        def fill() -> None:
            for number in range(50):
                client.set(f"filler:{number}", b"." * 20_000)

        with repeating(fill, every_sec=0.005):
            yield
    server.command("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def read_only(scene: Scene) -> Iterator[None]:
    """It has become the replica of an empty server: what it held is gone, writes are refused."""
    server = scene.stage.server
    with Server("valkey") as primary:
        server.command("REPLICAOF", primary.host, primary.port)
        wait_until(lambda: server.command("ROLE")[3] == b"connected", sentence="the replica to be in step")
        yield
        server.command("REPLICAOF", "NO", "ONE")


@contextmanager
def loading(scene: Scene) -> Iterator[None]:
    """It was started again and loads its dump, slowed down by `key-load-delay`."""
    server = scene.stage.server
    assert isinstance(server, LoadingServer)
    server.reload_slowly(load_sec=30)
    yield
    server.finish()
    wait_until(lambda: not server.is_loading(), sentence="the dump to be loaded")


@contextmanager
def bad_password(scene: Scene) -> Iterator[None]:
    """The password was changed, and connections were closed."""
    server, proxy = scene.stage.server, scene.stage.proxy
    server.command("ACL", "SETUSER", USER, "resetpass", ">another password")
    proxy.drop_connections()
    yield
    server.command("ACL", "SETUSER", USER, f">{PASSWORD}")


@contextmanager
def forbidden(scene: Scene) -> Iterator[None]:
    """The user may touch no key any more."""
    server = scene.stage.server
    server.command("ACL", "SETUSER", USER, "resetkeys")
    yield
    server.command("ACL", "SETUSER", USER, "allkeys")


@contextmanager
def certificate_expired(scene: Scene) -> Iterator[None]:
    """The server shows a certificate that ended yesterday, and connections were closed."""
    server, proxy = scene.stage.server, scene.stage.proxy
    assert isinstance(server, ServerWithExpiredTwin)
    server.show("expired")
    proxy.drop_connections()
    yield
    server.show("server")


@contextmanager
def memcached_frozen(scene: Scene) -> Iterator[None]:
    """SIGSTOP; SIGCONT ends it."""
    scene.stage.memcached.freeze()
    yield
    scene.stage.memcached.thaw()


@contextmanager
def memcached_killed(scene: Scene) -> Iterator[None]:
    """SIGKILL; at the end it is started again, empty, on its port."""
    scene.stage.memcached.kill()
    yield
    scene.stage.memcached.start()
