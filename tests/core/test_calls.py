"""From a function's arguments to a key: what is compiled says what the builder would."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcache import GCacheKey
from gcache.core.calls import Shape
from gcache.core.keys import UrnKeyBuilder
from gcache.errors import DecorationError, UnknownArgument, UnrenderableArgument
from tests.core.test_rendering import scalars, texts, values

URN = UrnKeyBuilder("urn:galileo")


class OwnBuilder(UrnKeyBuilder):
    """A builder of somebody's own: nothing may be taken for known about its strings."""

    def build(self, key: GCacheKey) -> str:
        return "own:" + super().build(key)


def compiled(
    shape: Shape, tracked: bool = False, builder: Any = URN, render_id: str = "render_id"
) -> tuple[Callable[..., str], Callable[..., Any]]:
    """Return the compiled key text, and the key, as functions of a call's arguments."""
    text = shape.wrapper(
        "def {name}({parameters}):\n    return {key}\n",
        shape.key_expression(builder, "user_id", "Get", tracked, render_id),
        {"build": builder.build},
    )
    return text, shape.key_maker("user_id", "Get", tracked)


def shape_of(
    function: Callable[..., Any],
    id_arg: Any = "user_id",
    arg_adapters: dict[str, Callable[[Any], Any]] | None = None,
    ignore_args: Any = (),
) -> Shape:
    return Shape(function, id_arg, arg_adapters or {}, ignore_args)


def plain(user_id, page=1, *, order="asc"): ...
def positional_only(user_id, page, /, order="asc"): ...
def variadic(user_id, *rest, order="asc", **more): ...
def keywords_only(*, page, user_id): ...
def method(self, user_id, page=1): ...
def class_method(cls, user_id, /, page=1): ...
def default_id(page=2, user_id="nobody"): ...
def alone(user_id): ...


CALLS = [
    (plain, (1,), {}),
    (plain, ("1",), {}),
    (plain, ("a b", "1"), {"order": "des c"}),
    (plain, (), {"order": None, "user_id": True}),
    (positional_only, (1, 2), {}),
    (positional_only, (1, 2, "x"), {}),
    (variadic, (1,), {}),
    (variadic, (1, 2, "3"), {"order": 4, "user": 5}),
    (keywords_only, (), {"user_id": "u", "page": 1.0}),
    (method, (object(), 1), {}),
    (class_method, (object, 1), {"page": 3}),
    (default_id, (), {}),
    (alone, (12345,), {}),
    (alone, ("user@example.com",), {}),
]


