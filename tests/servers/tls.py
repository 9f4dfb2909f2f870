"""A Redis server that speaks TLS only and knows a user with few rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import trustme

from tests.servers.availability import require
from tests.servers.process import Server

if TYPE_CHECKING:
    import redis


class TlsServer(Server):
    """A TLS-only server with a certificate for 127.0.0.1 and localhost.

    The user `username` may touch keys and channels under `key_prefix` only, keys with a brace before it too,
    and use no command that Redis calls dangerous (INFO, KEYS, FLUSHALL). `client()` is an administrator's,
    `user_client()` is that user's.
    """

    username = "app"
    password = "p/a#s@s:w%rd"
    key_prefix = "app:"

    def __init__(self, *options: str) -> None:
        require("tls")
        super().__init__("redis", *options)
        administrator = "administrator's password"
        self.ca_file = self.directory / "ca.pem"
        self._write_certificates()
        self._port_option = "--tls-port"
        self._options += [
            *("--tls-cert-file", str(self.directory / "server.pem")),
            *("--tls-key-file", str(self.directory / "server.key")),
            *("--tls-ca-cert-file", str(self.ca_file)),
            *("--tls-auth-clients", "no"),
            *("--requirepass", administrator),
            *("--user", self.username, "on", f">{self.password}"),
            *(f"~{self.key_prefix}*", f"~{{{self.key_prefix}*", f"&{self.key_prefix}*"),
            *("+@all", "-@dangerous"),
        ]
        self._client_options = {"ssl": True, "ssl_ca_certs": str(self.ca_file), "password": administrator}

    @property
    def url(self) -> str:
        """The user's address; the authority's certificate, `ca_file`, is up to the client."""
        return f"rediss://{self.username}:{quote(self.password, safe='')}@{self.host}:{self.port}/0"

    def user_client(self, **options: Any) -> redis.Redis:
        """A client logged in as the user with few rights. Close it."""
        return self.client(username=self.username, password=self.password, **options)

    def _write_certificates(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(str(self.ca_file))
        certificate.private_key_pem.write_to_path(str(self.directory / "server.key"))
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(str(self.directory / "server.pem"), append=True)
