"""The page of layers by promises: what the suite found, as JUnit reports have it.

`python -m tests.conformance.table PAGE REPORT...` writes the page, or with `--check` fails if it is another.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

_HEAD = """\
# Layers

What each layer declares, and how many tests of the suite it passed. `nox -s adapters` finds it out, and fails
where this page says otherwise. [Write an adapter](write-an-adapter.md) says what the words mean.
"""
_DASH = "A dash stands where a layer declares nothing of the kind."
_DECLARED = (
    "sides",
    "shared",
    "survives_restart",
    "authority",
    "atomic_retire",
    "bulk_add",
    "counts_clears",
    "pickles",
    "max_key_bytes",
    "max_value_bytes",
    "max_entries",
    "max_bytes",
    "min_ttl_sec",
    "late_sec",
)
_WORDS = {"True": "yes", "False": "no", "None": "no limit"}


@dataclass
class Layer:
    """What was found of one layer: its declarations, and the outcomes of its tests by topic."""

    declared: Mapping[str, str] = field(default_factory=dict[str, str])
    passed: dict[str, int] = field(default_factory=dict[str, int])
    failed: dict[str, int] = field(default_factory=dict[str, int])
    expected: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def reasons(self) -> list[str]:
        """Why tests are expected to fail."""
        return [why for reasons in self.expected.values() for why in reasons]


def read(reports: Iterable[Path]) -> dict[str, Layer]:
    """Return the layers that `reports` tell of, by name, in their order, if their suites have docstrings."""
    layers: dict[str, Layer] = {}
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            told = {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
            is_named = told.get("subject") != case.get("classname", "").rpartition(".")[2]
            if "declares sides" in told and told["topic"] != "more" and is_named:
                _take(layers.setdefault(told["subject"], Layer()), told, case)
    return layers


def _take(layer: Layer, told: Mapping[str, str], case: ElementTree.Element) -> None:
    topic = told["topic"]
    layer.declared = {name.removeprefix("declares "): value for name, value in told.items()}
    skipped = case.find("skipped")
    if case.find("failure") is not None or case.find("error") is not None:
        layer.failed[topic] = layer.failed.get(topic, 0) + 1
    elif skipped is not None and skipped.get("type") == "pytest.xfail":
        layer.expected.setdefault(topic, []).append(skipped.get("message", ""))
    elif skipped is None:
        layer.passed[topic] = layer.passed.get(topic, 0) + 1


def page(layers: Mapping[str, Layer], topics: Sequence[str]) -> str:
    """Return the page."""
    declared = _table(
        ["", *layers],
        [[f"`{name}`", *(_word(layer.declared[name]) for layer in layers.values())] for name in _DECLARED],
    )
    found = _table(
        ["tests passed", *layers],
        [[topic, *(_found(layer, topic) for layer in layers.values())] for topic in topics],
    )
    reasons = {
        f"- {name}: {why}"
        for name, layer in layers.items()
        for whys in layer.expected.values()
        for why in whys
    }
    notes = "\n## Expected to fail\n\n" + "\n".join(sorted(reasons)) + "\n" if reasons else ""
    return f"{_HEAD}\n## Declared\n\n{declared}\n## Passed\n\n{_DASH}\n\n{found}{notes}"


def _word(value: str) -> str:
    number = f"{int(value):,}" if value.isdigit() and len(value) > 4 else value
    return _WORDS.get(value, number)


def _found(layer: Layer, topic: str) -> str:
    parts = [str(layer.passed[topic])] if topic in layer.passed else []
    if topic in layer.failed:
        parts.append(f"**{layer.failed[topic]} failed**")
    if topic in layer.expected:
        parts.append(f"{len(layer.expected[topic])} expected to fail")
    return ", ".join(parts) or "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page; return 1 if it is out of date or a test has failed."""
    from gcache.conformance import CacheLayerSuite

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("reports", type=Path, nargs="+")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    layers = read(given.reports)
    written = page(layers, list(dict.fromkeys(CacheLayerSuite.topics.values())))
    if any(layer.failed for layer in layers.values()):
        sys.stderr.write(f"Tests have failed:\n\n{written}")
        return 1
    if given.check:
        if given.page.read_text(encoding="utf-8") != written:
            sys.stderr.write(
                f"{given.page} is out of date, `nox -s adapters -- --write` mends it:\n\n{written}"
            )
            return 1
        return 0
    given.page.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
