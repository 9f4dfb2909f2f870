"""What it means that a suite catches a fault."""

from __future__ import annotations

from typing import Any

from tests.conformance.running import run


def assert_caught(suite: type[Any], test: str) -> None:
    """Assert that `test`, and it alone is run here, fails and says what the promise matters for."""
    ran = run(suite, "-k", f"{test} and not {test}_")

    assert {test} == ran.broken
    assert "Why it matters: " in ran.text(test)
