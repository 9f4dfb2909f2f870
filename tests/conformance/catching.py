"""What it means that a suite catches a fault."""

from __future__ import annotations

from typing import Any

from tests.conformance.running import run


def assert_sound(suite: type[Any]) -> None:
    """Assert that no test fails, so that what fails of the broken ones does so for what was broken."""
    ran = run(suite)

    assert set() == ran.broken
    assert ran.named("passed")


def assert_caught(suite: type[Any], test: str) -> None:
    """Assert that `test`, and it alone is run here, fails and says what the promise matters for."""
    ran = run(suite, "-k", f"{test} and not {test}_")

    assert {test} == ran.broken
    assert "Why it matters: " in ran.text(test)
