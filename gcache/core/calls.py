"""From a function's arguments to a key, compiled once per function.

The wrapper has the function's own signature, so the interpreter itself binds the arguments, fills in the
defaults and complains about a wrong call. All that depends on the signature alone is done at decoration.

In source text here, names that begin with `_gc_` are ours; for a function with such a parameter they are
given a longer prefix.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from inspect import Parameter
from typing import Any, TypeAlias, cast

from gcache.core.compiling import function_of
from gcache.core.keys import UrnKeyBuilder
from gcache.core.rendering import render
from gcache.errors import DecorationError, UnknownArgument

IdArg = str | tuple[str, Callable[[Any], Any]]
Expression: TypeAlias = tuple[str, dict[str, Any]]
"""Its source, and the values of names in it that begin with `_gc_` there."""
NOTHING: Mapping[str, Any] = {}
NO_EXPRESSION: Expression = ("", {})

_RETURN_KEY = "def {name}({parameters}):\n    return {key}"
_RECEIVERS = ("self", "cls")
_STARS: dict[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
_FEW_DIGITS = range(-(10**9), 10**9)
# What `render_id` and `render` return, for what is common without a call of them.
_ID = (
    "<value> if _gc_type(<first>) is str and <value>.isalnum() or _gc_type(<value>) is int "
    "else _gc_{render}(<value>)"
)
_ARGUMENT = (
    "<value> if (_gc_t := _gc_type(<first>)) is str and <value>.isidentifier() "
    "and <value> not in _gc_words or _gc_t is int "
    "else _gc_rendered[<value>] if _gc_t is str "
    "else _gc_true if <value> is True else _gc_false if <value> is False else _gc_none if <value> is None "
    "else _gc_render(<value>)"
)


class Shape:
    """What a function's signature means for its keys. Raises UnknownArgument, DecorationError."""

    def __init__(
        self,
        function: Callable[..., Any],
        id_arg: IdArg,
        arg_adapters: Mapping[str, Callable[[Any], Any]],
        ignore_args: Iterable[str],
        is_method: bool = False,
    ) -> None:
        """Read the signature. `is_method` says that the first parameter is a receiver, whatever its name."""
        self.function = function
        self.module, self.qualname = names_of(function)
        self.parameters = _parameters_of(function, self.qualname)
        self.receiver = _receiver(self.parameters, is_method)
        self.id_name = id_arg if isinstance(id_arg, str) else id_arg[0]
        self.id_of = None if isinstance(id_arg, str) else id_arg[1]
        self.adapters = dict(arg_adapters)
        self._own = _own_prefix(self.parameters)
        self._texts = {
            p.name: place
            for place, p in enumerate(self.parameters)
            if p.name not in self.adapters and _is_short(p.default)
        }
        ignored = frozenset([ignore_args] if isinstance(ignore_args, str) else ignore_args)
        self._check(ignored)
        left_out = {self.receiver, self.id_name, *ignored}
        self.arg_names = tuple(sorted(p.name for p in self.parameters if p.name not in left_out))
        self._from_signature = self._values_of_names()

    def key_maker(self, key_type: str, use_case: str, tracked: bool) -> Callable[..., Any]:
        """Return a function of the same signature that returns the call's GCacheKey."""
        return self._define(_RETURN_KEY, self._structured(key_type, use_case, tracked))

    def namer(self, builder: Any, key_type: str, use_case: str, tracked: bool) -> Callable[..., str]:
        """Return a function of the same signature that returns the string of the call's key."""
        key = self.key_expression(builder, key_type, use_case, tracked)
        return self._define(_RETURN_KEY, key, own={"build": builder.build})

    def wrapper(
        self, template: str, key: Expression, own: Mapping[str, Any], shared: Mapping[str, Any] = NOTHING
    ) -> Callable[..., Any]:
        """Return the function that `template` describes, with the signature and the identity of this one.

        In it, `{name}`, `{parameters}`, `{forward}`, `{positional}` and `{keywords}` stand for source text
        of the signature and of passing it on, `{key}` for the expression that gives the key's string. The
        names of `own`, and those of `shared`, which mean the same for many functions, begin with `_gc_` in
        the template.
        """
        wrapper = self._define(template, key, shared, own)
        wrapper.__module__ = self.module
        wrapper.__name__ = getattr(self.function, "__name__", self.qualname.rpartition(".")[2])
        wrapper.__doc__ = self.function.__doc__
        wrapper.__dict__.update(getattr(self.function, "__dict__", {}))
        wrapper.__annotations__ = getattr(self.function, "__annotations__", {})
        wrapper.__wrapped__ = self.function  # type: ignore[attr-defined]
        return wrapper

    def key_expression(
        self, builder: Any, key_type: str, use_case: str, tracked: bool, render_id: str = "render_id"
    ) -> Expression:
        """Return an expression that gives the string of a call's key.

        With "seek_id" for `render_id` it is good for looking up alone, and gives other strings of no key.
        """
        if type(builder) is not UrnKeyBuilder:
            text, own = self._structured(key_type, use_case, tracked)
            return f"{self._own}build({text})", own
        start, rest, own = self._key_parts(builder, key_type, use_case, tracked, render_id)
        return start + rest, own

    def keys_expression(self, builder: Any, key_type: str, use_case: str, tracked: bool) -> Expression:
        """Return one that gives the strings of all keys, where the id's argument is a list.

        What is the same for all ids is rendered once.
        """
        each, once = f"for {self.id_name} in {self.id_name}", f"{self._own}rest"
        if type(builder) is not UrnKeyBuilder:
            text, own = self.key_expression(builder, key_type, use_case, tracked)
            return f"[{text} {each}]", own
        start, rest, own = self._key_parts(builder, key_type, use_case, tracked, "render_id")
        return f"(lambda {once}: [{start}f'{{{once}}}' {each}])({rest}) if {self.id_name} else []", own

    def _key_parts(
        self, builder: UrnKeyBuilder, key_type: str, use_case: str, tracked: bool, render_id: str
    ) -> tuple[str, str, dict[str, Any]]:
        """Return the source of what begins a key's string, up to its id, of the rest, and what they name."""
        start, joints, end = builder.literals(key_type, use_case, tracked, self.arg_names)
        id_part = self._part(self._id(), _ID.replace("{render}", render_id))
        rest = ""
        for joint, name in zip(joints, self.arg_names, strict=True):
            rest += repr(joint) + self._part(self._value(name), self._default(name) + _ARGUMENT)
        return repr(start) + id_part, f"{rest}f'{{{self._own}end}}'", {"end": end}

    def _check(self, ignored: frozenset[str]) -> None:
        names = [p.name for p in self.parameters if p.name != self.receiver]
        for role, given in (
            ("id_arg", [self.id_name]),
            ("arg_adapters", self.adapters),
            ("ignore_args", ignored),
        ):
            for name in given:
                if name not in names:
                    raise UnknownArgument(
                        f"{role} names {name!r}, which is no argument of {self.qualname}: "
                        f"choose among {', '.join(names) or 'none, for it takes none'}."
                    )
        if self.id_name in ignored or self.id_name in self.adapters:
            raise DecorationError(
                f"{self.id_name!r} is the id of {self.qualname} and cannot be ignored or have "
                f'an adapter: transform it with id_arg=("{self.id_name}", lambda value: ...).'
            )

    def _values_of_names(self) -> dict[str, Any]:
        """Return what this function's keys are made with that those of another one may not be."""
        places = self._texts.values()
        return {
            **{f"default_{place}": self.parameters[place].default for place in places},
            **{f"text_{place}": render(self.parameters[place].default) for place in places},
            **{f"adapter_{name}": adapter for name, adapter in self.adapters.items()},
            **({} if self.id_of is None else {"id_of": self.id_of}),
        }

    def _structured(self, key_type: str, use_case: str, tracked: bool) -> Expression:
        pairs = "".join(f"({name!r}, {self._value(name)})," for name in self.arg_names)
        text = f"{self._own}make({key_type!r}, {self._id()}, {self._own}use_case, ({pairs}), {tracked!r})"
        return text, {"use_case": use_case}

    def _part(self, value: str, expression: str) -> str:
        """Return an f-string part. What takes more than a look at a parameter is evaluated once."""
        part = "f'{" + expression.replace("_gc_", self._own) + "}'"
        if value.isidentifier():
            return part.replace("<first>", value).replace("<value>", value)
        here = f"{self._own}v"
        return part.replace("<first>", f"{here} := {value}").replace("<value>", here)

    def _default(self, name: str) -> str:
        """Return the beginning of an expression, for a parameter that is most often not given."""
        place = self._texts.get(name)
        return "" if place is None else f"_gc_text_{place} if <value> is _gc_default_{place} else "

    def _id(self) -> str:
        return self.id_name if self.id_of is None else f"{self._own}id_of({self.id_name})"

    def _value(self, name: str) -> str:
        return f"{self._own}adapter_{name}({name})" if name in self.adapters else name

    def _define(
        self,
        template: str,
        key: Expression,
        shared: Mapping[str, Any] = NOTHING,
        own: Mapping[str, Any] = NOTHING,
    ) -> Callable[..., Any]:
        text = template.replace("_gc_", self._own)
        for placeholder, meant in (
            ("{name}", f"{self._own}function"),
            ("{parameters}", _declared(self.parameters)),
            ("{forward}", ", ".join((*_positional(self.parameters), *_keywords(self.parameters, "{0}={0}")))),
            ("{positional}", "".join(f"{name}, " for name in _positional(self.parameters))),
            ("{keywords}", ", ".join(_keywords(self.parameters, "'{0}': {0}"))),
            ("{key}", key[0]),
        ):
            text = text.replace(placeholder, meant)
        own = {**self._from_signature, **key[1], **own}
        function: Any = function_of(text, self._own, shared, own)
        given = [p for p in self.parameters if p.default is not Parameter.empty]
        function.__defaults__ = tuple(p.default for p in given if p.kind is not Parameter.KEYWORD_ONLY)
        function.__kwdefaults__ = {p.name: p.default for p in given if p.kind is Parameter.KEYWORD_ONLY}
        function.__qualname__ = self.qualname
        return cast("Callable[..., Any]", function)


