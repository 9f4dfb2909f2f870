"""What may stand behind the cache: every callable that gives one value, on both sides, and nothing else."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from gcache import MISSING, DecorationError, UnknownArgument
from tests.core.stage import AsyncSide, SyncSide

if TYPE_CHECKING:
    from gcache import GCache

Side = SyncSide | AsyncSide


class Loads:
    """Callables of many kinds for one side; each returns what it was called with, and counts."""

    def __init__(self, side: Side) -> None:
        self.count = 0
        self.is_async = isinstance(side, AsyncSide)

    def sided(self, load: Callable[..., Any]) -> Any:
        """Return `load` as a function of this side, with the signature that it has."""

        @functools.wraps(load)
        def called(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return load(*args, **kwargs)

        @functools.wraps(load)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            result = load(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        return awaited if self.is_async else called

    def instance(self) -> Any:
        """Return an object with methods of each kind that can be called itself."""

        class Users:
            __call__ = self.sided(lambda self, user_id: user_id)
            method = self.sided(lambda self, user_id: user_id)
            class_method = classmethod(self.sided(lambda cls, user_id: user_id))
            static_method = staticmethod(self.sided(lambda user_id: user_id))

        return Users()


def called(side: Side, function: Any, *args: Any, **kwargs: Any) -> Any:
    result = function(*args, **kwargs)
    return side.run(result) if isinstance(side, AsyncSide) else result


def _user(user_id: Any) -> Any:
    return user_id


def _user_of(tenant: str, user_id: Any, page: int = 1) -> Any:
    return user_id


KINDS: dict[str, Callable[[Loads], Any]] = {
    "function": lambda loads: loads.sided(_user),
    "lambda": lambda loads: loads.sided(lambda user_id: user_id),
    "partial": lambda loads: functools.partial(loads.sided(_user_of), "acme"),
    "partial of keywords": lambda loads: functools.partial(loads.sided(_user_of), tenant="acme"),
    "partial of a partial": lambda loads: functools.partial(
        functools.partial(loads.sided(_user_of), "acme"), page=2
    ),
    "object": Loads.instance,
    "partial of an object": lambda loads: functools.partial(loads.instance()),
    "bound method": lambda loads: loads.instance().method,
    "bound class method": lambda loads: type(loads.instance()).class_method,
    "static method": lambda loads: type(loads.instance()).static_method,
    "decorated by others": lambda loads: loads.sided(loads.sided(_user)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(gcache: GCache, side: Side, kind: str) -> None:
    """Whatever gives one value is loaded once, and stays as sync or async as it was."""
    loads = Loads(side)
    get_user = gcache.cached("user_id", "user_id", "Get", track_for_invalidation=True)(KINDS[kind](loads))

    with gcache.enable():
        answers = [called(side, get_user, user_id=7) for _ in range(2)]
        first = loads.count
        gcache.invalidate("user_id", 7)
        called(side, get_user, user_id=7)

    assert [7, 7] == answers
    assert 2 * first == loads.count
    assert loads.is_async == inspect.iscoroutinefunction(get_user)


def test_decorated_by_others(gcache: GCache, side: Side) -> None:
    """Another decorator above sees every call."""
    loads = Loads(side)
    get_user = loads.sided(gcache.cached("user_id", "user_id", "Get")(loads.sided(_user)))

    with gcache.enable():
        assert [7, 7] == [called(side, get_user, 7), called(side, get_user, 7)]
        assert get_user.key(7) == get_user.__wrapped__.key(7)
    assert 3 == loads.count


class _Generators:
    def __call__(self, user_id: int) -> Iterator[int]:
        yield user_id

    def method(self, user_id: int) -> Iterator[int]:
        yield user_id

    async def amethod(self, user_id: int) -> AsyncIterator[int]:
        yield user_id


class _AsyncGenerator:
    async def __call__(self, user_id: int) -> AsyncIterator[int]:
        yield user_id


GENERATORS: dict[str, Any] = {
    "function": _Generators.method,
    "async function": _Generators.amethod,
    "bound method": _Generators().method,
    "static method": staticmethod(_Generators.method),
    "class method": classmethod(_Generators.amethod),
    "object": _Generators(),
    "async object": _AsyncGenerator(),
    "partial": functools.partial(_Generators.method, None),
    "partial of async": functools.partial(functools.partial(_Generators.amethod), None),
    "partial of an object": functools.partial(_Generators()),
    "partial of an async object": functools.partial(_AsyncGenerator()),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_generators(gcache: GCache, kind: str) -> None:
    """A generator is refused when it is decorated, whatever it is wrapped in, and the error says why."""
    with pytest.raises(DecorationError, match=r"can be run through only once: return a list or a mapping\."):
        gcache.cached("user_id", "user_id", "Get")(GENERATORS[kind])


def test_generator_in_disguise(gcache: GCache) -> None:
    """What turns a generator into a list may be cached, though it wraps one."""

    @functools.wraps(_Generators().method)
    def listed(user_id: int) -> list[int]:
        return list(_Generators().method(user_id))

    get_users = gcache.cached("user_id", "user_id", "Get")(functools.partial(listed))

    with gcache.enable():
        assert [1] == get_users(1) == get_users(1)


@pytest.mark.parametrize(
    "function",
    [max, getattr, functools.partial(max, 1)],
    ids=["max", "getattr", "partial"],
)
def test_no_signature(gcache: GCache, function: Any) -> None:
    """What does not tell its arguments is refused, and the error says what to do."""
    with pytest.raises(DecorationError, match="decorate a function that calls it"):
        gcache.cached("user_id", "user_id", "Get")(function)


@pytest.mark.parametrize(
    "target",
    [property(lambda self: 1), functools.cached_property(lambda self: 1), functools.partialmethod(_user, 1)],
    ids=lambda target: type(target).__name__,
)
def test_descriptors(gcache: GCache, target: Any) -> None:
    """What only becomes a function in a class is refused: what it is made of can be cached."""
    with pytest.raises(DecorationError, match="decorate a function or a method"):
        gcache.cached("user_id", "user_id", "Get")(target)


def test_builtins(gcache: GCache) -> None:
    """A builtin that tells its arguments is cached like a function. The receiver of one is no id."""
    length = gcache.cached("text", "obj", "Length")(len)

    with gcache.enable():
        assert [3, 3] == [length("abc"), length("abc")]
        assert 3 == length.peek("abc")
    with pytest.raises(UnknownArgument, match=r"no argument of str\.upper"):
        gcache.cached("text", "self", "Upper")(str.upper)


def test_argument_kinds(gcache: GCache, side: Side) -> None:
    """Positional-only, variadic and keyword-only arguments reach the source as they were given."""

    def source(user_id: int, page: int = 1, /, *rest: int, flag: bool = False, **more: int) -> Any:
        return user_id, page, rest, flag, more

    loads = Loads(side)
    get = gcache.cached("user_id", "user_id", "Get")(loads.sided(source))
    calls: list[tuple[tuple[int, ...], dict[str, Any]]] = [
        ((1,), {}),
        ((1, 2, 3, 4), {"flag": True, "user_id": 9, "page": 8}),
        ((1, 1, 3), {}),
    ]

    with gcache.enable():
        answers = [called(side, get, *args, **kwargs) for args, kwargs in calls * 2]

    assert [source(*args, **kwargs) for args, kwargs in calls] * 2 == answers
    assert len(calls) == loads.count


def test_classes_of_every_make(gcache: GCache) -> None:
    """Methods with `super()`, of dataclasses with slots, in properties and in partial methods are cached."""
    loads: list[int] = []
    cached = functools.partial(gcache.cached, "user_id", "user_id")

    @dataclasses.dataclass(slots=True)
    class Users:
        shard: int

        @cached("Get")
        def get(self, user_id: int, page: int = 1) -> int:
            loads.append(user_id)
            return user_id * page

        second_page = functools.partialmethod(get, page=2)

        @property
        @cached("First")
        def first(self, user_id: int = 1) -> int:
            return self.get(user_id)

    class Admins(Users):
        def get(self, user_id: int, page: int = 1) -> int:
            return -super().get(user_id, page)

    with gcache.enable():
        assert [1, 1, 2] == [Users(1).first, Users(2).get(1), Users(1).second_page(1)]
        assert [1, -1, 2] == [Admins(1).first, Admins(2).get(1), Admins(1).second_page(1)]
        assert (1, MISSING) == (Users(1).get.peek(1), Users(1).get.peek(2))
    assert [1, 1] == loads


def test_copies_of_bound_methods(gcache: GCache) -> None:
    """A bound method is copied, and so pickled, as that of any class: by its receiver and its name."""

    class Users:
        @gcache.cached("user_id", "user_id", "Get")
        def get(self, user_id: int) -> int:
            return user_id

    users = Users()

    assert users.get == copy.copy(users.get)
    assert (getattr, (users, "get")) == users.get.__reduce__()
