"""Runs the code blocks of the README as tests, one after the other in one namespace."""

from __future__ import annotations

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser


def _name(namespace: dict[str, object]) -> None:
    namespace["__name__"] = "readme"


def _close(namespace: dict[str, object]) -> None:
    for name in ("gcache", "shop"):
        namespace[name].close()  # type: ignore[attr-defined]


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["README.md"], setup=_name, teardown=_close
).pytest()
