from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from gcache.conformance.waiting import wait_until
from tests.servers import availability
from tests.servers.availability import require

redis = pytest.importorskip("redis")

from gcache.conformance.proxy import FaultProxy  # noqa: E402
from tests.servers.cluster import Cluster  # noqa: E402
from tests.servers.process import Server  # noqa: E402

if TYPE_CHECKING:
    from tests.servers.tls import TlsServer


class TestServer:
    def test_runs_the_kind_asked_for(self, server: Server) -> None:
        """A server is of the kind it says."""
        with server.client() as client:
            program = client.info("server").get("server_name", "redis")

        assert server.kind == program

    def test_is_empty_at_the_start_of_a_test(self, server: Server) -> None:
        """A test finds nothing of what an earlier one wrote."""
        with server.client() as client:
            client.set("left behind", "value")
        server.empty()
        with server.client() as client:
            size = client.dbsize()

        assert 0 == size

    def test_killed_refuses_and_restarts_empty_on_its_port(self, own_server: Server) -> None:
        """A killed server refuses connections; restarted, it answers on the same port, empty."""
        port = own_server.port
        with own_server.client() as client:
            client.set("key", "value")
            own_server.kill()
            with pytest.raises(redis.ConnectionError):
                client.get("key")

            own_server.restart()

            assert port == own_server.port
            assert client.get("key") is None

    def test_frozen_is_silent_until_thawed(self, own_server: Server) -> None:
        """A frozen server lets a client run into its timeout; thawed, it has kept its data."""
        with own_server.client(socket_timeout=0.1) as client:
            client.set("key", "value")
            own_server.freeze()
            with pytest.raises(redis.TimeoutError):
                client.get("key")

            own_server.thaw()

            assert b"value" == client.get("key")

    @pytest.mark.parametrize("end", ["kill", "freeze"])
    def test_comes_back_for_the_next_test(self, server: Server, end: str) -> None:
        """A shared server that a test killed or froze answers after it has been emptied."""
        getattr(server, end)()

        server.empty()

        assert server.command("PING")

    def test_moves_on_from_a_taken_port(self, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
        """A port that is taken between the choice and the start costs another attempt, nothing more."""
        from tests.servers import process

        ports = iter([server.port, process.free_port()])
        monkeypatch.setattr(process, "free_port", lambda: next(ports))

        with Server(server.kind) as other:
            assert server.port != other.port
            assert other.command("PING")

    def test_says_why_it_does_not_start(self, server: Server) -> None:
        """A server that refuses its options fails with its own words, and leaves no directory."""
        refused = Server(server.kind, "--no-such-option", "1")

        with pytest.raises(RuntimeError, match="no-such-option"), refused:
            pass

        assert not refused.directory.exists()


class TestCluster:
    def test_serves_every_slot(self, cluster: Cluster) -> None:
        """A cluster's three primaries share all slots, and a key can be kept in each."""
        keys = {cluster.owner(key).port: key for key in map(str, range(50))}
        with cluster.client() as client:
            for key in keys.values():
                client.set(key, "value")
            covered = sum(int(last) - int(first) + 1 for first, last in client.cluster_slots())
            values = [client.get(key) for key in keys.values()]

        assert 16384 == covered
        assert {node.port for node in cluster.primaries} == keys.keys()
        assert [b"value"] * 3 == values

    def test_replica_takes_over(self) -> None:
        """With replicas, a killed primary's slots are served again; revived, it follows its successor."""
        require("valkey")
        with Cluster("valkey", replicas=1, node_timeout_ms=500) as cluster:
            former = cluster.owner("key")
            former.kill()
            wait_until(lambda: cluster.owner("key") is not former, sentence="a replica to take over")

            cluster.revive()

            assert former in cluster.replicas
            assert 3 == len(cluster.primaries)


class TestTls:
    def test_user_logs_in_by_url(self, tls_server: TlsServer) -> None:
        """The URL carries the user's awkward password, and the certificate is found valid."""
        url, ca_file = tls_server.url, str(tls_server.ca_file)
        with redis.Redis.from_url(url, ssl_ca_certs=ca_file, decode_responses=True) as client:
            name = client.acl_whoami()

        assert tls_server.username == name

    def test_user_reaches_own_keys_only(self, tls_server: TlsServer) -> None:
        """The user may write under the prefix, and neither elsewhere nor FLUSHALL."""
        with tls_server.user_client() as client:
            client.set(f"{tls_server.key_prefix}key", "value")

            with pytest.raises(redis.exceptions.NoPermissionError):
                client.set("other:key", "value")
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.flushall()

    def test_stranger_is_turned_away(self, tls_server: TlsServer) -> None:
        """Neither plain TCP nor an unknown authority's certificate will do."""
        with (
            redis.Redis(port=tls_server.port, retry=None) as plain,
            tls_server.client(ssl_ca_certs=None) as distrustful,
        ):
            with pytest.raises(redis.ConnectionError):
                plain.ping()
            with pytest.raises(redis.ConnectionError, match="certificate"):
                distrustful.ping()


class TestFaultProxy:
    def test_passes_through(self, fault_proxy: FaultProxy, server: Server) -> None:
        """At first a proxy is not noticed."""
        with server.client(port=fault_proxy.port) as client:
            client.set("key", "v" * 200_000)
            length = client.strlen("key")

        assert 200_000 == length
        assert 1 == fault_proxy.accepted

    def test_delays(self, fault_proxy: FaultProxy, server: Server) -> None:
        """A delay holds back replies on a connection that is already open."""
        with server.client(port=fault_proxy.port) as client:
            client.ping()
            fault_proxy.delay(0.1)
            start = time.monotonic()
            client.ping()

        assert 0.1 <= time.monotonic() - start

    def test_swallows(self, fault_proxy: FaultProxy, server: Server) -> None:
        """A black hole accepts a connection and answers nothing; the next mode ends that."""
        with server.client(port=fault_proxy.port, socket_timeout=0.1) as client:
            fault_proxy.black_hole()
            with pytest.raises(redis.TimeoutError):
                client.set("key", "value")
            fault_proxy.pass_through()

            assert client.get("key") is None

    def test_refuses(self, fault_proxy: FaultProxy, server: Server) -> None:
        """A refusing proxy drops open connections and takes no new ones; it comes back on the same port."""
        with server.client(port=fault_proxy.port) as client:
            client.ping()
            fault_proxy.refuse()
            with pytest.raises(redis.ConnectionError):
                client.ping()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((fault_proxy.host, fault_proxy.port))
            fault_proxy.pass_through()

            assert client.ping()

    @pytest.mark.parametrize("count", [0, 1, 5])
    def test_cuts_a_reply(self, fault_proxy: FaultProxy, count: int) -> None:
        """Exactly so many bytes of a reply arrive before the connection ends."""
        with socket.create_connection((fault_proxy.host, fault_proxy.port), timeout=2) as client:
            fault_proxy.cut_after(count)
            client.sendall(b"ECHO 0123456789\r\n")
            with client.makefile("rb") as reply:
                received = reply.read()

        assert b"$10\r\n0123456789\r\n"[:count] == received

    def test_lies(self, fault_proxy: FaultProxy, server: Server) -> None:
        """Garbage is no reply to any parser, and the server has not seen the command."""
        with server.client(port=fault_proxy.port) as client:
            client.ping()
            fault_proxy.garbage()
            with pytest.raises(redis.RedisError):
                client.set("key", "value")
            fault_proxy.garbage(b"+a lie\r\n")
            with socket.create_connection((fault_proxy.host, fault_proxy.port), timeout=2) as plain:
                plain.sendall(b"PING\r\n")
                answer = plain.recv(100)

        assert b"+a lie\r\n" == answer
        assert 0 == server.command("DBSIZE")

    def test_drops_connections(self, fault_proxy: FaultProxy) -> None:
        """Dropped connections end, new ones are served."""
        with socket.create_connection((fault_proxy.host, fault_proxy.port), timeout=2) as client:
            client.sendall(b"PING\r\n")
            first = client.recv(100)
            fault_proxy.drop_connections()
            rest = client.recv(100)
        with socket.create_connection((fault_proxy.host, fault_proxy.port), timeout=2) as client:
            client.sendall(b"PING\r\n")
            second = client.recv(100)

        assert (b"+PONG\r\n", b"", b"+PONG\r\n") == (first, rest, second)

    def test_passes_a_servers_end_on(self, fault_proxy: FaultProxy, server: Server) -> None:
        """A client behind the proxy notices that the server was killed."""
        with server.client(port=fault_proxy.port) as client:
            client.ping()
            server.kill()

            with pytest.raises(redis.ConnectionError):
                client.ping()

    @pytest.mark.parametrize("mode", ["pass_through", "black_hole", "refuse", "garbage"])
    def test_leaves_no_thread(self, mode: str, server: Server) -> None:
        """Closed in any mode, with a connection open, a proxy leaves no thread and no listener."""
        threads = threading.active_count()
        with FaultProxy(server.port) as proxy, server.client(port=proxy.port) as client:
            client.ping()
            getattr(proxy, mode)()

        assert threads == threading.active_count()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port))


class TestAvailability:
    def test_missing_skips_with_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A missing server skips the test and names the remedy."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("GCACHE_REQUIRE_SERVERS", raising=False)

        with pytest.raises(pytest.skip.Exception, match="apt install redis-server"):
            availability.require("redis")

    def test_missing_fails_when_servers_are_required(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With GCACHE_REQUIRE_SERVERS=1 a missing server is a failure."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("GCACHE_REQUIRE_SERVERS", "1")

        with pytest.raises(pytest.fail.Exception, match="redis-server on PATH"):
            availability.require("redis")
