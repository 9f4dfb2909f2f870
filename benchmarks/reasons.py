"""Why a target is missed, by the beginning of the job's name; the page says it for as long as that is so."""

from __future__ import annotations

from collections.abc import Mapping

_FAR = (
    "On the line: 0.19 to 0.21 with 50 callers, 0.16 to 0.21 with 200. Of 84,000 instructions a call, "
    "counted without the server, 28,000 are to wait for the batch, to be woken by the loop, and for "
    "pickle.loads, none of which keeps a promise; 24,000 check the envelope and the pickle (6,000 of them "
    "BLAKE2b, 7,000 the pickle's instructions); 33,000 make key, call and answer, and ask for the policy, "
    "the entity's generation and holds, the breaker and the figures, in 18 steps of Python. A batch takes "
    "another 60 µs, which fewer callers share."
)

REASONS: Mapping[str, str] = {
    "local hit, sync": (
        "On the line: 1.83 to 2.03 in five runs. Wrappers of one signature share their code, so a call "
        "copies the five cells of its closure, about 10 ns; with thousands of use cases that saves a third."
    ),
    "local hit, 8 threads": (
        "On the line of a limit that is our own: 1.01 to 1.06 in six runs. No lock is on the way; what the "
        "rest is has not been taken apart."
    ),
    "disabled, async": (
        "A coroutine that does nothing but await another takes 1.49 times a bare call here; the switch "
        "adds 0.08 and the exact count 0.13. A plain function that returns the other's coroutine would "
        "be cheaper, but on Python 3.11 nobody could tell that it is async."
    ),
    "Redis hits, async, tracked, 50 callers": _FAR,
    "Redis hits, async, tracked, 200 callers": _FAR,
    "first GCache(...) with a RedisConfig": (
        "The engine, 40 modules of a quarter of a millisecond each, is imported by the first instance, not "
        "by `import gcache`; 2.4 ms are for the Redis layer and the instance itself."
    ),
    "local hit, from 1 to 10,000": (
        "Most of it are policies: each use case asks for its own once a second, which takes the call that "
        "notices about 30 µs, and 10 of a thread that asks for several. With policies that hold for long it "
        "is 1.2: a hit goes to half as many places in memory again as the floor's."
    ),
    "bytes of an entry": (
        "Of 174 bytes, 38 are the dictionary's, 32 the object's headers, 24 its deadline and 80 its ten "
        "fields: a plain dictionary has no order of eviction, no generation and one date."
    ),
    "flushall of 1,000,000 keys": (
        "The server's own log shows no command as long as that; the watcher shares two processors with "
        "the server and the one who flushes, and waits for its turn."
    ),
    "1,000 ids at once": (
        "Over a bare socket, with hiredis, BLAKE2b and plain pickle, no Python takes less than 3.2 ms here: "
        "the two round trips 1.0, 500 pickles, check sums and commands to write 0.8, the same to read 0.9. "
        "The restricted pickles take 1 ms more than plain ones, heads and sizes of envelopes 1.5; the rest "
        "is a visit, a ticket and a flight for each id."
    ),
    "hit ratio, Zipf": (
        "The memory layer knows one mark for each entry, and for a while who was evicted; W-TinyLFU counts "
        "the accesses of all keys, also of those that are not there."
    ),
    "hit ratio, scans": (
        "A scan still has a tenth of the room. W-TinyLFU compares a newcomer with whom it would replace."
    ),
}


def reason(job: str) -> str:
    """Return the reason for a missed target of `job`, or say that none has been found."""
    return next((why for start, why in REASONS.items() if job.startswith(start)), "No reason is known yet.")
