"""Why a target is missed, by the beginning of the job's name; the page says it for as long as that is so."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "hit ratio, Zipf": (
        "SIEVE knows one mark for each entry and forgets who has gone; W-TinyLFU counts the accesses of all "
        "keys, also of those that are not there."
    ),
    "hit ratio, scans": (
        "Newcomers go into the same ring as all others, so a scan takes room from keys that are asked for "
        "until the hand has passed it. W-TinyLFU compares a newcomer with whom it would replace."
    ),
    "hit ratio, the demo": (
        "A name of one file is asked for a few times within that file. The hand meets most newcomers before "
        "they are asked for again; S3-FIFO leaves them a tenth of the room to wait in."
    ),
}


def reason(job: str) -> str:
    """Return the reason for a missed target of `job`, or say that none has been found."""
    return next((why for start, why in REASONS.items() if job.startswith(start)), "No reason is known yet.")
