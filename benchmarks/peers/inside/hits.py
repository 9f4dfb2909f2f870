"""Count how many accesses of a trace find their key in theine's cache; runs in theine's own environment.

Its arguments are a file with a key on each line, and the room. Prints the hits.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import theine


def main() -> None:
    keys, room = Path(sys.argv[1]).read_text().split("\n"), int(sys.argv[2])
    cache: Any = theine.Cache(room)
    hits = 0
    for key in keys:
        _, is_there = cache.get(key)
        if is_there:
            hits += 1
        else:
            cache.set(key, 1)
    print(hits)


if __name__ == "__main__":
    main()
