"""What the README shows, runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.skipif(not README.exists(), reason="the README is not beside the tests here")
def test_the_example_runs(folder: Path) -> None:
    """The example works in any folder, and its comments say what happens."""
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    loads: list[int] = []
    counted = example.replace("/var/cache/shop", str(folder)).replace(
        "    return {", "    loads.append(id)\n    return {"
    )
    exec(compile(counted, str(README), "exec"), {"__name__": "readme", "loads": loads})

    assert [1] == loads
    assert (folder / "cache.db").exists()
