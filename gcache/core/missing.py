"""The absence of a value, where None is a value."""

from __future__ import annotations

import enum


class Missing(enum.Enum):
    """The type of MISSING."""

    MISSING = "MISSING"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing.MISSING
