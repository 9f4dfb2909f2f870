"""`invalidating`: an entity that is held while it is being written, and invalidated when that is done."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from gcache.core.holding import new_holder
from gcache.errors import GCacheError

if TYPE_CHECKING:
    from gcache.core.engine import Engine


class Invalidating:
    """Holds an entity for the length of a `with` or `async with` block, and invalidates it at its end."""

    def __init__(self, engine: Engine, key_type: str, id: object, hold_sec: float) -> None:
        self._engine = engine
        self._entity = (key_type, id)
        self._hold_sec = hold_sec
        self._holders: list[str] = []

    def __enter__(self) -> None:
        self._engine.hold(*self._entity, self._begun(), self._hold_sec)

    async def __aenter__(self) -> None:
        await self._engine.ahold(*self._entity, self._begun(), self._hold_sec)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._engine.release(*self._entity, self._holders.pop())
        except GCacheError as failed:
            _tell(error, failed)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._engine.arelease(*self._entity, self._holders.pop())
        except GCacheError as failed:
            _tell(error, failed)

    def _begun(self) -> str:
        self._holders.append(new_holder())
        return self._holders[-1]


def _tell(error: BaseException | None, failed: GCacheError) -> None:
    """Raise what failed at the block's end, unless the block has an error of its own to raise."""
    if error is None:
        raise failed
    error.add_note(str(failed))
