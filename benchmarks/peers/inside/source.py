"""The functions behind the caches, and the ids that they are called with: the same for ours and for peers."""

from __future__ import annotations

USERS = [str(12_345 + 7 * number) for number in range(20)]
KEYWORDS = "page=2, order='oldest'"


def profile(user_id: str) -> dict[str, object]:
    """Return a small dict built from the argument: the plain function behind most jobs."""
    return {"id": user_id, "name": "Ada", "plan": "pro"}


async def aprofile(user_id: str) -> dict[str, object]:
    """Do the same, without calling the other: a bare coroutine costs no second function."""
    return {"id": user_id, "name": "Ada", "plan": "pro"}


def listing(user_id: str, page: int = 1, *, order: str = "newest", deleted: bool = False) -> list[object]:
    """Return the arguments: the plain function behind the job with keywords and defaults."""
    return [user_id, page, order, deleted]
