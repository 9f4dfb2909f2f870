"""From a function's arguments to a key, compiled once per function.

The wrapper has the function's own signature, so the interpreter itself binds the arguments, fills in the
defaults and complains about a wrong call. All that depends on the signature alone is done at decoration.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter
from typing import Any

from gcache.core.keys import UrnKeyBuilder, trusted_key
from gcache.core.rendering import UNSAFE, WORDS, render, render_id
from gcache.errors import DecorationError, UnknownArgument

IdArg = str | tuple[str, Callable[[Any], Any]]
_RECEIVERS = ("self", "cls")
_STARS: dict[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}


class Shape:
    """What a function's signature means for its keys. Raises UnknownArgument, DecorationError."""

    def __init__(
        self,
        function: Callable[..., Any],
        id_arg: IdArg,
        arg_adapters: Mapping[str, Callable[[Any], Any]],
        ignore_args: Iterable[str],
    ) -> None:
        signature = inspect.signature(function)
        self.function = function
        self.name = function.__name__ if function.__name__.isidentifier() else "cached"
        self.parameters = tuple(signature.parameters.values())
        self.receiver = _receiver(self.parameters)
        self.id_name = id_arg if isinstance(id_arg, str) else id_arg[0]
        self.id_of = None if isinstance(id_arg, str) else id_arg[1]
        self.adapters = dict(arg_adapters)
        ignored = frozenset([ignore_args] if isinstance(ignore_args, str) else ignore_args)
        self._check(ignored)
        left_out = {self.receiver, self.id_name, *ignored}
        self.arg_names = tuple(sorted(p.name for p in self.parameters if p.name not in left_out))

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
                        f"{role} names {name!r}, which is no argument of {self.function.__qualname__}: "
                        f"choose among {', '.join(names) or 'none, for it takes none'}."
                    )
        if self.id_name in ignored or self.id_name in self.adapters:
            raise DecorationError(
                f"{self.id_name!r} is the id of {self.function.__qualname__} and cannot be ignored or have "
                f'an adapter: transform it with id_arg=("{self.id_name}", lambda value: ...).'
            )

    def key_maker(self, key_type: str, use_case: str, tracked: bool) -> Callable[..., Any]:
        """Return a function of the same signature that returns the call's GCacheKey."""
        namespace = self._namespace(key_type=key_type, use_case=use_case, tracked=tracked, make=trusted_key)
        pairs = "".join(f"({name!r}, {self._value(name)})," for name in self.arg_names)
        return self._define(
            "def {name}({parameters}):\n"
            f"    return _gc_make(_gc_key_type, {self._id()}, _gc_use_case, ({pairs}), _gc_tracked)\n",
            namespace,
        )

    def namer(self, builder: Any, key_type: str, use_case: str, tracked: bool) -> Callable[..., str]:
        """Return a function of the same signature that returns the string of the call's key."""
        expression = self.key_expression(builder, key_type, use_case, tracked)
        template = f"def {{name}}({{parameters}}):\n    return {expression}\n"
        return self._define(template, self._namespace(build=builder.build))

    def wrapper(self, template: str, key: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the function that `template` describes, with the signature and the identity of this one.

        In it, `{name}`, `{parameters}`, `{forward}`, `{positional}` and `{keywords}` stand for source text
        of the signature and of passing it on, `{key}` for the expression that gives the key's string.
        Names of the template's own begin with `_gc_`, as those of `namespace` do once they are in it.
        """
        wrapper = self._define(template.replace("{key}", key), self._namespace(**namespace))
        for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(wrapper, attribute, getattr(self.function, attribute, None))
        wrapper.__dict__.update(getattr(self.function, "__dict__", {}))
        wrapper.__annotations__ = getattr(self.function, "__annotations__", {})
        wrapper.__wrapped__ = self.function  # type: ignore[attr-defined]
        return wrapper

    def key_expression(self, builder: Any, key_type: str, use_case: str, tracked: bool) -> str:
        """Return the source of an expression that gives the string of a call's key, without a GCacheKey."""
        if type(builder) is not UrnKeyBuilder:
            pairs = "".join(f"({name!r}, {self._value(name)})," for name in self.arg_names)
            return f"_gc_build(_gc_make({key_type!r}, {self._id()}, {use_case!r}, ({pairs}), {tracked}))"
        start, joints, end = builder.literals(key_type, use_case, tracked, self.arg_names)
        text = repr(start) + _part(
            self._id(), "type(_gc_v) is str and (_gc_v.isalnum() or not _gc_unsafe(_gc_v))", "_gc_render_id"
        )
        for joint, name in zip(joints, self.arg_names, strict=True):
            text += repr(joint) + _part(self._value(name), _PLAIN_ARGUMENT, "_gc_render")
        return text + repr(end)

    def _id(self) -> str:
        return self.id_name if self.id_of is None else f"_gc_id_of({self.id_name})"

    def _value(self, name: str) -> str:
        return f"_gc_adapter_{name}({name})" if name in self.adapters else name

    def _namespace(self, **names: Any) -> dict[str, Any]:
        own = {
            "id_of": self.id_of,
            **{f"adapter_{name}": adapter for name, adapter in self.adapters.items()},
            "render_id": render_id,
            "unsafe": UNSAFE.search,
            "words": WORDS,
            "render": render,
            "make": trusted_key,
            **names,
        }
        return {f"_gc_{name}": value for name, value in own.items()}

    def _define(self, template: str, namespace: dict[str, Any]) -> Callable[..., Any]:
        source = template
        for placeholder, text in (
            ("{name}", self.name),
            ("{parameters}", self._parameters(namespace)),
            ("{forward}", ", ".join((*_positional(self.parameters), *_keywords(self.parameters, "{0}={0}")))),
            ("{positional}", "".join(f"{name}, " for name in _positional(self.parameters))),
            ("{keywords}", ", ".join(_keywords(self.parameters, "'{0}': {0}"))),
        ):
            source = source.replace(placeholder, text)
        exec(compile(source, f"<gcache wrapper of {self.name}>", "exec"), namespace)
        return namespace[self.name]  # type: ignore[no-any-return]

    def _parameters(self, namespace: dict[str, Any]) -> str:
        texts: list[str] = []
        kinds = [p.kind for p in self.parameters]
        for index, parameter in enumerate(self.parameters):
            if (
                parameter.kind is Parameter.KEYWORD_ONLY
                and Parameter.VAR_POSITIONAL not in kinds
                and (kinds.index(Parameter.KEYWORD_ONLY) == index)
            ):
                texts.append("*")
            text = _STARS.get(parameter.kind, "") + parameter.name
            if parameter.default is not Parameter.empty:
                namespace[f"_gc_default_{index}"] = parameter.default
                text += f"=_gc_default_{index}"
            texts.append(text)
            if (
                parameter.kind is Parameter.POSITIONAL_ONLY
                and Parameter.POSITIONAL_ONLY not in kinds[index + 1 :]
            ):
                texts.append("/")
        return ", ".join(texts)


def _receiver(parameters: Sequence[Parameter]) -> str | None:
    first = parameters[0] if parameters else None
    return first.name if first is not None and first.name in _RECEIVERS else None


# What `render` gives back as it is, or as str() does.
_PLAIN_ARGUMENT = (
    "_gc_v is None or _gc_v is True or _gc_v is False "
    "or type(_gc_v) is str and _gc_v.isidentifier() and _gc_v not in _gc_words"
)


def _part(value: str, is_plain: str, renderer: str) -> str:
    """Return an f-string part: a whole number or what `is_plain` as it is, all else by its renderer."""
    plain = f"type(_gc_v := {value}) is int or {is_plain}"
    return f"f'{{_gc_v if {plain} else {renderer}(_gc_v)}}'"


def _positional(parameters: Iterable[Parameter]) -> list[str]:
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
    return [_STARS.get(p.kind, "") + p.name for p in parameters if p.kind in kinds]


def _keywords(parameters: Iterable[Parameter], form: str) -> list[str]:
    named = [form.format(p.name) for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
    return named + [f"**{p.name}" for p in parameters if p.kind is Parameter.VAR_KEYWORD]
