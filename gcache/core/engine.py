"""The chain, for callers in threads and on loops: two thin shells over one piece of code."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from gcache.core.epochs import ANYBODY
from gcache.core.events import Disabled
from gcache.core.holding import Holding
from gcache.core.runtime import LoopRuntime, Operation, Outcome, ThreadRuntime, drive
from gcache.core.troubles import BUS
from gcache.errors import GCacheClosed, InvalidationPending, LayerUnavailable

if TYPE_CHECKING:
    from gcache.core.asked import Asked
    from gcache.core.chain import Chain
    from gcache.core.entries import Entry
    from gcache.core.generations import Generations
    from gcache.core.keys import GCacheKey
    from gcache.core.listener import Listener
    from gcache.core.owners import Owner
    from gcache.core.protocols import InProcessLayer, KeyBuilder, Progress, Serializer
    from gcache.core.removal import Failures, Removal
    from gcache.core.surroundings import Surroundings
    from gcache.core.tiers import Tier
    from gcache.core.use_case import UseCase
    from gcache.core.visit import Call


class Engine:
    """What an instance and its decorated functions share.

    Every method has its awaitable twin with `a` in front, which differs in the runtime alone.
    """

    def __init__(
        self,
        around: Surroundings,
        tiers: Sequence[Tier],
        keys: KeyBuilder,
        make_chain: Callable[[], Chain],
        removal: Removal,
        generations: Generations,
        default_serializer: Callable[[Callable[..., Any] | None], Serializer],
        listener: Listener | None = None,
    ) -> None:
        self.tiers = tiers
        self.keys = keys
        self.removal = removal
        self.recorder = around.recorder
        self.troubles = around.troubles
        self.clock = around.clock
        self.enabled = around.enabled
        self.default_serializer = default_serializer
        self.threads = ThreadRuntime()
        self.loops = LoopRuntime()
        self.is_closed = False
        self._make_chain = make_chain
        self._chain: Chain | None = None
        self._generations = generations
        self._notices = around.notices
        self._use_cases: dict[tuple[str, str, bool], UseCase] = {}
        self._names: dict[str, list[Owner]] = {}
        self._sharing: list[UseCase] = []
        self._listener = listener
        if listener is not None:
            weakref.finalize(self, listener.leave)
        self._holding = Holding(self._renew, self.threads.spawn, around.clock)
        self._lock = threading.RLock()

    @property
    def chain(self) -> Chain:
        """What calls go through. The first use case brings it: who only invalidates has no need of it."""
        return self._chain or self._begin()

    @property
    def memory(self) -> InProcessLayer | None:
        """The layer at the head of the chain, if it is an in-process one."""
        head = self.tiers[0]
        return head.memory if head.in_process else None

    def register(self, use_case: UseCase, arg_names: Sequence[str] = (), is_bulk: bool = False) -> None:
        """Take note of a decorated function. Raises UseCaseTaken.

        One that `is_bulk` may have the use case of one that is not, if both mean the same entries.
        """
        from gcache.core.owners import Owner

        owner = Owner(is_bulk, use_case.key_type, use_case.tracked, tuple(arg_names), use_case.rules.copies)
        with self._lock:
            owners = self._names.get(use_case.name, [])
            for other in owners:
                owner.check_sharing(use_case.name, other)
            self._names[use_case.name] = [*owners, owner]
            if owners:
                self._sharing.append(use_case)
            else:
                self._use_cases[use_case.name, use_case.key_type, use_case.tracked] = use_case
        self._watch(use_case)

    def use_case_of(self, key: GCacheKey) -> UseCase:
        """Return the use case of an explicit key: that of the function of this name, if there is one."""
        parts = (key.use_case, key.key_type, key.track_for_invalidation)
        found = self._use_cases.get(parts)
        if found is None:
            from gcache.core.use_case import UseCase

            with self._lock:
                new = UseCase(*parts, self.default_serializer(None), None, self.tiers[0].name)
                found = self._use_cases.setdefault(parts, new)
            self._watch(found)
        return found

    def is_off(self, use_case: UseCase) -> bool:
        """Tell whether a call is to go straight to the source, and count it if so."""
        if not self.enabled.get():
            use_case.bypassed += 1
            return True
        if self.is_closed:
            self.recorder.record(Disabled(use_case.name, use_case.key_type, "closed"))
            return True
        if self.recorder.courier is None:
            self.recorder.keep_delivering()
        if self._listener is not None:
            self._listener.keep_listening()
        return False

    def read(self, call: Call) -> Outcome[Any]:
        return drive(self.chain.read(self.threads, call))

    def aread(self, call: Call) -> Coroutine[Any, Any, Outcome[Any]]:
        return self.chain.read(self.loops, call)

    def read_many(self, asked: Asked) -> None:
        drive(self.chain.many.read(self.threads, asked)).unwrap()

    async def aread_many(self, asked: Asked) -> None:
        (await self.chain.many.read(self.loops, asked)).unwrap()

    def refresh(self, call: Call) -> Any:
        return drive(self.chain.refresh(self.threads, call)).unwrap()

    async def arefresh(self, call: Call) -> Any:
        return (await self.chain.refresh(self.loops, call)).unwrap()

    def put(self, call: Call, value: Any) -> None:
        drive(self.chain.put(self.threads, call, value))

    async def aput(self, call: Call, value: Any) -> None:
        await self.chain.put(self.loops, call, value)

    def peek(self, call: Call) -> Entry | None:
        return drive(self.chain.peek(self.threads, call))

    async def apeek(self, call: Call) -> Entry | None:
        return await self.chain.peek(self.loops, call)

    def delete(self, name: str) -> None:
        _told(drive(self.removal.delete(self.threads, name)))

    async def adelete(self, name: str) -> None:
        _told(await self.removal.delete(self.loops, name))

    def invalidate(self, key_type: str, id: object, hold_sec: float) -> None:
        self._must_be_open()
        _invalidated(*drive(self.removal.invalidate(self.threads, key_type, id, hold_sec)))

    async def ainvalidate(self, key_type: str, id: object, hold_sec: float) -> None:
        self._must_be_open()
        _invalidated(*await self.removal.invalidate(self.loops, key_type, id, hold_sec))

    def hold(self, key_type: str, id: object, holder: str, hold_sec: float) -> None:
        self._must_be_open()
        entity = self.keys.epoch(key_type, id)
        drive(self.removal.hold(self.threads, entity, holder, hold_sec))
        self._holding.begin(entity, holder, hold_sec)

    async def ahold(self, key_type: str, id: object, holder: str, hold_sec: float) -> None:
        self._must_be_open()
        entity = self.keys.epoch(key_type, id)
        await self.removal.hold(self.loops, entity, holder, hold_sec)
        self._holding.begin(entity, holder, hold_sec)

    def release(self, key_type: str, id: object, holder: str) -> None:
        self._must_be_open()
        _invalidated(*drive(self.removal.invalidate(self.threads, key_type, id, 0, self._ended(holder))))

    async def arelease(self, key_type: str, id: object, holder: str) -> None:
        self._must_be_open()
        _invalidated(*await self.removal.invalidate(self.loops, key_type, id, 0, self._ended(holder)))

    def flush(self, progress: Progress | None) -> None:
        self._must_be_open()
        _told(drive(self.removal.flush(self.threads, progress)))

    async def aflush(self, progress: Progress | None) -> None:
        self._must_be_open()
        _told(await self.removal.flush(self.loops, progress))

    def close(self) -> None:
        if self._shut():
            self._wind_up()
            drive(self.removal.close(self.threads))
            self.recorder.close()

    async def aclose(self) -> None:
        if self._shut():
            await self.loops.attempt(Operation(self._wind_up))
            await self.removal.close(self.loops)
            self.recorder.close()

    def after_fork(self) -> None:
        """Give the child locks of its own, and nothing of what only the parent's threads can finish."""
        self._lock = threading.RLock()
        if self._chain is not None:
            self._chain.after_fork()
        self.removal.after_fork()
        for tier in self.tiers:
            tier.after_fork()
        self._generations.after_fork()
        self.recorder.after_fork()
        self._notices.after_fork()
        self._holding.after_fork()
        if self._listener is not None:
            self._listener.after_fork()
        self.loops.after_fork()

    def _renew(self, entity: str, holder: str, hold_sec: float) -> Coroutine[Any, Any, Failures]:
        return self.removal.hold(self.threads, entity, holder, hold_sec)

    def _ended(self, holder: str) -> str:
        """Return who is to end a hold: nobody in a child of the process that set it."""
        return holder if self._holding.end(holder) else ANYBODY

    def _begin(self) -> Chain:
        with self._lock:
            if self._chain is None:
                chain = self._make_chain()
                self._chain = self._chain or chain  # a finalizer that ran meanwhile may have made one
            return self._chain

    def _watch(self, use_case: UseCase) -> None:
        _ = self.chain  # no call has to begin it
        self.recorder.watch(use_case)
        if self._listener is not None:
            self._listener.watch(use_case)

    def _wind_up(self) -> None:
        """Have the threads that talk to the authority and the bus come to their ends."""
        left = self.removal.pending.close()
        if left:
            self.troubles.never_told(left)
        if self._listener is not None:
            self._listener.close()

    def _must_be_open(self) -> None:
        if self.is_closed:
            raise GCacheClosed("This GCache was closed: make a new one to invalidate or flush.")

    def _shut(self) -> bool:
        self._holding.close()
        if self._listener is not None:
            self._listener.stop()
        with self._lock:
            was_open, self.is_closed = not self.is_closed, True
            for use_case in (*self._use_cases.values(), *self._sharing):
                use_case.shut()
        return was_open


def _told(failures: Failures) -> None:
    if failures:
        raise LayerUnavailable(
            f"{_named(failures)} could not be told, and what is to be forgotten may still be served: "
            "call again later."
        ) from failures[0][1]


def _invalidated(failures: Failures, will_be_done: bool) -> None:
    if will_be_done:
        raise InvalidationPending(
            f"{_named(failures)} could not be told yet. It is told again for as long as this process lives; "
            "until it has heard other processes may serve what is invalidated."
        ) from failures[0][1]
    _told(failures)


def _named(failures: Failures) -> str:
    names = [f"the {name}" if name == BUS else f"the layer {name!r}" for name, _ in failures]
    text = " and ".join(names)
    return text[:1].upper() + text[1:]
