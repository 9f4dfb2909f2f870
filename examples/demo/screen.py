"""What a person sees while it runs: bars on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from .heard import heard

_LINE_EVERY_SEC = 2.0
_PLAIN_WIDTH = 100

Report = Callable[[float], None]


class Screen:
    """Prints scenes, and how far the one that runs has got."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _PLAIN_WIDTH

    def scene(self, title: str, *sentences: str) -> None:
        """Begin a scene: its title, and what is going to happen."""
        self.console.print()
        self.console.print(title, style="bold cyan")
        for sentence in sentences:
            self.say(sentence)

    def say(self, sentence: str, style: str = "") -> None:
        """Print a paragraph of its own, wrapped and indented."""
        self.console.print(Padding(Text(sentence, style), (0, 0, 0, 2), expand=False))

    def show(self, renderable: RenderableType) -> None:
        self.console.print(renderable)

    @contextmanager
    def progress(self, what: str, total: float) -> Iterator[Report]:
        """Give a function that takes how much of `total` is done; at the end show what gcache logged."""
        show = self._bar if self.console.is_terminal else self._lines
        with heard() as lines, show(what, total) as report:
            yield report
            report(total)
        for line in lines:
            self.say(f"gcache's log: {line}", style="yellow")

    @contextmanager
    def _bar(self, what: str, total: float) -> Iterator[Report]:
        columns = (
            TextColumn("  {task.description:<26}"),
            BarColumn(bar_width=40, complete_style="cyan", finished_style="green"),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=done)

    @contextmanager
    def _lines(self, what: str, total: float) -> Iterator[Report]:
        started = said = time.monotonic()

        def report(done: float) -> None:
            nonlocal said
            now = time.monotonic()
            if done < total and now - said >= _LINE_EVERY_SEC:
                said = now
                self.say(f"{what}: {done / total:.0%}")

        yield report
        self.say(f"{what}: done in {time.monotonic() - started:.1f} s")
