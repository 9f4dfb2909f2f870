"""Functions made of source text. Those of one text share their code, so a processor has less to remember.

What is the same for all functions is global to them; what is a function's own is in its closure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from gcache.core.keys import trusted_key
from gcache.core.rendering import RENDERED, WORDS, render, render_id, seek_id

_MOST_TEXTS = 1_024
_GLOBALS: dict[str, Any] = {
    "Exception": Exception,
    "false": "False",
    "make": trusted_key,
    "none": "None",
    "render": render,
    "render_id": render_id,
    "rendered": RENDERED,
    "seek_id": seek_id,
    "true": "True",
    "type": type,
    "words": WORDS,
}


def function_of(
    text: str, prefix: str, shared: Mapping[str, Any], own: Mapping[str, Any]
) -> Callable[..., Any]:
    """Return the function that `text` defines by the name of `function`.

    In it that name, the global ones and those of `shared` and `own` begin with `prefix`. What is `shared` is
    global to all functions of this text that share the same, and can be hashed.
    """
    parameters = ", ".join(f"{prefix}{name}" for name in own)
    lines = [f"def {prefix}factory({parameters}):", *text.splitlines(), f"return {prefix}function"]
    factory = _factory("\n    ".join(lines), prefix, tuple(shared.items()))
    function: Callable[..., Any] = factory(*own.values())
    return function


@lru_cache(maxsize=_MOST_TEXTS)
def _factory(text: str, prefix: str, shared: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    namespace = {f"{prefix}{name}": value for name, value in (*_GLOBALS.items(), *shared)}
    exec(compile(text, "<gcache wrapper>", "exec"), namespace)
    factory: Callable[..., Any] = namespace.pop(f"{prefix}factory")
    return factory
