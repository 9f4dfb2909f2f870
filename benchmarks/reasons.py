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
    "key: the same, percent-encoded": (
        "An id out of an object and an adapter are two calls of the application's own functions, about "
        "120 ns; each of the two texts is then found to need escaping by a search, about 150 ns, "
        "before it is looked up among those that were escaped before."
    ),
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
    "process that imports gcache": (
        "Of 19 ms that are gcache's own, 4 make attrs classes, 2 named tuples; the rest is spread over "
        "50 modules of half a millisecond or less."
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
        "Over a bare socket, with hiredis, BLAKE2b and plain pickle, no Python takes less than 3.2 ms here: "
        "the two round trips 1.0, 500 pickles, check sums and commands to write 0.8, the same to read 0.9. "
        "The restricted pickles take 1 ms more than plain ones, heads and sizes of envelopes 1.5; the rest "
        "is a visit, a ticket and a flight for each id."
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
