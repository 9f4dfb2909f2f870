"""`@cached`, and what its functions can do besides being called."""

from __future__ import annotations

import abc
import asyncio
import functools
import inspect
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from gcache import (
    MISSING,
    DecorationError,
    GCacheKey,
    GCacheKeyConfig,
    InvalidKey,
    MemoryLayer,
    UnknownArgument,
    UnrenderableArgument,
    UntrackedUseCase,
    UseCaseReserved,
    UseCaseTaken,
)
from gcache.core.events import Disabled, Hit, Load, Miss
from tests.core.layers import SyncLayer
from tests.core.stage import AsyncSide, Clock, Recorded, Source, SyncSide

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcache import GCache

Side = SyncSide | AsyncSide


@pytest.fixture(params=[0, 1000], ids=["no hot path", "hot path"])
def gcache(request: pytest.FixtureRequest, make_gcache: Callable[..., GCache]) -> GCache:
    """An instance with memory alone, whose hits go through the chain, or come from the wrapper itself."""
    return make_gcache(config_refresh_sec=request.param)


class TestCall:
    def test_disabled(self, gcache: GCache, side: Side, recorded: Recorded) -> None:
        """Where caching is not enabled every call is a load, and is counted as bypassing the cache."""
        get_user = side.cached(gcache, Source())

        assert [1, 2] == [get_user(1), get_user(1)]
        assert 2 == sum(event.calls for event in recorded.of(Disabled))
        assert {"context"} == {event.reason for event in recorded.of(Disabled)}

    def test_disabled_again(self, gcache: GCache, side: Side) -> None:
        """What was cached before is not served where caching is not enabled."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)

        assert [2, 3] == [get_user(1), get_user(1)]

    def test_hit(self, gcache: GCache, side: Side, recorded: Recorded) -> None:
        """The same call is answered from memory, any other is not; each is counted once."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            answers = [get_user(*call) for call in ((1,), (1,), ("1",), (2,), (1, 2), (1, "2"), (1, 1))]

        assert [1, 1, 1, 2, 3, 4, 1] == answers
        assert 3 == sum(event.calls for event in recorded.of(Hit))
        assert 4 == len(recorded.of(Miss)) == len(recorded.of(Load))

    def test_expiry(self, gcache: GCache, side: Side, clock: Clock) -> None:
        """An entry answers until its time has come, and no longer."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)
            clock.advance(59.9)
            in_time = get_user(1)
            clock.advance(0.1)

            assert (1, 2) == (in_time, get_user(1))

    def test_hot_path(self, make_gcache: Callable[..., GCache], side: Side) -> None:
        """While a policy holds, a hit asks neither the provider nor anything behind the wrapper."""
        gcache = make_gcache(config_refresh_sec=1000)
        get_user = side.cached(gcache, Source())
        with gcache.enable():
            get_user(1)
            gcache._engine.chain.read = None  # type: ignore[assignment,method-assign]

            assert 1 == get_user(1)

    @pytest.mark.parametrize("name", ["type", "int", "str", "enabled", "_gc_now", "_gc_entry", "_gc_source"])
    def test_hot_path_of_any_name(self, make_gcache: Callable[..., GCache], name: str) -> None:
        """It does so whatever the parameters are called, and the source gets what was passed."""
        gcache = make_gcache(config_refresh_sec=1000)
        namespace: dict[str, Any] = {}
        exec(f"def get_user(user_id, {name}): return [user_id, {name}]", namespace)
        get_user = gcache.cached("user_id", "user_id", "GetUser")(namespace["get_user"])

        assert [1, "a b"] == get_user(1, "a b")
        with gcache.enable():
            first = get_user(1, "a b")
            gcache._engine.chain.read = None  # type: ignore[assignment,method-assign]

            assert first is get_user(1, "a b")

    def test_code_is_shared(self, make_gcache: Callable[..., GCache]) -> None:
        """Functions of one signature share code, and neither defaults, nor adapters, nor entries."""
        gcache = make_gcache(config_refresh_sec=1000)

        def made(use_case: str, default: str, adapter: Callable[[str], str]) -> Any:
            def get_user(user_id: int, order: str = default) -> tuple[str, int, str]:
                return use_case, user_id, order

            options: dict[str, Any] = {"use_case": use_case, "arg_adapters": {"order": adapter}}
            return gcache.cached("user_id", "user_id", **options)(get_user)

        first, second = made("First", "asc", str.upper), made("Second", "desc", str.title)

        assert first.__code__ is second.__code__
        with gcache.enable():
            assert 2 * [("First", 1, "asc")] == [first(1), first(1)]
            assert 2 * [("Second", 1, "desc")] == [second(1), second(1)]
        assert ("ASC", "Desc") == (first.key(1).args[0][1], second.key(1).args[0][1])

    def test_argument_is_not_called(self, make_gcache: Callable[..., GCache]) -> None:
        """What is passed is never called, whatever its parameter is called."""
        gcache = make_gcache(config_refresh_sec=1000)
        called: list[Any] = []

        @gcache.cached("user_id", "user_id", "GetUser", ignore_args=["type"])
        def get_user(user_id: int, type: Any) -> int:
            return user_id

        with gcache.enable():
            get_user(1, called.append)
            get_user(1, called.append)

        assert [] == called

    def test_unkeyable(
        self, gcache: GCache, side: Side, recorded: Recorded, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A call that no key can be built for runs uncached, is counted, and is logged once with the mend."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 2] == [get_user(1, object()), get_user(1, object())]

        assert [("unkeyable", 1)] * 2 == recorded.calls
        assert [("", "UnrenderableArgument", False)] * 2 == recorded.errors
        assert 1 == len(caplog.records)
        assert "arg_adapters" in caplog.text

    def test_failing_transformer(self, gcache: GCache, side: Side, recorded: Recorded) -> None:
        """So does one whose id transformer or adapter fails."""
        get_user = side.cached(gcache, Source(), id_arg=("user_id", lambda user: user.id))

        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]
        assert [("unkeyable", 1)] * 2 == recorded.calls

    def test_huge_number(self, gcache: GCache, side: Side) -> None:
        """And one about a number too long to write."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 2] == [get_user(10**5000), get_user(1, 10**5000)]

    def test_wrong_call(self, gcache: GCache, side: Side) -> None:
        """A wrong call is a TypeError, enabled or not."""
        get_user = side.cached(gcache, Source())

        for on in (True, False):
            with gcache.enable(on), pytest.raises(TypeError, match="get_user"):
                get_user()

    @pytest.mark.parametrize("layer", ["memory", "bytes"])
    def test_no_memory(
        self, make_gcache: Callable[..., GCache], side: Side, clock: Clock, layer: str
    ) -> None:
        """A chain may have memory at its head or not."""
        kinds = {"memory": MemoryLayer[Any](clock=clock.monotonic), "bytes": SyncLayer("remote", clock)}
        gcache = make_gcache(layers=[kinds[layer]], config_refresh_sec=1000)
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 1] == [get_user(1), get_user(1)]

    def test_own_serializer(self, make_gcache: Callable[..., GCache], side: Side, clock: Clock) -> None:
        """A function may have a serializer of its own."""

        class Upper:
            identity = "upper:1"

            def dump(self, value: Any) -> bytes:
                return str(value).upper().encode()

            def load(self, data: bytes) -> Any:
                return data.decode()

        gcache = make_gcache(layers=[SyncLayer("remote", clock)])
        get_user = side.cached(gcache, Source("name"), serializer=Upper())

        with gcache.enable():
            assert ["name", "NAME"] == [get_user(1), get_user(1)]


