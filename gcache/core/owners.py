"""Who has a use case: one function, or two that mean the same entries."""

from __future__ import annotations

from gcache.core.records import Record
from gcache.errors import UseCaseTaken


class Owner(Record):
    """What a function says of the entries of its use case."""

    is_bulk: bool
    key_type: str
    tracked: bool
    arg_names: tuple[str, ...]
    copies: bool

    def check_sharing(self, use_case: str, other: Owner) -> None:
        """Raise UseCaseTaken unless both may have the use case: one of `cached`, one of `cached_many`."""
        if self.is_bulk is other.is_bulk:
            raise UseCaseTaken(
                f"The use case {use_case!r} belongs to another function: give this one a name "
                "of its own with use_case=...."
            )
        for what, here, there in (
            ("key_type", self.key_type, other.key_type),
            ("track_for_invalidation", self.tracked, other.tracked),
            ("the arguments beside the id", self.arg_names, other.arg_names),
            ("isolate", self.copies, other.copies),
        ):
            if here != there:
                raise UseCaseTaken(
                    f"The use case {use_case!r} belongs to another function, of which {what} differs, "
                    f"{there!r} there and {here!r} here: have them agree, so that both mean the same "
                    "entries, or give this one a name of its own with use_case=...."
                )
