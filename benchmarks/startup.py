"""`import gcache` as a whole process.

Each run is an interpreter of its own in a virtual environment that holds gcache and attrs and nothing
else, so that no other package's `.pth` file counts. `-I` keeps the working directory, PYTHON* variables
and the user's site-packages out; the byte code is compiled by the warm-up. What is made once redis is
imported takes the packages of this environment, with byte code of its own: where nothing may be written
beside the sources (PYTHONDONTWRITEBYTECODE) each process would compile ours anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import cast

from benchmarks.harness import Contestant, compare, race, within
from benchmarks.results import Row

_RUNS = 40
_MADE = 10
_DECORATED = '.cached("user_id", "user_id", "Get", track_for_invalidation=True)(lambda user_id: user_id)'
_MOST_MADE_SEC = 0.005


class _Environment(venv.EnvBuilder):
    python = ""

    def post_setup(self, context: SimpleNamespace) -> None:
        self.python = context.env_exec_cmd
        query = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = Path(subprocess.check_output([self.python, "-I", "-c", query], text=True).strip())
        for package in ("attr", "attrs", "gcache"):
            spec = find_spec(package)
            source = Path(cast("str", spec.origin if spec else None)).parent
            shutil.copytree(source, site / package, ignore=shutil.ignore_patterns("__pycache__"))


def _making(what: str, byte_code: str) -> Contestant:
    """Return an interpreter that has redis imported, and tells how long `what` takes there."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPYCACHEPREFIX"] = byte_code
    code = (
        "import time, redis, redis.asyncio, gcache\n"
        "from gcache.instrumentation import NullSink\n"
        "config = gcache.GCacheConfig(redis_config=gcache.RedisConfig(), metrics=NullSink())\n"
        f"started = time.perf_counter()\nkept = {what}\nprint(time.perf_counter() - started)"
    )

    def run(_times: int) -> float:
        return float(subprocess.check_output([sys.executable, "-c", code], text=True, env=variables))

    return Contestant(run, round_sec=0)


def _process(python: str, statement: str) -> Contestant:
    def run(_times: int) -> float:
        started = time.perf_counter()
        subprocess.run([python, "-I", "-c", statement], check=True)
        return time.perf_counter() - started

    return Contestant(run, round_sec=0)


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        environment = _Environment(symlinks=True)
        environment.create(directory)
        names = ("import gcache", "import attrs, asyncio", "import attrs", "pass")
        ours, both, attrs, nothing = contestants = [_process(environment.python, name) for name in names]
        race(*contestants, rounds=_RUNS)
        byte_code = str(Path(directory, "byte_code"))
        made, client = _making("gcache.GCache(config)", byte_code), _making("redis.Redis()", byte_code)
        decorated = _making(f"gcache.GCache(config){_DECORATED}", byte_code)
        race(made, decorated, client, rounds=_MADE)
        return [
            compare("first GCache(...) with a RedisConfig", made, client, None, "first redis.Redis()"),
            within(
                "first GCache(...) with a RedisConfig: in all",
                median(made.ns),
                _MOST_MADE_SEC * 1e9,
                "ns",
                "5 ms",
            ),
            compare(
                "first GCache(...), and its first decorator", decorated, client, None, "first redis.Redis()"
            ),
            compare("process that imports gcache", ours, both, None, "import attrs, asyncio"),
            compare("process that imports gcache, against attrs alone", ours, attrs, 1.3, "import attrs"),
            compare("process that imports gcache, against none", ours, nothing, None, "pass"),
        ]