class TestKeyText:
    @pytest.mark.parametrize("builder", [URN, OwnBuilder()], ids=["urn", "own"])
    @pytest.mark.parametrize("tracked", [False, True], ids=["untracked", "tracked"])
    @pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
    def test_is_builders(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        tracked: bool,
        builder: Any,
    ) -> None:
        """For every kind of signature the compiled text is that of the builder."""
        text, key = compiled(shape_of(function), tracked, builder)

        assert builder.build(key(*args, **kwargs)) == text(*args, **kwargs)

    @pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
    def test_is_arguments(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """The key holds the arguments as Python binds them, with defaults, without self, cls and the id."""
        _, key = compiled(shape_of(function))
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        rest = {
            name: value for name, value in bound.arguments.items() if name not in ("self", "cls", "user_id")
        }

        assert GCacheKey("user_id", bound.arguments["user_id"], "Get", rest) == key(*args, **kwargs)

    @given(st.one_of(texts, st.integers(), scalars), values, values, st.booleans())
    def test_any_argument(self, user_id: Any, page: Any, order: Any, tracked: bool) -> None:
        """Whatever is passed, the compiled text is that of the builder."""
        text, key = compiled(shape_of(plain), tracked)

        assert URN.build(key(user_id, page, order=order)) == text(user_id, page, order=order)

    @given(
        st.integers(),
        st.lists(scalars, max_size=3),
        st.dictionaries(st.sampled_from("abc"), values, max_size=2),
    )
    def test_any_number_of_arguments(self, user_id: int, rest: list[Any], more: dict[str, Any]) -> None:
        """However many are passed, the compiled text is that of the builder."""
        text, key = compiled(shape_of(variadic))

        assert URN.build(key(user_id, *rest, **more)) == text(user_id, *rest, **more)

    @given(texts, texts, values)
    def test_adapters(self, user_id: str, order: str, page: Any) -> None:
        """Adapters, an id transformer and ignored names hold for the text as for the key."""
        shape = shape_of(plain, ("user_id", len), {"order": lambda order: [order, "'", {}]}, ["page"])
        text, key = compiled(shape, True)
        expected = GCacheKey("user_id", len(user_id), "Get", {"order": [order, "'", {}]}, True)

        assert expected == key(user_id, page, order=order)
        assert URN.build(expected) == text(user_id, page, order=order)

    def test_unrenderable(self) -> None:
        """What has no place in a key raises, and is no text."""
        text, _ = compiled(shape_of(plain))

        with pytest.raises(UnrenderableArgument):
            text(1, object())
        with pytest.raises(UnrenderableArgument):
            text(object())

    @pytest.mark.parametrize(
        "name",
        [
            "type",
            "int",
            "str",
            "repr",
            "object",
            "name",
            "parameters",
            "key",
            "keywords",
            "forward",
            "args",
            "ñ",
            "_",
            "id",
        ],
    )
    def test_parameter_of_any_name(self, name: str) -> None:
        """A parameter may be called as anything that the compiled code uses."""
        namespace: dict[str, Any] = {}
        exec(f"def function(user_id, {name}=1): ...", namespace)
        text, key = compiled(shape_of(namespace["function"]))

        assert GCacheKey("user_id", "a b", "Get", {name: "c d"}) == key("a b", "c d")
        assert URN.build(key("a b", "c d")) == text("a b", "c d")

    @pytest.mark.parametrize("name", ["_gc_v", "_gc_make", "_gc_render", "_gc_default_1"])
    def test_parameter_of_own_name(self, name: str) -> None:
        """Nor need it keep away from the names that are the compiled code's own."""
        namespace: dict[str, Any] = {}
        exec(f"def function(user_id, page=1, *, {name}=2): ...", namespace)
        text, key = compiled(shape_of(namespace["function"]))
        expected = GCacheKey("user_id", "a b", "Get", {"page": 1, name: "c d"})

        assert expected == key("a b", **{name: "c d"})
        assert URN.build(expected) == text("a b", **{name: "c d"})

    @pytest.mark.parametrize("name", ["type", "int", "user_id", "function"])
    def test_function_of_any_name(self, name: str) -> None:
        """A function may be called as anything that the compiled code uses."""
        namespace: dict[str, Any] = {}
        exec(f"def {name}(user_id): ...", namespace)
        text, _ = compiled(shape_of(namespace[name]))

        assert "urn:galileo:user_id:a%20b#Get" == text("a b")

    @pytest.mark.parametrize("name", ["class", "<lambda>", "1st"])
    def test_function_of_no_identifier(self, name: str) -> None:
        """A function whose name could not be written after `def` keeps its name."""

        def function(user_id: int) -> None: ...

        function.__name__ = name
        text, _ = compiled(shape_of(function))

        assert (name, "urn:galileo:user_id:1#Get") == (text.__name__, text(1))


class TestNames:
    @pytest.mark.parametrize(
        ("options", "role"),
        [
            ({"id_arg": "user"}, "id_arg"),
            ({"id_arg": ("user", str)}, "id_arg"),
            ({"arg_adapters": {"pages": str}}, "arg_adapters"),
            ({"ignore_args": ["db"]}, "ignore_args"),
            ({"ignore_args": "db"}, "ignore_args"),
        ],
        ids=str,
    )
    def test_unknown(self, options: dict[str, Any], role: str) -> None:
        """A name that the function does not have is an error that tells which names it has."""
        with pytest.raises(UnknownArgument, match=f"{role}.*user_id, page, order"):
            shape_of(plain, **options)

    def test_receiver(self) -> None:
        """`self` is not an argument that could be the id."""
        with pytest.raises(UnknownArgument, match="user_id, page"):
            shape_of(method, "self")

    def test_no_arguments(self) -> None:
        """A function without arguments is told so."""
        with pytest.raises(UnknownArgument, match="takes none"):
            shape_of(lambda: 1)

    @pytest.mark.parametrize(
        "options", [{"arg_adapters": {"user_id": str}}, {"ignore_args": ["user_id"]}], ids=str
    )
    def test_id_twice(self, options: dict[str, Any]) -> None:
        """The id can neither be ignored nor have an adapter beside its transformer."""
        with pytest.raises(DecorationError, match="transform it"):
            shape_of(plain, **options)

    def test_one_ignored_name(self) -> None:
        """A single name may be given without a list around it."""
        assert ("order",) == shape_of(plain, ignore_args="page").arg_names


class TestWrapper:
    def test_identity(self) -> None:
        """The wrapper has its function's name, text, annotations, attributes and signature."""

        def load(user_id: int, page: list[int] = [1], /, *rest: int, order: str = "asc", **more: int) -> str:  # noqa: B006
            """Load."""

        load.mark = "marked"  # type: ignore[attr-defined]
        wrapper, _ = compiled(shape_of(load))

        assert functools.WRAPPER_ASSIGNMENTS
        for attribute in (*functools.WRAPPER_ASSIGNMENTS, "__defaults__", "__kwdefaults__", "mark"):
            assert getattr(load, attribute) == getattr(wrapper, attribute), attribute
        assert inspect.signature(load) == inspect.signature(wrapper)
        assert (
            inspect.signature(load).parameters.keys()
            == inspect.signature(wrapper, follow_wrapped=False).parameters.keys()
        )
        assert load is wrapper.__wrapped__  # type: ignore[attr-defined]

    def test_default_itself(self) -> None:
        """A default is the very object that the function was defined with."""
        default = object()

        def load(user_id: int, page: object = default) -> None: ...

        _, key = compiled(shape_of(load))

        assert default is key(1).args[0][1]

    @pytest.mark.parametrize(
        ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"pag": 2}), ((1,), {"user_id": 2})], ids=str
    )
    def test_wrong_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A wrong call is the TypeError that the function itself would raise."""
        wrapper, key = compiled(shape_of(plain))

        for function in (wrapper, key):
            with pytest.raises(TypeError, match=r"plain\(\)"):
                function(*args, **kwargs)

    def test_wrapped_function(self) -> None:
        """A function behind somebody else's decorator counts by the signature that it shows."""

        @functools.wraps(plain)
        def decorated(*args: Any, **kwargs: Any) -> None: ...

        _, key = compiled(shape_of(decorated))

        assert GCacheKey("user_id", 1, "Get", {"page": 1, "order": "asc"}) == key(1)


