"""Between live entries and the bytes that layers out of process store: serializer, envelope, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from gcache.core.entries import Entry, Generation, Raised
from gcache.core.envelope import Unreadable, open_sealed, plain_payload, sealing
from gcache.core.epochs import standing
from gcache.core.missing import MISSING
from gcache.core.raised import dumped, loaded
from gcache.errors import UntrustedType

if TYPE_CHECKING:
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Call


class Wire:
    """Packs and unpacks entries, and says what it costs."""

    def __init__(self, around: Surroundings) -> None:
        self._recorder = around.recorder
        self._troubles = around.troubles
        self._clock = around.clock

    def pack(
        self, call: Call, tier: Tier, entry: Entry, expires: float, stale_sec: float = 0.0
    ) -> bytes | None:
        """Return the bytes of an entry that ends at `expires` and is kept for `stale_sec` more.

        Return None if its serializer refuses the value.
        """
        return self.pack_all(call.use_case, tier, {call.name: entry}, expires, stale_sec).get(call.name)

    def pack_all(
        self, use_case: UseCase, tier: Tier, entries: Mapping[str, Entry], expires: float, stale_sec: float
    ) -> dict[str, bytes]:
        """Return the bytes of entries by their keys, as `pack` does, but for those that are refused."""
        serializer, tally, clock = use_case.serializer, use_case.tally(tier.name), self._clock
        dump, seal = serializer.dump, sealing(serializer.identity)
        packed: dict[str, bytes] = {}
        for name, entry in entries.items():
            value, is_raised = entry.value, type(entry.value) is Raised
            started = clock()
            try:
                if is_raised:
                    payload = dumped(value.error, serializer, use_case.rules.exceptions)
                else:
                    payload = dump(value)
                tally.dumps.append(clock() - started)
                load_sec = entry.load_sec
                packed[name] = seal(
                    name, payload, entry.began, expires, entry.epoch, load_sec, stale_sec, is_raised
                )
            except Exception as error:  # a value that cannot travel is served all the same
                self._troubles.refused(use_case, tier, error)
        tally.sizes.extend(map(len, packed.values()))
        self._recorder.keep_delivering()  # the load may have outlasted who was delivering
        return packed

    def plain(self, call: Call, tier: Tier, stored: Sequence[Any], began: float) -> Any:
        """Return the value of a hit as most are, and count it with its read; MISSING for all else.

        `stored` is what a read that `began` then brought: the entry and, for a tracked call, the epoch. To
        look at the envelope is a part of the read.
        """
        use_case, clock = call.use_case, self._clock
        serializer = use_case.serializer
        try:
            if use_case.tracked:
                data, epoch = stored
                if standing(epoch) != "epoch":
                    return MISSING
            else:
                [data], epoch = stored, None
            payload = plain_payload(data, call.name, serializer.identity, epoch)
            if payload is None:
                return MISSING
            started = clock()
            value = serializer.load(payload)
        except Exception:  # whoever unpacks it will say what is wrong
            return MISSING
        tally = use_case.tallies.get(tier.name) or use_case.tally(tier.name)
        tally.reads.append(started - began)
        tally.loads.append(clock() - started)
        tally.hits += 1.0
        return value

    def plain_all(
        self,
        use_case: UseCase,
        tier: Tier,
        stored: Mapping[str, bytes | None],
        epochs: Sequence[bytes | None],
        values: dict[str, Any],
    ) -> None:
        """Put into `values` those in `stored` about which nothing is special, as `plain` returns one.

        Of tracked entries there are the `epochs` that stand, in the same order, of others none.
        """
        serializer, clock = use_case.serializer, self._clock
        load, identity, loads = serializer.load, serializer.identity, use_case.tally(tier.name).loads
        for (name, data), epoch in zip(stored.items(), epochs or repeat(None), strict=False):
            if data is None or (epochs and standing(epoch) != "epoch"):
                continue
            try:
                payload = plain_payload(data, name, identity, epoch)
                if payload is not None:
                    started = clock()
                    value = load(payload)
                    loads.append(clock() - started)
                    values[name] = value
            except Exception:  # whoever unpacks it will say what is wrong
                continue

    def unpack(
        self, call: Call, tier: Tier, data: bytes, generation: Generation
    ) -> tuple[Entry, float] | str:
        """Return the entry in `data` and how long it is kept after it expires, or why there is none."""
        use_case = call.use_case
        try:
            sealed = open_sealed(data, call.name, use_case.serializer.identity)
        except Unreadable as unreadable:
            return unreadable.flaw
        except Exception:  # a layer that gives back no bytes at all
            return "corrupt"
        started = self._clock()
        try:
            if sealed.is_exception:
                error = loaded(sealed.payload, use_case.serializer, use_case.rules.exceptions)
                value: Any = Raised(error)
            else:
                value = use_case.serializer.load(sealed.payload)
        except Exception as error:  # hostile or outdated: the source knows better
            self._troubles.unreadable(use_case, tier, error)
            return "untrusted" if isinstance(error, UntrustedType) else "unloadable"
        use_case.tally(tier.name).loads.append(self._clock() - started)
        entry = Entry(value, sealed.began, sealed.expires, sealed.epoch, generation, sealed.load_sec)
        return entry, sealed.stale_sec
