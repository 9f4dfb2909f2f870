"""Bytes that do harm to those who believe them, and bytes that were damaged."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import marshal
import os
import pickle
import random
import subprocess
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

_LIMIT = 600
"""How many bytes from either end of long data are damaged, one after the other."""


class _Payload:
    """Pickles to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def leave_trace(path: str) -> None:
    """Make the file that shows that hostile bytes have run something."""
    Path(path).touch()


def payloads(traces: Path, own: bytes) -> Iterator[bytes]:
    """Yield bytes that, where they are believed, leave something in the directory `traces`.

    `own` is what the serializer itself has made; some of the bytes look like it at one end.
    """
    for number, payload in enumerate(_payloads(traces)):
        yield payload
        for wrap in (zlib.compress, gzip.compress, bz2.compress, base64.b64encode):
            yield wrap(payload)
        if number % 3 == 0:
            for kept in (1, 2, 4, len(own) // 2, len(own)):
                yield own[:kept] + payload
                yield payload + own[-kept:]
                yield own[:-kept] + payload + own[-kept:]


def _payloads(traces: Path) -> Iterator[bytes]:
    def trace(kind: str) -> str:
        return str(traces / kind)

    program = f"open({trace('program')!r}, 'w').close()"
    calls: list[tuple[Any, ...]] = [
        (leave_trace, trace("function")),
        (os.mkdir, trace("mkdir")),
        (subprocess.call, ["mkdir", trace("program run")]),
        (exec, program),
        (eval, program),
        (open, trace("open"), "w"),
    ]
    for call in calls:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            yield pickle.dumps(_Payload(*call), protocol)
            yield pickle.dumps({"value": [_Payload(*call)]}, protocol)
    yield f"cposix\nmkdir\n(V{trace('global')}\ntR.".encode()
    yield f"(V{trace('instance')}\niposix\nmkdir\n.".encode()
    yield marshal.dumps(compile(program, "payload", "exec"))
    yield program.encode()
    yield f"__import__('os').mkdir({trace('expression')!r})".encode()
    yield f"!!python/object/apply:os.mkdir [{trace('yaml')}]".encode()
    named = {"py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": [trace("json")]}]}
    yield json.dumps(named).encode()
    yield json.dumps({"__class__": "os.mkdir", "args": [trace("class")]}).encode()


def truncated(data: bytes) -> Iterator[bytes]:
    """Yield `data` cut off at every place."""
    for length in (n for n in range(len(data)) if _is_near_an_end(n, len(data))):
        yield data[:length]


def flipped(data: bytes) -> Iterator[bytes]:
    """Yield `data` with each of its bits turned over."""
    for place in (n for n in range(len(data)) if _is_near_an_end(n, len(data))):
        for bit in range(8):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def noise(data: bytes) -> Iterator[bytes]:
    """Yield random bytes, alone and after the beginning of `data`, and none at all."""
    generator = random.Random(0)
    yield b""
    for number in range(300):
        length = generator.choice((1, 2, 3, 8, 40, 400))
        yield data[: number % (len(data) + 1) if number % 2 else 0] + generator.randbytes(length)


def foreign(values: Any) -> Iterator[bytes]:
    """Yield what other ways of writing make of `values`."""
    for value in values:
        yield repr(value).encode(errors="surrogatepass")
        for dump in (*(_pickled(protocol) for protocol in range(6)), marshal.dumps, _as_json):
            try:
                yield dump(value)
            except Exception:  # not every way can write every value
                continue


def _pickled(protocol: int) -> Any:
    return partial(pickle.dumps, protocol=protocol)


def _as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _is_near_an_end(place: int, length: int) -> bool:
    return place < _LIMIT or length - place < _LIMIT