class TestActions:
    def test_key(self, gcache: GCache, side: Side) -> None:
        """`key` returns the key of a call, whether caching is enabled or not, and loads nothing."""
        get_user = side.cached(gcache, source := Source(), track_for_invalidation=True)

        assert GCacheKey("user_id", 1, "GetUser", {"page": 2}, True) == get_user.key(1, page=2)
        assert 0 == source.loads

    def test_peek(self, gcache: GCache, side: Side, recorded: Recorded) -> None:
        """`peek` returns what is cached, or MISSING; it loads nothing and counts nothing."""
        get_user = side.cached(gcache, source := Source())

        with gcache.enable():
            before = get_user.peek(1)
            get_user(1)
            recorded.forget()

            assert (MISSING, 1, MISSING) == (before, get_user.peek(1), get_user.peek(2))
        assert ([], 1) == (recorded.calls, source.loads)

    def test_peek_none(self, gcache: GCache, side: Side) -> None:
        """A cached None is not MISSING."""
        get_user = side.cached(gcache, Source(None))

        with gcache.enable():
            get_user(1)

            assert None is get_user.peek(1)

    def test_peek_disabled(self, gcache: GCache, side: Side) -> None:
        """Where caching is not enabled nothing is there to be seen."""
        get_user = side.cached(gcache, Source())
        with gcache.enable():
            get_user(1)

        assert MISSING is get_user.peek(1)

    def test_peek_ramped_down(self, make_gcache: Callable[..., GCache], side: Side) -> None:
        """Nor where it is ramped down."""
        get_user = side.cached(
            gcache := make_gcache(cache_config_provider=lambda key: GCacheKeyConfig()), Source()
        )

        with gcache.enable():
            assert MISSING is get_user.peek(1)

    def test_refresh(self, gcache: GCache, side: Side) -> None:
        """`refresh` loads whatever is cached, and what it loads is what is cached then."""
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            get_user(1)

            assert (2, 2) == (get_user.refresh(1), get_user(1))

    def test_refresh_fails(self, gcache: GCache, side: Side) -> None:
        """A refresh that fails raises what the source raised, and leaves what was cached."""
        get_user = side.cached(gcache, Source("old", LookupError("gone")))

        with gcache.enable():
            get_user(1)
            with pytest.raises(LookupError):
                get_user.refresh(1)

            assert "old" == get_user(1)

    def test_refresh_disabled(self, gcache: GCache, side: Side, recorded: Recorded) -> None:
        """Where caching is not enabled, or the call has no key, it is a load, and nothing is stored."""
        get_user = side.cached(gcache, Source())

        assert 1 == get_user.refresh(1)
        with gcache.enable():
            assert 2 == get_user.refresh(1, object())
            assert MISSING is get_user.peek(1)
        assert [("unkeyable", 1), ("context", 1)] == recorded.calls

    def test_refresh_ramped_down(self, make_gcache: Callable[..., GCache], side: Side) -> None:
        """And where it is ramped down."""
        get_user = side.cached(
            gcache := make_gcache(cache_config_provider=lambda key: GCacheKeyConfig()), Source()
        )

        with gcache.enable():
            assert [1, 2] == [get_user.refresh(1), get_user.refresh(1)]

    def test_invalidate(self, gcache: GCache, side: Side) -> None:
        """`invalidate` ends all entries of the entity that the call is about."""
        get_user = side.cached(
            gcache, Source(), id_arg=("user_id", lambda text: text.lower()), track_for_invalidation=True
        )

        with gcache.enable():
            before = [get_user("A"), get_user("a", 2), get_user("b")]
            get_user.invalidate("A", 3)
            after = [get_user("A"), get_user("a", 2), get_user("b")]

        assert ([1, 2, 3], [4, 5, 3]) == (before, after)

    def test_invalidate_untracked(self, gcache: GCache, side: Side) -> None:
        """A function that is not tracked says so, and how to mend it."""
        get_user = side.cached(gcache, Source())

        with pytest.raises(UntrackedUseCase, match="track_for_invalidation=True"):
            get_user.invalidate(1)

    def test_without_text(self, gcache: GCache, side: Side) -> None:
        """An entity without a text can neither be invalidated nor peeked at."""
        get_user = side.cached(gcache, Source(), track_for_invalidation=True)

        with gcache.enable():
            for action in (get_user.invalidate, get_user.peek):
                with pytest.raises(UnrenderableArgument):
                    action(object())

    def test_names(self, gcache: GCache) -> None:
        """A sync function has the sync actions, an async one those with `a` in front, and no others."""

        @gcache.cached("user_id", "user_id", "Sync")
        def get(user_id: int) -> None: ...

        @gcache.cached("user_id", "user_id", "Async")
        async def aget(user_id: int) -> None: ...

        names = ("key", "peek", "refresh", "invalidate", "apeek", "arefresh", "ainvalidate")

        assert ["key", "peek", "refresh", "invalidate"] == [name for name in names if hasattr(get, name)]
        assert ["key", "apeek", "arefresh", "ainvalidate"] == [name for name in names if hasattr(aget, name)]

    def test_kind(self, gcache: GCache) -> None:
        """A sync function stays one, and so does an async one."""

        @gcache.cached("user_id", "user_id", "Sync")
        def get(user_id: int) -> None: ...

        @gcache.cached("user_id", "user_id", "Async")
        async def aget(user_id: int) -> None: ...

        assert (False, True) == (inspect.iscoroutinefunction(get), inspect.iscoroutinefunction(aget))