def _parameters_of(function: Callable[..., Any], name: str) -> tuple[Parameter, ...]:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise DecorationError(
            f"{name} does not tell what arguments it takes: decorate a function that calls it."
        ) from error


def names_of(function: Any) -> tuple[str, str]:
    """Return the module and the qualified name of a function, of what a partial calls, or of a class."""
    while isinstance(function, partial):
        function = function.func
    if not hasattr(function, "__qualname__"):
        function = function.__class__
    owner = function if hasattr(function, "__module__") else function.__objclass__  # as of `str.upper`
    return owner.__module__, function.__qualname__


def _is_short(value: object) -> bool:
    """Tell whether a default is a plain one that never changes, whose text can be made beforehand."""
    kind = type(value)
    return kind is str or kind is bool or value is None or (kind is int and value in _FEW_DIGITS)


def _receiver(parameters: Sequence[Parameter], is_method: bool) -> str | None:
    first = parameters[0].name if parameters else None
    return first if is_method or first in _RECEIVERS else None


def _own_prefix(parameters: Iterable[Parameter]) -> str:
    """Return what names of ours begin with and no parameter does."""
    prefix = "_gc_"
    while any(parameter.name.startswith(prefix) for parameter in parameters):
        prefix = f"_{prefix}"
    return prefix


def _declared(parameters: Sequence[Parameter]) -> str:
    """Return the source of a declaration of `parameters`, in which None stands for each default."""
    texts: list[str] = []
    kinds = [p.kind for p in parameters]
    for index, parameter in enumerate(parameters):
        if (
            parameter.kind is Parameter.KEYWORD_ONLY
            and Parameter.VAR_POSITIONAL not in kinds
            and kinds.index(Parameter.KEYWORD_ONLY) == index
        ):
            texts.append("*")
        default = "" if parameter.default is Parameter.empty else "=None"
        texts.append(f"{_STARS.get(parameter.kind, '')}{parameter.name}{default}")
        if (
            parameter.kind is Parameter.POSITIONAL_ONLY
            and Parameter.POSITIONAL_ONLY not in kinds[index + 1 :]
        ):
            texts.append("/")
    return ", ".join(texts)


def _positional(parameters: Iterable[Parameter]) -> list[str]:
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
    return [_STARS.get(p.kind, "") + p.name for p in parameters if p.kind in kinds]


def _keywords(parameters: Iterable[Parameter], form: str) -> list[str]:
    named = [form.format(p.name) for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
    return named + [f"**{p.name}" for p in parameters if p.kind is Parameter.VAR_KEYWORD]
