"""Structured keys, and the strings that layers store entries under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from attrs import field, frozen

from gcache.core.checks import alike, hashed, shown
from gcache.core.rendering import escape, render, render_id
from gcache.errors import GCacheConfigError, InvalidKey, UseCaseReserved

RESERVED_USE_CASES = frozenset({"", "epoch", "watermark"})
DEFAULT_PREFIX = "urn:galileo"


def check_key_type(key_type: str) -> str:
    """Return `key_type` if a key can carry it. Raises InvalidKey."""
    if not key_type or ":" in key_type:
        raise InvalidKey(
            f"A key type cannot be {key_type!r}: name the kind of entity without a colon, such as 'user_id'."
        )
    return key_type


def check_use_case(use_case: str) -> str:
    """Return `use_case` if a function may have it. Raises UseCaseReserved."""
    if use_case in RESERVED_USE_CASES:
        raise UseCaseReserved(
            f"The use case {use_case!r} is reserved: name the scenario, such as 'GetUserProfile'."
        )
    return use_case


def check_prefix(prefix: str) -> str:
    """Return `prefix` if keys can begin with it. Raises GCacheConfigError."""
    if not prefix or escape(prefix) != prefix or prefix.endswith(":"):
        raise GCacheConfigError(
            f"urn_prefix cannot be {prefix!r}: use words joined by colons, such as 'urn:myteam', "
            "without white space and without any of % ? # & = { }."
        )
    return prefix


def _sorted_args(args: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(dict(args).items()))


@frozen
class GCacheKey:
    """What a cached value is the value of.

    `args` is a mapping of argument names to values, kept as pairs sorted by name. `id` may be anything
    that has a defined text; ids with the same text are one entity, so `12345` and `"12345"` are.
    Raises InvalidKey for a key type with a colon, UseCaseReserved for a use case that keys need.
    """

    key_type: str = field(converter=check_key_type)
    id: Any
    use_case: str = field(converter=check_use_case)
    args: tuple[tuple[str, Any], ...] = field(default=(), converter=_sorted_args)
    track_for_invalidation: bool = False

    __repr__, __eq__, __hash__ = shown, alike, hashed


def trusted_key(
    key_type: str, id: Any, use_case: str, args: tuple[tuple[str, Any], ...], tracked: bool
) -> GCacheKey:
    """Return a key whose parts were checked before: at decoration, for all calls of a function."""
    key = _new(GCacheKey)
    _set_key_type(key, key_type)
    _set_id(key, id)
    _set_use_case(key, use_case)
    _set_args(key, args)
    _set_tracked(key, tracked)
    return key


_new = GCacheKey.__new__
_set_key_type, _set_id, _set_use_case, _set_args, _set_tracked = (
    getattr(GCacheKey, attribute.name).__set__ for attribute in attrs.fields(GCacheKey)
)


class UrnKeyBuilder:
    """Builds `urn:galileo:<key type>:<id>?<arguments>#<use case>`.

    Tracked keys wrap the entity in a hash tag, `{urn:galileo:user_id:12345}?page=2#GetPosts`, so that a
    Redis Cluster keeps them in one slot with the entity's epoch, `{urn:galileo:user_id:12345}#epoch`.
    """

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self._prefix = check_prefix(prefix)
        self.prefixes: tuple[str, ...] = (f"{prefix}:", f"{{{prefix}:")

    def build(self, key: GCacheKey) -> str:
        """Return the string of `key`. Raises UnrenderableArgument."""
        entity = self._entity(key.key_type, render_id(key.id))
        if key.track_for_invalidation:
            entity = f"{{{entity}}}"
        arguments = "&".join(f"{escape(name)}={render(value)}" for name, value in key.args)
        return f"{entity}{'?' if arguments else ''}{arguments}#{escape(key.use_case)}"

    def epoch(self, key_type: str, id: object) -> str:
        """Return the string of an entity's epoch. Raises UnrenderableArgument, InvalidKey."""
        return f"{{{self._entity(check_key_type(key_type), render_id(id))}}}#epoch"

    def epoch_beside(self, name: str) -> str:
        """Return the string of the epoch of the entity that the tracked key `name` belongs to."""
        return name.partition("}")[0] + "}#epoch"

    def literals(
        self, key_type: str, use_case: str, tracked: bool, arg_names: Iterable[str]
    ) -> tuple[str, list[str], str]:
        """Return the constant parts of a function's keys: before the id, before each argument, at the end.

        The string of a key is these with the rendered id and arguments in between; `arg_names` is sorted.
        """
        brace = ("{", "}") if tracked else ("", "")
        start = brace[0] + self._entity(key_type, "")
        joints = [f"{'&' if n else brace[1] + '?'}{escape(name)}=" for n, name in enumerate(arg_names)]
        return start, joints, f"{'' if joints else brace[1]}#{escape(use_case)}"

    def _entity(self, key_type: str, id_text: str) -> str:
        return f"{self._prefix}:{escape(key_type)}:{id_text}"