class TestSeeking:
    """What a wrapper looks a key up with finds the key of its call, or nothing."""

    FORMS = (alone, default_id, plain)
    letters = st.text(alphabet="1aF%235?#&={}: \n\u00e9\ud800", max_size=8)
    others = st.builds(
        GCacheKey,
        st.just("user_id"),
        letters | scalars,
        st.just("Get"),
        st.dictionaries(st.sampled_from(["order", "page"]), letters | scalars),
        st.booleans(),
    )

    @given(others, st.booleans(), st.integers(0, len(FORMS) - 1))
    def test_of_another(self, other: GCacheKey, tracked: bool, form: int) -> None:
        """No id leads to the key of another call, not even one that is the middle of that key's string."""
        shape = shape_of(self.FORMS[form])
        sought, _ = compiled(shape, tracked, render_id="seek_id")
        text, _ = compiled(shape, tracked)
        name = URN.build(other)
        start, end = text(user_id="@").split("@")
        user_id = name.removeprefix(start).removesuffix(end)

        assert sought(user_id=user_id) != name or text(user_id=user_id) == name

    @given(letters | scalars | texts)
    def test_own(self, user_id: Any) -> None:
        """An id that has no letter to escape, or was seen before and is short, leads to its own key."""
        sought, _ = compiled(shape_of(plain), render_id="seek_id")
        text, _ = compiled(shape_of(plain))
        expected = text(user_id=user_id)

        assert len(expected) > 200 or expected == sought(user_id=user_id)
