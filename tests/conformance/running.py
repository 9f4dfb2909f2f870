"""Runs a suite in a pytest of its own, inside the one that is running, and tells how each test came out."""

from __future__ import annotations

import gc
import os
import tempfile
import warnings
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

import pytest

Outcome: TypeAlias = Literal["passed", "failed", "skipped", "xfailed", "error"]

# What would disturb the pytest outside, and what costs time and is not needed.
_WITHOUT = ("cacheprovider", "faulthandler", "terminal", "logging", "unraisableexception")
_HERE = Path(__file__)


@dataclass
class Ran:
    """How each test came out, and what was said of it, by its name with parameters: `test_x[sync]`."""

    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    texts: dict[str, str] = field(default_factory=dict[str, str])

    def named(self, *outcomes: Outcome) -> set[str]:
        """Return the tests, by their names without parameters, of which one came out so."""
        return {name.partition("[")[0] for name, outcome in self.outcomes.items() if outcome in outcomes}

    @property
    def broken(self) -> set[str]:
        """The tests, by their names without parameters, that failed, or erred before or after."""
        return self.named("failed", "error")

    def text(self, name: str) -> str:
        """Return all that was said of the test of this name, with or without parameters."""
        return "\n".join(text for full, text in self.texts.items() if name in (full, full.partition("[")[0]))


def run(
    suite: type[Any], *options: str, only: Collection[str] | None = None, plugins: Sequence[object] = ()
) -> Ran:
    """Run the tests of `suite`, a class made for pytest, with no options but these (such as "-k", "...").

    With `only`, those of these names, whatever their parameters. Fixtures that the suite does not have itself
    come from `plugins`. Nothing of this repository's options, conftest files and installed plugins counts. A
    class that cannot be collected is an "error" by its name.
    """
    ran = Ran()
    with _undisturbed() as directory:
        pytest.main(
            [
                str(_HERE),
                *(
                    "-c",
                    os.devnull,
                    "--rootdir",
                    directory,
                    "--basetemp",
                    f"{directory}/tests",
                    "--noconftest",
                ),
                *("--capture=no", "-W", "default", "-o", "python_classes=*", "--import-mode=importlib"),
                *(word for plugin in _WITHOUT for word in ("-p", f"no:{plugin}")),
                *options,
            ],
            plugins=[_Collecting(suite), _Recording(ran), _Choosing(only), *plugins],
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # what a broken layer leaves is not the next test's
        gc.collect()
    return ran


@contextmanager
def _undisturbed() -> Generator[str]:
    """Keep the environment as it is, hide what it says to pytest, and yield a directory that goes."""
    before = os.environ.copy()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    try:
        with tempfile.TemporaryDirectory() as directory:
            yield directory
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Collecting:
    """Gives pytest a module with nothing in it but the suite."""

    def __init__(self, suite: type[Any]) -> None:
        self._suite = suite

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module:
        module = _Module.from_parent(parent, path=module_path)
        module.given = ModuleType("given")
        setattr(module.given, self._suite.__name__, self._suite)
        return module


class _Choosing:
    """Leaves out what was not asked for."""

    def __init__(self, names: Collection[str] | None) -> None:
        self._names = names

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._names is not None:
            items[:] = [item for item in items if item.name.partition("[")[0] in self._names]


class _Module(pytest.Module):
    given: ModuleType

    def _getobj(self) -> ModuleType:
        return self.given


class _Recording:
    """Writes down what is reported."""

    def __init__(self, ran: Ran) -> None:
        self._ran = ran

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note(report.nodeid.rpartition("::")[2], "error", report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = _outcome(report)
        name = report.nodeid.rpartition("::")[2]
        if outcome != "passed" or (report.when == "call" and name not in self._ran.outcomes):
            self._note(name, outcome, str(report.longrepr) if report.skipped else report.longreprtext)

    def _note(self, name: str, outcome: Outcome, text: str) -> None:
        self._ran.outcomes[name] = outcome
        self._ran.texts[name] = "\n".join(filter(None, (self._ran.texts.get(name), text)))


def _outcome(report: pytest.TestReport) -> Outcome:
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "passed"
