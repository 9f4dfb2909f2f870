"""Why a target is missed, by the beginning of the job's name; the page says it for as long as that is so."""

from __future__ import annotations

from collections.abc import Mapping

_FAR = (
    "Reads of one loop leave together, and with nothing but that and pickle.loads a call takes 6 µs, a "
    "tenth of the floor. Of the 13 µs that the promises add, 3.5 check an envelope and a pickle, 2.5 "
    "note what was read, 1.6 are the policy, the entity's generation and its holds, 1 is the ticket "
    "that lets concurrent misses share a load, 1.5 the breaker and the limits; the rest is a dozen "
    "coroutines and objects on the way."
)

REASONS: Mapping[str, str] = {
    "disabled, async": (
        "A coroutine that does nothing but await another takes 1.49 times a bare call here; the switch "
        "adds 0.08 and the exact count 0.13. A plain function that returns the other's coroutine would "
        "be cheaper, but on Python 3.11 nobody could tell that it is async."
    ),
    "Redis hits, async, tracked, 50 callers": _FAR,
    "Redis hits, async, tracked, 200 callers": _FAR,
    "Redis hits, sync, 8 threads": (
        "Threads take turns at the interpreter: the second key, its epoch, and the check of both are "
        "Python that the floor does not run."
    ),
    "first GCache(...) with a RedisConfig": (
        "The engine, 40 modules of a quarter of a millisecond each, is imported by the first instance, not "
        "by `import gcache`; 2.4 ms are for the Redis layer and the instance itself."
    ),
    "local hit, from 1 to 10,000": (
        "Functions of one signature share their wrapper's code, so what is cold is data: of ours a closure "
        "with its cells, two numbers of the use case, the key that is kept with its place in the "
        "dictionary, the entry and its deadline, by count half as many places again as the floor's."
    ),
    "bytes of an entry": (
        "Of 214 bytes, 44 are the dictionary's, 32 the object's header, 72 three dates as numbers of "
        "their own, and 72 its nine fields: a plain dictionary has no order of eviction, no generation "
        "and one date."
    ),
    "flushall of 1,000,000 keys": (
        "The server's own log shows no command as long as that; the watcher shares two processors with "
        "the server and the one who flushes, and waits for its turn."
    ),
    "1,000 ids at once": (
        "MGET, pickle.loads, a pipeline of SETs and nothing else take over 6 ms with redis-py here. Of ours "
        "two fifths write: envelopes, and redis-py's packing; a tenth each seals and opens; the rest is a "
        "dozen steps for each of 1,000 ids."
    ),
    "hit ratio, Zipf": (
        "SIEVE knows one mark for each entry and forgets who has gone; W-TinyLFU counts the accesses "
        "of all keys, also of those that are not there."
    ),
    "hit ratio, scans": (
        "Newcomers go into the same ring as all others, so a scan takes room from keys that are asked "
        "for until the hand has passed it. W-TinyLFU compares a newcomer with whom it would replace."
    ),
    "hit ratio, the demo": (
        "A name of one file is asked for a few times within that file. The hand meets most newcomers "
        "before they are asked for again; S3-FIFO leaves them a tenth of the room to wait in."
    ),
}


def reason(job: str) -> str:
    """Return the reason for a missed target of `job`, or say that none has been found."""
    return next((why for start, why in REASONS.items() if job.startswith(start)), "No reason is known yet.")
