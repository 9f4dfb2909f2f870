"""PrometheusSink counts every event exactly, in metrics that Prometheus has nothing to say against."""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import subprocess
import sys
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from gcache.core.events import (
    Disabled,
    Entries,
    Error,
    Event,
    Get,
    Hit,
    Invalidation,
    Lease,
    Listening,
    Load,
    Miss,
    Pending,
    Serialization,
    Shadow,
    Size,
    Skipping,
    Stale,
)
from gcache.errors import GCacheConfigError, MissingExtra
from gcache.instrumentation._client import observing
from gcache.instrumentation._families import _GET_SECONDS
from gcache.instrumentation.prometheus import PrometheusSink

if TYPE_CHECKING:
    from pathlib import Path

USE_CASE = {"use_case": "GetUser", "key_type": "user_id"}
REMOTE = USE_CASE | {"layer": "remote"}
ONE_OF_EACH: list[Event] = [
    Hit("GetUser", "user_id", "remote", 5),
    Miss("GetUser", "user_id", "remote", "absent"),
    Disabled("GetUser", "user_id", "ramp", 3),
    Error("GetUser", "user_id", "remote", "TimeoutError", False),
    Invalidation("user_id", "remote"),
    Get("GetUser", "user_id", "remote", (0.0004, 0.5)),
    Load("GetUser", "user_id", 0.02),
    Serialization("GetUser", "user_id", "remote", "dump", (0.00003,)),
    Size("GetUser", "user_id", "remote", (900,)),
    Entries("local", 17),
    Skipping("remote", 1),
    Stale("GetUser", "user_id", "local", "error"),
    Lease("GetUser", "user_id", "remote", "held"),
    Pending(3),
    Listening("urn:shop", 1),
    Shadow("GetUser", "user_id", "local", "mismatch", 90.0),
]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def sink(registry: CollectorRegistry) -> PrometheusSink:
    return PrometheusSink(registry=registry)


