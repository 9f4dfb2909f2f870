"""Which pickle instructions a restricted pickle may consist of."""

from __future__ import annotations

import re
from pickle import UnpicklingError

_SHORT_BODIES = b"|".join(re.escape(bytes([size])) + b".{%d}" % size for size in range(256))

# What protocol 5 writes for plain containers and scalars, for STACK_GLOBAL, REDUCE and BUILD, and for
# what refers to an earlier object.
_ALONE = rb"[N\x88\x89\](}aesut)\x85\x86\x87\x8f\x90\x91\x93\x94Rb01]"  # these have no argument
match_run = re.compile(
    rb"(?:\x80\x05)?+(?s:"
    rb"[\x8cC\x8a](?:" + _SHORT_BODIES + rb")" + _ALONE + rb"*+"  # a size of one byte; most are strings
    rb"|" + _ALONE + rb"++"
    rb"|[Kh].|M.{2}|[Jj].{4}|[G\x95].{8}"  # these have one of fixed size
    rb")*+\.?+"
).match

STACK_GLOBAL = 0x93
"""A pickle without this byte, once checked, names nothing: it is made of built-in types only."""

_SIZE_BYTES = {b"X": 4, b"B": 4, b"\x8b": 4, b"\x8d": 8, b"\x8e": 8, b"\x96": 8}


def check(data: bytes, position: int = 0) -> None:
    """Raise UnpicklingError unless `data` consists of these instructions from `position` on.

    What is left out can do more than describe data: name things in other ways (GLOBAL, INST, EXT), construct
    in other ways (OBJ, NEWOBJ), ask the application (PERSID, NEXT_BUFFER), or claim gigabytes with ten bytes
    (PUT). The rest of what makes a whole pickle is left to the unpickler.
    """
    while run := match_run(data, position):
        if run.end() == len(data):
            return
        position = _skip_long(data, run.end())


def _skip_long(data: bytes, position: int) -> int:
    width = _SIZE_BYTES.get(data[position : position + 1])
    if width is None:
        raise UnpicklingError("An instruction is cut off, or is none for a restricted pickle.")
    body = position + 1 + width
    end = body + int.from_bytes(data[position + 1 : body], "little")
    if end > len(data):
        raise UnpicklingError("This pickle is cut off.")
    return end
