"""Why a target is missed, by the beginning of the job's name; the page says it for as long as that is so."""

from __future__ import annotations

from collections.abc import Mapping

_FAR = (
    "On the line: 0.19 to 0.25 with 50 callers, 0.16 to 0.21 with 200. Of 84,000 instructions a call, "
    "counted without the server, 28,000 are to wait for the batch, to be woken by the loop, and for "
    "pickle.loads, none of which keeps a promise; 24,000 check the envelope and the pickle (6,000 of them "
    "BLAKE2b, 7,000 the pickle's instructions); 33,000 make key, call and answer, and ask for the policy, "
    "the entity's generation and holds, the breaker and the figures, in 18 steps of Python. A batch takes "
    "another 60 µs, which fewer callers share."
)

REASONS: Mapping[str, str] = {
    "local hit, sync": (
        "On the line: 1.9 to 2.1 in ten runs. Of some 3,900 instructions a hit, the key takes 1,000: whether "
        "its id needs escaping 300, to put it together 400, its hash and the look into the dictionary 300. "
        "The floor uses the id itself, and has neither a policy that ends, nor a mark, nor a generation."
    ),
    "local hit, 8 threads": (
        "On the line of a limit that is our own: 0.96 to 1.06 in ten runs, as a closure over a dict has it, "
        "which the row below measures. No lock is on the way."
    ),
    "disabled, async": (
        "A coroutine that does nothing but await another takes 1.49 times a bare call here; the switch "
        "adds 0.08 and the exact count 0.13. A plain function that returns the other's coroutine would "
        "be cheaper, but on Python 3.11 nobody could tell that it is async."
    ),
    "Redis hits, async, tracked, 50 callers": _FAR,
    "Redis hits, async, tracked, 200 callers": _FAR,
    "first GCache(...) with a RedisConfig": (
        "On the line: 4.0 ms at best, 5.0 to 6.6 in whole runs, on a processor that then did everything half "
        "as fast. Two dozen modules of a sixth of a millisecond each are imported; the instance takes 0.1."
    ),
    "local hit, from 1 to 10,000": (
        "1.01 to 1.67 in ten runs. Each use case asks for its policy once a second, which takes "
        "the call that notices 8 µs and whoever asks 3; here each is called ten times a second. With "
        "policies that hold for long it is 1.01 to 1.11."
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
        "Over a bare socket, with hiredis, BLAKE2b and plain pickle, no Python takes less than 3.1 ms here, "
        "of which 0.15 are the source: the two round trips 1.0, 500 pickles and check sums to write 0.9, to "
        "read 0.8, keys and commands 0.2. Ours takes 7 on the same machine, and 8.4 if tracked. Of the 4 "
        "more, 0.9 open and load 500 hits (which instructions a pickle has 0.3, the rest of the envelope "
        "0.4, two looks at the clock for each figure 0.1), 0.6 dump and seal, 1.0 are a visit and an entry "
        "for each id that is missing, 0.4 that loads are shared, 0.4 ids that become keys and an answer in "
        "their order, 0.3 the garbage collector, 0.2 redis-py and the breaker; the rest are lists and dicts "
        "in between. Tracked, 1,000 epochs more to read cost 0.4, their names and generations 0.3, and "
        "whether each stands 0.5. No part is large any more: 70 calls for each id have become 34."
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
