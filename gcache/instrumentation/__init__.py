"""The bundled sinks. `PrometheusSink` is imported when it is first asked for, as it needs an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcache.instrumentation.fanout import FanoutSink
from gcache.instrumentation.logging import LoggingSink
from gcache.instrumentation.null import NullSink

if TYPE_CHECKING:
    from gcache.instrumentation.prometheus import PrometheusSink

__all__ = ["FanoutSink", "LoggingSink", "NullSink", "PrometheusSink"]


def __getattr__(name: str) -> object:
    if name != "PrometheusSink":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gcache.instrumentation.prometheus import PrometheusSink

    return PrometheusSink
