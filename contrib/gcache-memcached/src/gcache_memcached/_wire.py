"""Keys and lives as memcached takes them. Pure.

A key has up to 250 bytes of visible ASCII; different keys stay different. A life is given in whole seconds,
beyond 30 days as Unix time, and never shorter than asked.
"""

from __future__ import annotations

import math
import re
from hashlib import blake2b

LOG_KEY = "gcache!cleared"
GONE = -1
NEVER = 0
_LONGEST = 250
_SHOWN = 100
_MOST_SECONDS = 30 * 86_400
_LAST_TIME = 2**31 - 1


def wire_key(key: str) -> str:
    """Return what `key` is called on a server: itself if that can be, else how it begins and its digest."""
    readable = f"gcache:{key}"
    if len(readable) <= _LONGEST and key.isascii() and key.isprintable() and " " not in key:
        return readable
    beginning = re.sub(r"[^!-~]", "?", key[:_SHOWN])
    return f"gcache#{beginning}#{_digest(key, 32).hex()}"


def place_of(key: str) -> str:
    """Return the part of `key` that decides where it lives: what is in its first braces, else all of it."""
    start = key.find("{") + 1
    end = key.find("}", start) if start else -1
    return key[start:end] if end > start else key


def weight(text: str, seed: int) -> int:
    """Return how much a server wants a key, both in `text`. The ring has but one seed."""
    return int.from_bytes(_digest(text, 8), "big")


def expiry(ttl: float, now: float) -> int:
    """Return the expiry for a life of `ttl` seconds from `now`, Unix time.

    It is one second late, since a server's seconds end up to one second early. What would end after the last
    time that a server can tell never expires.
    """
    if now + ttl > _LAST_TIME - 2:
        return NEVER
    seconds = math.ceil(ttl) + 1
    return seconds if seconds <= _MOST_SECONDS else math.ceil(now + ttl) + 1


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()
