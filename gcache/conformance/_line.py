"""The bad line between a part and its server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from gcache.conformance.proxy import FaultProxy
from gcache.conformance.suite import Suite, forgotten


class LinePart(Suite):
    """The fixtures of tests that are run where `faults` is declared."""

    faults: ClassVar[bool]

    @pytest.fixture
    def endpoint(self) -> tuple[str, int]:
        """Host and port of the server that is to be reached through a proxy."""
        forgotten(
            self,
            "endpoint",
            """
            @pytest.fixture
            def endpoint(self, server):
                return "127.0.0.1", server.port
            """,
        )

    @pytest.fixture
    def line(self, request: pytest.FixtureRequest) -> Iterator[FaultProxy]:
        """The line to the server, which is in order until it is told otherwise."""
        if not self.faults:
            pytest.skip(f"{type(self).__name__} declares faults = False")
        host, port = request.getfixturevalue("endpoint")
        with FaultProxy(port, host) as proxy:
            yield proxy
