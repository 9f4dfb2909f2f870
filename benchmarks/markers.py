"""Pages of which a program writes a part: what stands between two markers."""

from __future__ import annotations


def rewritten(page: str, name: str, text: str) -> str:
    """Return `page` with `text` between the comments `name: begin` and `name: end`, which it must have."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"The page has no {begin} followed by {end}.")
    return f"{before}{begin}\n\n{text}\n{end}{after}"
