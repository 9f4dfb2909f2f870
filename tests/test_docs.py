"""What the pages under docs say of the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMED = [
    (page.name, name)
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for name in re.findall(r"`(tests/[\w/]+\.py(?:::\w+)+)`", page.read_text())
]


@pytest.mark.parametrize(("page", "name"), NAMED)
def test_named_tests_exist(page: str, name: str) -> None:
    """A test that a page names is there."""
    file, *path = name.split("::")
    lines = (ROOT / file).read_text().splitlines()

    assert [] == [
        part
        for part in path
        if not any(re.match(rf"\s*(async )?(def|class) {part}\b", line) for line in lines)
    ]
