"""A fault's surroundings: what stands on the stage, and the process that will feel it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.drills.conversation import Worker
from benchmarks.drills.stages import Stage


@dataclass(frozen=True)
class Scene:
    stage: Stage
    worker: Worker


Fault: TypeAlias = Callable[[Scene], AbstractContextManager[None]]
"""What makes a fault: it lasts as long as the block does, and has ended when the block has been left."""
