"""What `@cached` and `@cached_many` have in common: from a function and their options to its use case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gcache.core.calls import Shape
from gcache.core.decorator import check_cacheable, wrap
from gcache.core.keys import check_key_type, check_use_case
from gcache.core.methods import rewrapped
from gcache.core.use_case import UseCase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gcache.core.calls import IdArg
    from gcache.core.engine import Engine
    from gcache.core.key_config import GCacheKeyConfig
    from gcache.core.protocols import Serializer
    from gcache.core.rules import Rules


def decorator_for(
    engine: Engine,
    arguments: tuple[IdArg, Mapping[str, Callable[[Any], Any]], Iterable[str]],
    name: str | None,
    key_type: str,
    tracked: bool,
    serializer: Serializer | None,
    default_config: GCacheKeyConfig | None,
    rules: Rules,
    shadow_equal: Callable[[Any, Any], bool] | None = None,
    is_bulk: bool = False,
) -> Any:
    """Return what makes a cached function of a function, one of many ids if it `is_bulk`.

    `arguments` are the id's, the adapters of others, and those that are no part of a key.
    """

    def decorate(function: Any, is_method: bool = False) -> Any:
        if isinstance(function, staticmethod | classmethod):
            return rewrapped(cast("staticmethod[..., Any] | classmethod[Any, ..., Any]", function), decorate)
        check_cacheable(function)
        shape = Shape(function, *arguments, is_method)
        wrapped = wrap
        if is_bulk:
            from gcache.core.decorator_many import check_ids, wrap_many

            check_ids(shape)
            wrapped = wrap_many
        case = UseCase(
            check_use_case(f"{shape.module}.{shape.qualname}" if name is None else name),
            check_key_type(key_type),
            tracked,
            serializer or engine.default_serializer(function),
            default_config,
            engine.tiers[0].name,
            shadow_equal,
            rules,
        )
        engine.register(case, shape.arg_names, is_bulk)
        return wrapped(engine, case, shape)

    return decorate
