"""A source of many ids that remembers what it was asked, and functions of it for both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from tests.core.stage import AsyncSide

if TYPE_CHECKING:
    from gcache import GCache


class Rows:
    """Answers each id with the id and the number of the load, unless told otherwise."""

    def __init__(
        self,
        absent: Collection[Any] = (),
        none: Collection[Any] = (),
        more: Mapping[Any, Any] | None = None,
        answer: Any = None,
        failures: int = 0,
    ) -> None:
        self.arguments: list[Any] = []
        self.pages: list[Any] = []
        self.answers: list[Any] = []
        self.before: Callable[[], object] = lambda: None
        self._absent, self._none = absent, none
        self._more = more or {}
        self._answer = answer
        self._failures = failures

    @property
    def asked(self) -> list[list[Any]]:
        """The ids of each load."""
        return [list(ids) for ids in self.arguments]

    def __call__(self, ids: Any, page: Any) -> Any:
        number = len(self.arguments)
        self.arguments.append(ids)
        self.pages.append(page)
        self.before()
        if self._failures:
            self._failures -= 1
            raise LookupError("no rows today")
        if self._answer is not None:
            return self._answer
        answer = {
            each: None if each in self._none else f"{each}.{number}"
            for each in ids
            if each not in self._absent
        }
        self.answers.append(answer | self._more)
        return self.answers[-1]


class Users:
    """A cached function of many users, called alike on both sides."""

    def __init__(self, side: Any, gcache: GCache, function: Any) -> None:
        self.gcache = gcache
        self.function = function
        self.keys = function.keys
        self._side = side

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        answer = self.function(*args, **kwargs)
        return self._side.run(answer) if isinstance(self._side, AsyncSide) else answer

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        self._side.do(self.function, "invalidate", *args, **kwargs)


def many(side: Any, gcache: GCache, rows: Rows, **options: Any) -> Users:
    """Return `rows` behind the cache, as a function of users and a page."""
    decorate = gcache.cached_many(
        **{"key_type": "user_id", "ids_arg": "user_ids", "use_case": "GetUsers"} | options
    )
    if isinstance(side, AsyncSide):

        async def get_users(user_ids: Any, page: Any = 1) -> Any:
            await asyncio.sleep(0)
            return rows(user_ids, page)

        return Users(side, gcache, decorate(get_users))

    def get_users_here(user_ids: Any, page: Any = 1) -> Any:
        return rows(user_ids, page)

    return Users(side, gcache, decorate(get_users_here))