class TestMethods:
    @pytest.fixture
    def users(self, gcache: GCache) -> Any:
        """A class with a cached method of each kind; each returns whom it was called on, and what with."""
        cached = functools.partial(gcache.cached, "user_id", "user_id", track_for_invalidation=True)

        class Users:
            """Users."""

            loads = 0

            @cached("Method")
            def method(self, user_id: int, page: int = 1) -> tuple[Any, int, int]:
                """Load."""
                Users.loads += 1
                return type(self), user_id, Users.loads

            @cached("AsyncMethod")
            async def amethod(self, user_id: int) -> tuple[Any, int, int]:
                Users.loads += 1
                return type(self), user_id, Users.loads

            @classmethod
            @cached("ClassInside")
            def class_inside(cls, user_id: int) -> tuple[Any, int, int]:
                Users.loads += 1
                return cls, user_id, Users.loads

            @cached("ClassOutside")
            @classmethod
            def class_outside(cls, user_id: int) -> tuple[Any, int, int]:
                Users.loads += 1
                return cls, user_id, Users.loads

            @staticmethod
            @cached("StaticInside")
            def static_inside(user_id: int) -> tuple[Any, int, int]:
                Users.loads += 1
                return Users, user_id, Users.loads

            @cached("StaticOutside")
            @staticmethod
            def static_outside(user_id: int) -> tuple[Any, int, int]:
                Users.loads += 1
                return Users, user_id, Users.loads

        return Users

    KINDS = ("class_inside", "method", "class_outside", "static_inside", "static_outside")
    # Since 3.13 a classmethod calls what it wraps with the class, but binds none of its attributes.
    WITH_ACTIONS = KINDS[1:] if sys.version_info >= (3, 13) else KINDS

    @pytest.mark.parametrize("kind", KINDS)
    def test_call(self, gcache: GCache, users: Any, kind: str) -> None:
        """A method is called with its receiver, cached or not; instances of a class share their entries."""
        assert (users, 1, 1) == getattr(users(), kind)(1)
        with gcache.enable():
            assert (users, 1, 2) == getattr(users(), kind)(1) == getattr(users(), kind)(user_id=1)

    @pytest.mark.parametrize("kind", [KINDS[0], *KINDS[2:]])
    def test_on_class(self, gcache: GCache, users: Any, kind: str) -> None:
        """Class and static methods are called on the class as on an instance."""
        with gcache.enable():
            assert (users, 1, 1) == getattr(users, kind)(1) == getattr(users(), kind)(1)

    @pytest.mark.parametrize("kind", WITH_ACTIONS)
    def test_actions(self, gcache: GCache, users: Any, kind: str) -> None:
        """The actions of a method take its arguments without the receiver."""
        method = getattr(users(), kind)

        with gcache.enable():
            before = method.peek(1)
            method(1)
            refreshed = method.refresh(1)

            assert (MISSING, refreshed) == (before, method.peek(1))
            method.invalidate(1)
            assert MISSING is method.peek(1)
        assert ("user_id", 1) == (method.key(1).key_type, method.key(1).id)

    async def test_async(self, gcache: GCache, users: Any) -> None:
        """An async method is awaited, and so are its actions."""
        instance = users()

        with gcache.enable():
            assert (users, 1, 1) == await instance.amethod(1) == await users().amethod(1)
            assert (users, 1, 2) == await instance.amethod.arefresh(1)
            assert (users, 1, 2) == await instance.amethod.apeek(1)
            await instance.amethod.ainvalidate(1)
            assert MISSING is await instance.amethod.apeek(1)

    def test_async_is_seen(self, users: Any) -> None:
        """An async method of an instance is seen to be one, as frameworks need."""
        assert inspect.iscoroutinefunction(users.amethod)
        assert inspect.iscoroutinefunction(users().amethod)

    def test_unbound(self, gcache: GCache, users: Any) -> None:
        """A method that is taken from the class takes its receiver."""
        with gcache.enable():
            assert (users, 1, 1) == users.method(users(), 1) == users().method(1)
            assert (users, 1, 1) == users.method.peek(users(), 1)

    def test_in_class_body(self, gcache: GCache, users: Any) -> None:
        """A method can be called as a function where it stands in the class."""
        in_body = vars(users)["method"]

        assert (users, 1, 1) == in_body(users(), 1)
        assert ("method", "Load.") == (in_body.__name__, in_body.__doc__)

    def test_identity(self, users: Any) -> None:
        """A bound method has the name, the text, the receiver and the signature of one."""
        instance = users()

        assert ("method", "Load.") == (instance.method.__name__, instance.method.__doc__)
        assert instance is instance.method.__self__
        assert "method" in repr(instance.method)
        assert ["user_id", "page"] == list(inspect.signature(instance.method).parameters)

    def test_equality(self, users: Any) -> None:
        """Two looks at one method of one instance are equal, as of every method."""
        instance = users()

        assert instance.method == instance.method
        assert users().method != instance.method
        assert instance.method != users.method
        assert 1 == len({instance.method, instance.method})

    def test_subclass(self, gcache: GCache, users: Any) -> None:
        """A subclass inherits it, and reaches it through super(); a class method knows the subclass."""

        class Admins(users):  # type: ignore[misc]
            def method(self, user_id: int, page: int = 1) -> Any:
                return super().method(user_id, page)

        with gcache.enable():
            assert (Admins, 1, 1) == Admins().method(1)
            assert Admins is Admins.class_outside(1)[0]
            assert Admins is Admins.class_inside(2)[0]

    @pytest.mark.parametrize("order", ["inside", "outside"])
    def test_receiver_of_other_name(self, gcache: GCache, order: str) -> None:
        """A class method whose first argument is not called `cls` can be called all the same."""
        cached = gcache.cached("user_id", "user_id", "Get")

        class Users:
            def get(klass, user_id: int) -> Any:
                return klass, user_id

            method = classmethod(cached(get)) if order == "inside" else cached(classmethod(get))

        with gcache.enable():
            assert (Users, 1) == Users.method(1)

    def test_abstract(self, gcache: GCache) -> None:
        """An abstract method stays one."""

        class Users(abc.ABC):
            @gcache.cached("user_id", "user_id", "Get")
            @abc.abstractmethod
            def get(self, user_id: int) -> int: ...

        with pytest.raises(TypeError, match="abstract"):
            Users()  # type: ignore[abstract]


