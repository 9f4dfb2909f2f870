"""What the README shows, runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from memcached_process import Memcached

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.skipif(not README.exists(), reason="the README is not beside the tests here")
def test_the_example_runs(server: Memcached) -> None:
    """The example works with any memcached, and its comments say what happens."""
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    loads: list[int] = []
    counted = example.replace("127.0.0.1:11211", server.address).replace(
        "    return {", "    loads.append(id)\n    return {"
    )
    exec(compile(counted, str(README), "exec"), {"__name__": "readme", "loads": loads})

    assert [1, 1] == loads
