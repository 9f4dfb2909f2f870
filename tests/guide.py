"""The files that the guide for adapters shows. `python -m tests.guide FOLDER` puts them into an adapter."""

from __future__ import annotations

import re
import sys
from pathlib import Path

GUIDE = Path(__file__).parent.parent / "docs" / "write-an-adapter.md"
_BLOCK = re.compile(r"```python\n# ((?:src|tests)/\S+)\n(.*?)```", re.DOTALL)


def fill_in(folder: Path) -> list[str]:
    """Write each block of the guide that begins with the name of a file into it; return the names."""
    blocks = _BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    for place, text in blocks:
        (folder / place).write_text(text, encoding="utf-8")
    return [place for place, _ in blocks]


if __name__ == "__main__":
    fill_in(Path(sys.argv[1]))