class TestDecoration:
    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            (UnknownArgument, {"id_arg": "user"}),
            (UnknownArgument, {"ignore_args": ["db"]}),
            (UseCaseReserved, {"use_case": "watermark"}),
            (UseCaseReserved, {"use_case": ""}),
            (InvalidKey, {"key_type": "user:id"}),
        ],
        ids=str,
    )
    def test_names(self, gcache: GCache, kind: type[Exception], options: dict[str, Any]) -> None:
        """A wrong name is an error at decoration, and takes no use case."""
        with pytest.raises(kind):
            SyncSide().cached(gcache, Source(), **options)
        SyncSide().cached(gcache, Source())

    def test_taken(self, gcache: GCache, make_gcache: Callable[..., GCache]) -> None:
        """A use case belongs to one function of an instance."""
        SyncSide().cached(gcache, Source())

        with pytest.raises(UseCaseTaken, match="'GetUser'"):
            SyncSide().cached(gcache, Source(), key_type="email")
        SyncSide().cached(make_gcache(), Source())

    def test_default_use_case(self, gcache: GCache) -> None:
        """Without a name a use case is called after its module and function."""
        get_user = SyncSide().cached(gcache, Source(), use_case=None)

        assert "tests.core.stage.SyncSide.cached.<locals>.get_user" == get_user.key(1).use_case

    def test_generators(self, gcache: GCache) -> None:
        """A generator has no single value to cache, and is refused."""

        def count(user_id: int) -> Iterator[int]:
            yield 1

        async def acount(user_id: int) -> AsyncIterator[int]:
            yield 1

        for generator in (count, acount, staticmethod(count)):
            with pytest.raises(DecorationError, match="return a list"):
                gcache.cached("user_id", "user_id", "Get")(generator)

    @pytest.mark.parametrize("target", [int, Source, "function", None], ids=repr)
    def test_no_function(self, gcache: GCache, target: Any) -> None:
        """What is no function is refused."""
        with pytest.raises(DecorationError, match="decorate a function"):
            gcache.cached("user_id", "user_id", "Get")(target)

    @pytest.mark.parametrize(
        "make", [functools.partial, lambda load: _Caller(load)], ids=["partial", "object"]
    )
    def test_callable_of_another_kind(self, gcache: GCache, make: Any) -> None:
        """A partial, or an object that can be called, is cached like a function."""
        calls: list[int] = []

        def load(user_id: int) -> int:
            calls.append(user_id)
            return user_id

        get_user = gcache.cached("user_id", "user_id", "Get", default_config=GCacheKeyConfig.enabled(60))(
            make(load)
        )

        with gcache.enable():
            values = [get_user(1), get_user(user_id=1)]

        assert ([1, 1], [1]) == (values, calls)

    def test_property(self, gcache: GCache) -> None:
        """What cannot be called is refused."""
        with pytest.raises(DecorationError):
            gcache.cached("user_id", "user_id", "Get")(property(lambda self: 1))


