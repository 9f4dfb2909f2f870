"""Why a target is missed, by the beginning of the job's name; the page says it for as long as that is so."""

from __future__ import annotations

from collections.abc import Mapping

_FAR = (
    "Reads of one loop leave together, and with nothing but that and pickle.loads a call takes 6 µs, a "
    "tenth of the floor. The promises add 10: 3 check an envelope and a pickle (half a microsecond of it "
    "BLAKE2b), 2 make the key, the call and the visit, 1 is the ticket that lets concurrent misses share "
    "a load, 1 the policy, the entity's generation and its holds, 1 the breaker and the figures; the rest "
    "is four coroutines, and memory that is colder than in a loop over one step."
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
    "Redis hits, sync, 8 threads": (
        "Threads take turns at the interpreter: the second key, its epoch, and the check of both are "
        "Python that the floor does not run."
    ),
    "first GCache(...) with a RedisConfig": (
        "It is two dozen modules of a sixth of a millisecond each that are imported; the instance itself "
        "takes 0.1 ms. On a machine that is busy with something else all of it takes longer."
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