class TestCounts:
    @pytest.mark.parametrize(
        ("event", "name", "labels", "value"),
        [
            (Hit("GetUser", "user_id", "remote"), "hits_total", REMOTE, 1),
            (Hit("GetUser", "user_id", "remote", 5), "hits_total", REMOTE, 5),
            (
                Miss("GetUser", "user_id", "remote", "absent"),
                "misses_total",
                REMOTE | {"reason": "absent"},
                1,
            ),
            (
                Disabled("GetUser", "user_id", "ramp", 3),
                "disabled_total",
                USE_CASE | {"reason": "ramp"},
                3,
            ),
            (
                Error("GetUser", "user_id", "remote", "TimeoutError", False),
                "errors_total",
                REMOTE | {"error": "TimeoutError", "in_fallback": "false"},
                1,
            ),
            (
                Error("GetUser", "user_id", "", "KeyError", True),
                "errors_total",
                USE_CASE | {"layer": "", "error": "KeyError", "in_fallback": "true"},
                1,
            ),
            (
                Invalidation("user_id", "remote"),
                "invalidations_total",
                {"key_type": "user_id", "layer": "remote"},
                1,
            ),
            (Get("GetUser", "user_id", "remote", (0.25, 0.5)), "get_seconds_sum", REMOTE, 0.75),
            (Load("GetUser", "user_id", 0.5), "load_seconds_sum", USE_CASE, 0.5),
            (
                Serialization("GetUser", "user_id", "remote", "load", (0.125,)),
                "serialization_seconds_sum",
                REMOTE | {"operation": "load"},
                0.125,
            ),
            (Size("GetUser", "user_id", "remote", (900,)), "size_bytes_sum", REMOTE, 900),
            (Entries("local", 17), "entries", {"layer": "local"}, 17),
            (Skipping("remote", 1), "layer_open", {"layer": "remote"}, 1),
            (Skipping("remote", 1), "layer_opened_total", {"layer": "remote"}, 1),
            (Pending(3), "invalidations_pending", {}, 3),
            (Listening("urn:shop", 1), "bus_listening", {"channel": "urn:shop"}, 1),
            (
                Shadow("GetUser", "user_id", "remote", "match", 5.0),
                "shadow_total",
                REMOTE | {"result": "match"},
                1,
            ),
            (
                Shadow("GetUser", "user_id", "remote", "mismatch", 5.0),
                "shadow_mismatch_age_seconds_sum",
                REMOTE,
                5.0,
            ),
        ],
    )
    def test_event(
        self,
        registry: CollectorRegistry,
        sink: PrometheusSink,
        event: Event,
        name: str,
        labels: dict[str, str],
        value: float,
    ) -> None:
        """Every event becomes a sample with its fields as labels and its amount as value."""
        sink.record(event)

        assert value == registry.get_sample_value(f"gcache_{name}", labels)

    def test_every_event_is_handled(self, sink: PrometheusSink) -> None:
        """No event of the toolkit is unknown to the sink, nor left out of these tests."""
        for event in ONE_OF_EACH:
            sink.record(event)

        assert set(get_args(Event)) == {type(event) for event in ONE_OF_EACH}

    def test_counts_add_up(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Counters and histograms add up over events that are equal."""
        for _ in range(3):
            for event in ONE_OF_EACH:
                sink.record(event)

        assert 15 == registry.get_sample_value("gcache_hits_total", REMOTE)
        assert 3 == registry.get_sample_value("gcache_misses_total", REMOTE | {"reason": "absent"})
        assert 6 == registry.get_sample_value("gcache_get_seconds_count", REMOTE)

    def test_many_durations(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Durations that come together count as those that come one by one, on the bounds and beyond too."""
        amounts = (0.0, 5e-5, 5.1e-5, 1.0, 1.1, 2e-4, 2e-4)
        expected = Histogram("expected", "", buckets=_GET_SECONDS, registry=CollectorRegistry())

        sink.record(Get("GetUser", "user_id", "remote", amounts))
        for amount in amounts:
            expected.observe(amount)

        [found] = [m for m in registry.collect() if m.name == "gcache_get_seconds"]
        assert [
            (sample.name.removeprefix("expected"), sample.labels.get("le"), sample.value)
            for sample in next(iter(expected.collect())).samples
            if not sample.name.endswith("_created")
        ] == [
            (sample.name.removeprefix("gcache_get_seconds"), sample.labels.get("le"), sample.value)
            for sample in found.samples
            if not sample.name.endswith("_created")
        ]

    def test_another_client(self) -> None:
        """A histogram without buckets that we know is told of one duration after another."""
        told: list[float] = []
        strange: Any = SimpleNamespace(observe=told.append)

        observing(strange)((0.5, 0.25))

        assert [0.5, 0.25] == told

    def test_skipping(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """A layer that opened twice and answers again is not open, and was opened twice."""
        for skips in (1, 0, 1, 0):
            sink.record(Skipping("remote", skips))  # type: ignore[arg-type]

        assert 0 == registry.get_sample_value("gcache_layer_open", {"layer": "remote"})
        assert 2 == registry.get_sample_value("gcache_layer_opened_total", {"layer": "remote"})

    def test_requests(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Requests are hits, misses and disabled calls, of all layers and for all reasons."""
        for event in ONE_OF_EACH:
            sink.record(event)
        sink.record(Hit("GetUser", "user_id", "local", 100))
        sink.record(Miss("GetUser", "user_id", "remote", "invalidated"))
        sink.record(Hit("GetPosts", "user_id", "local", 7))

        assert 5 + 1 + 3 + 100 + 1 == registry.get_sample_value("gcache_requests_total", USE_CASE)

    def test_shadow(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Only mismatches have an age; what a comparison was about is counted whatever came of it."""
        for result, age_sec in (("match", 1.0), ("error", 2.0), ("mismatch", 4.0), ("mismatch", 8.0)):
            sink.record(Shadow("GetUser", "user_id", "remote", result, age_sec))  # type: ignore[arg-type]

        counts = [
            registry.get_sample_value("gcache_shadow_total", REMOTE | {"result": result})
            for result in ("match", "mismatch", "error")
        ]
        assert [1, 2, 1] == counts
        assert 2 == registry.get_sample_value("gcache_shadow_mismatch_age_seconds_count", REMOTE)
        assert 12 == registry.get_sample_value("gcache_shadow_mismatch_age_seconds_sum", REMOTE)

    def test_gauge(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """The number of entries is the last one that was reported."""
        sink.record(Entries("local", 17))
        sink.record(Entries("local", 4))

        assert 4 == registry.get_sample_value("gcache_entries", {"layer": "local"})

    @pytest.mark.parametrize(
        ("family", "first", "last"),
        [
            ("gcache_get_seconds", 50e-6, 1.0),
            ("gcache_load_seconds", 1e-3, 10.0),
            ("gcache_serialization_seconds", 5e-6, 0.1),
            ("gcache_size_bytes", 64.0, 4 * 1024 * 1024),
        ],
    )
    def test_buckets(
        self, registry: CollectorRegistry, sink: PrometheusSink, family: str, first: float, last: float
    ) -> None:
        """Buckets span what can be expected of a healthy system and of a sick one."""
        for event in ONE_OF_EACH:
            sink.record(event)

        bounds = [
            float(sample.labels["le"])
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name == f"{family}_bucket"
        ]
        assert (first, last) == (bounds[0], bounds[-2])


class TestRegistry:
    def test_shared(self, registry: CollectorRegistry) -> None:
        """Sinks on one registry add to the same metrics."""
        for _ in range(2):
            PrometheusSink(registry=registry).record(Hit("GetUser", "user_id", "local", 3))

        assert 6 == registry.get_sample_value("gcache_hits_total", USE_CASE | {"layer": "local"})

    def test_separate(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Sinks on two registries have nothing in common."""
        PrometheusSink(registry=CollectorRegistry()).record(Hit("GetUser", "user_id", "local"))

        assert registry.get_sample_value("gcache_hits_total", USE_CASE | {"layer": "local"}) is None

    def test_name_taken(self, registry: CollectorRegistry) -> None:
        """A name that somebody else holds is an error that says what to do; the registry stays as it was."""
        Counter("gcache_misses", "Somebody else's.", registry=registry)
        before = generate_latest(registry)

        with pytest.raises(GCacheConfigError, match=r"PrometheusSink\(registry=CollectorRegistry\(\)\)"):
            PrometheusSink(registry=registry)

        assert before == generate_latest(registry)

    def test_name_freed(self, registry: CollectorRegistry) -> None:
        """Once the name is free, the same registry will do."""
        other = Counter("gcache_misses", "Somebody else's.", registry=registry)
        with pytest.raises(GCacheConfigError):
            PrometheusSink(registry=registry)
        registry.unregister(other)

        PrometheusSink(registry=registry).record(Hit("GetUser", "user_id", "remote"))

        assert 1 == registry.get_sample_value("gcache_hits_total", REMOTE)

    def test_registry_is_not_kept_alive(self) -> None:
        """A registry that nobody else needs goes away with its sink."""
        registry = CollectorRegistry()
        reference = weakref.ref(registry)
        PrometheusSink(registry=registry)

        del registry
        gc.collect()

        assert reference() is None


class Pending:
    """Hits that are counted elsewhere and delivered when somebody looks."""

    def __init__(self, sink: PrometheusSink) -> None:
        self.sink = sink
        self.count = 0

    def deliver(self) -> None:
        count, self.count = self.count, 0
        self.sink.record(Hit("GetUser", "user_id", "remote", count))


class Slotted:
    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0

    def deliver(self) -> None:
        self.calls += 1


class TestBeforeCollect:
    @pytest.mark.parametrize("auto_describe", [False, True])
    def test_same_scrape(self, auto_describe: bool) -> None:
        """A scrape sees what its callbacks have just recorded, in every family."""
        registry = CollectorRegistry(auto_describe=auto_describe)
        sink = PrometheusSink(registry=registry)
        sink.before_collect(lambda: [sink.record(event) for event in ONE_OF_EACH])

        names = {sample.name for metric in registry.collect() for sample in metric.samples}

        assert {
            "gcache_requests_total",
            "gcache_hits_total",
            "gcache_misses_total",
            "gcache_disabled_total",
            "gcache_errors_total",
            "gcache_invalidations_total",
            "gcache_get_seconds_count",
            "gcache_load_seconds_count",
            "gcache_serialization_seconds_count",
            "gcache_size_bytes_count",
            "gcache_entries",
            "gcache_shadow_total",
            "gcache_shadow_mismatch_age_seconds_count",
        } <= names

    def test_every_scrape(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Each scrape asks again, and sees each pending hit once."""
        pending = Pending(sink)
        sink.before_collect(pending.deliver)

        pending.count = 5
        first = registry.get_sample_value("gcache_hits_total", REMOTE)
        pending.count = 2
        second = registry.get_sample_value("gcache_hits_total", REMOTE)

        assert (5, 7) == (first, second)

    def test_registering_calls_nothing(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Neither a callback's registration nor a second sink's runs it."""
        pending = Slotted()
        sink.before_collect(pending.deliver)
        PrometheusSink(registry=registry)

        assert 0 == pending.calls

    def test_weak(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """A bound method does not keep its object alive, and is forgotten with it."""
        pending = Pending(sink)
        sink.before_collect(pending.deliver)
        pending.count = 5

        del pending
        gc.collect()

        assert registry.get_sample_value("gcache_hits_total", REMOTE) is None

    def test_strong(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """A function is kept, also one that nobody else holds."""
        sink.before_collect(lambda: sink.record(Hit("GetUser", "user_id", "remote")))

        gc.collect()

        assert 1 == registry.get_sample_value("gcache_hits_total", REMOTE)

    def test_no_weak_references(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """A method of an object that takes no weak references is called all the same."""
        pending = Slotted()

        sink.before_collect(pending.deliver)
        list(registry.collect())

        assert 1 == pending.calls

    def test_failure(
        self, registry: CollectorRegistry, sink: PrometheusSink, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A callback that raises is logged, and costs neither the scrape nor the other callbacks anything."""

        def fail() -> None:
            raise RuntimeError("no sums today")

        sink.before_collect(fail)
        sink.before_collect(lambda: sink.record(Hit("GetUser", "user_id", "remote")))

        assert 1 == registry.get_sample_value("gcache_hits_total", REMOTE)
        assert "no sums today" in caplog.text

    def test_shared(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Callbacks of a second sink on the registry go before its families just as well."""
        pending = Pending(PrometheusSink(registry=registry))
        pending.sink.before_collect(pending.deliver)
        pending.count = 5

        assert 5 == registry.get_sample_value("gcache_hits_total", REMOTE)


REPORTING_CHILD = """
from gcache.core.events import Entries, Get, Hit
from gcache.instrumentation import PrometheusSink

sink = PrometheusSink()
sink.record(Hit("GetUser", "user_id", "remote", 5))
sink.record(Get("GetUser", "user_id", "remote", (0.25,)))
sink.record(Entries("local", 10))
"""


def run_python(code: str, **env: str) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path} | env, check=True)


class TestMultiprocess:
    def test_sums(self, tmp_path: Path) -> None:
        """In multiprocess mode counts, durations and entries of all processes are added up."""
        for _ in range(2):
            run_python(REPORTING_CHILD, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(tmp_path))

        scraped = generate_latest(registry).decode()

        values = {
            (sample.name, sample.labels.get("le")): sample.value
            for family in text_string_to_metric_families(scraped)
            for sample in family.samples
        }
        assert 10 == values["gcache_requests_total", None]
        assert 10 == values["gcache_hits_total", None]
        assert 0.5 == values["gcache_get_seconds_sum", None]
        assert 0 == values["gcache_get_seconds_bucket", "0.1"]
        assert 2 == values["gcache_get_seconds_bucket", "0.25"]
        assert 20 == values["gcache_entries", None]


def promtool_path() -> str:
    found = shutil.which("promtool")
    if found:
        return found
    if os.environ.get("GCACHE_REQUIRE_SERVERS") == "1":
        pytest.fail("promtool is not on the PATH, and GCACHE_REQUIRE_SERVERS=1 asks for it")
    pytest.skip("promtool is not on the PATH: install Debian's prometheus package, or a Prometheus release")


class TestExposition:
    def test_promtool(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """`promtool check metrics` has nothing to say about a scrape with every family in it."""
        promtool = promtool_path()
        for event in ONE_OF_EACH:
            sink.record(event)
        scraped = generate_latest(registry)

        checked = subprocess.run(
            [promtool, "check", "metrics"],
            input=scraped,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

        assert (0, b"") == (checked.returncode, checked.stdout)

    def test_help(self, registry: CollectorRegistry, sink: PrometheusSink) -> None:
        """Every family says in a sentence what it counts."""
        texts = [family.documentation for family in registry.collect()]

        assert 19 == len(texts)
        assert all(text[0].isupper() and text.endswith(".") for text in texts)


class TestImport:
    def test_lazy(self) -> None:
        """Neither the package nor its other sinks import prometheus_client."""
        run_python(
            "import sys, gcache.instrumentation\n"
            "gcache.instrumentation.FanoutSink(gcache.instrumentation.NullSink())\n"
            "assert 'prometheus_client' not in sys.modules"
        )

    def test_by_name(self) -> None:
        """The package hands out PrometheusSink when it is asked for it."""
        package = importlib.import_module("gcache.instrumentation")

        assert PrometheusSink is package.PrometheusSink

    def test_unknown_name(self) -> None:
        """A name that the package does not have is an ordinary AttributeError."""
        package = importlib.import_module("gcache.instrumentation")

        with pytest.raises(AttributeError, match="StatsdSink"):
            package.StatsdSink

    def test_missing_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without prometheus_client, asking for the sink names the extra that brings it."""
        package = importlib.import_module("gcache.instrumentation")
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        for name in ("prometheus", "_families", "_before_collect", "_client"):
            monkeypatch.delitem(sys.modules, f"gcache.instrumentation.{name}")

        with pytest.raises(MissingExtra, match=r"gcache-toolkit\[prometheus\]"):
            package.PrometheusSink