class _Caller:
    def __init__(self, function: Callable[[int], int]) -> None:
        self._function = function

    def __call__(self, user_id: int) -> int:
        return self._function(user_id)


class TestAfterClose:
    def test_call(self, gcache: GCache, side: Side, recorded: Recorded) -> None:
        """A function of a closed instance goes to its source, and is counted so."""
        get_user = side.cached(gcache, Source())
        with gcache.enable():
            get_user(1)
            gcache.close()
            recorded.forget()

            assert [2, 3] == [get_user(1), get_user(1)]
        assert [("closed", 1)] * 2 == recorded.calls

    def test_decorate(self, gcache: GCache, side: Side) -> None:
        """A function that is decorated afterwards works the same way."""
        gcache.close()
        get_user = side.cached(gcache, Source())

        with gcache.enable():
            assert [1, 2] == [get_user(1), get_user(1)]


class TestConcurrentPeek:
    async def test_tasks(self, gcache: GCache) -> None:
        """A peek while a load is under way waits for nobody."""
        may_end = asyncio.Event()

        @gcache.cached("user_id", "user_id", "Get")
        async def get(user_id: int) -> int:
            await may_end.wait()
            return 1

        with gcache.enable():
            load = asyncio.create_task(get(1))
            await asyncio.sleep(0)
            peeked = await get.apeek(1)
            may_end.set()

            assert (MISSING, 1, 1) == (peeked, await load, await get.apeek(1))
