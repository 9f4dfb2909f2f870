"""One drill with one subject: warm, make the fault, call, end it, see when hits come again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from benchmarks.drills.catalogue import Drill
from benchmarks.drills.conversation import Silent, Worker
from benchmarks.drills.scene import Scene
from benchmarks.drills.subjects import SideName, Subject

CALLS = 100
_LIMIT_SEC = 4.0
BACK_LIMIT_SEC = 15.0


@dataclass(frozen=True)
class Pass:
    """What one side of a subject made of a drill. `added_ms` has the calls that ended, in their order.

    `hit_percent` is the share of them that the source was not run for. `hurt_after` counts the calls that
    failed, hung or got a wrong value when the fault had ended.

    `back_sec` is None where hits did not come again in time. `silent` says why there is nothing to tell.
    """

    side: SideName
    calls: int = 0
    failed: int = 0
    wrong: int = 0
    stuck: int = 0
    hit_percent: float = 0
    calls_after: int = 0
    hurt_after: int = 0
    added_ms: list[float] = field(default_factory=list[float], repr=False)
    back_sec: float | None = None
    errors: dict[str, int] = field(default_factory=dict[str, int])
    silent: str = ""

    @property
    def hurt(self) -> int:
        return self.failed + self.wrong + self.stuck

    @property
    def median_ms(self) -> float:
        return median(self.added_ms) if self.added_ms else 0.0

    @property
    def worst_ms(self) -> float:
        return max(self.added_ms, default=0.0)

    @property
    def total_ms(self) -> float:
        return sum(self.added_ms)


@dataclass(frozen=True)
class Row:
    """A drill with a subject, on all sides that both have."""

    drill: Drill
    subject: Subject
    passes: tuple[Pass, ...]

    @property
    def is_harmless(self) -> bool:
        """Whether every call was made, and got the value that the source has for it."""
        return bool(self.passes) and not any(
            each.hurt or each.hurt_after or each.silent or not each.calls for each in self.passes
        )


def conduct(drill: Drill, subject: Subject) -> Row:
    sides = [side for side in subject.sides if not drill.crowds or side in drill.crowds]
    return Row(drill, subject, tuple(_passed(drill, subject, side) for side in sides))


def _passed(drill: Drill, subject: Subject, side: SideName) -> Pass:
    try:
        with drill.stage() as stage, Worker(subject, side, {**stage.options, **drill.options}) as worker:
            return _measured(drill, side, Scene(stage, worker))
    except Silent as silent:
        return Pass(side, silent=str(silent))
    except Exception as error:  # one drill that cannot be done is told of, and the others are done
        return Pass(side, silent=f"the drill could not be done: {type(error).__name__}: {error}")


def _measured(drill: Drill, side: SideName, scene: Scene) -> Pass:
    worker, crowd = scene.worker, drill.crowds.get(side)
    worker.warm()
    with drill.fault(scene):
        during = worker.crowd(crowd.count, crowd.rounds) if crowd else worker.calls(CALLS, _LIMIT_SEC)
    after = worker.recover(BACK_LIMIT_SEC)
    return _with_calls_after(_pass(side, during), after)


def _pass(side: SideName, told: dict[str, Any]) -> Pass:
    loads, ended = told.pop("loads"), len(told["added_ms"])
    return Pass(side, hit_percent=100 * max(0.0, 1 - loads / ended) if ended else 0.0, **told)


def _with_calls_after(during: Pass, after: dict[str, Any]) -> Pass:
    return replace(
        during,
        calls_after=after["calls"],
        hurt_after=after["failed"] + after["wrong"] + after["stuck"],
        back_sec=after["sec"],
        errors={**during.errors, **after["errors"]},
    )
