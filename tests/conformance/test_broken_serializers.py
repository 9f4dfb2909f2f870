"""Serializers with one fault each, and the test of the suite that names it."""

from __future__ import annotations

import ast
import itertools
import json
import os
import pickle
import time
from collections.abc import Callable
from typing import Any

import pytest

from gcache import JsonSerializer, SerializationError
from gcache.conformance import SerializerSuite, _together
from tests.conformance.catching import assert_caught


class Sound:
    """A serializer without a fault, for the others to spoil."""

    identity = "sound:1"

    def __init__(self) -> None:
        self._json = JsonSerializer()

    def dump(self, value: Any) -> Any:
        return self._json.dump(value)

    def load(self, data: bytes) -> Any:
        return self._json.load(data)


class Changing(Sound):
    """Gives floats for integers."""

    def load(self, data: bytes) -> Any:
        value = super().load(data)
        return float(value) if type(value) is int else value


class Texts(Sound):
    """Gives text."""

    def dump(self, value: Any) -> Any:
        return super().dump(value).decode()


class Willing(Sound):
    """Takes what it cannot bring back."""

    def dump(self, value: Any) -> bytes:
        return json.dumps(value, default=str).encode()


class Casual(Sound):
    """Takes what JSON takes."""

    def dump(self, value: Any) -> bytes:
        try:
            return json.dumps(value).encode()
        except (TypeError, ValueError, RecursionError):
            raise SerializationError("no") from None


class Technical(Sound):
    """Raises what JSON raises."""

    def dump(self, value: Any) -> bytes:
        json.dumps(value)
        return super().dump(value)


class Following(Sound):
    """Follows every list to its end."""

    def dump(self, value: Any) -> bytes:
        def depth(part: Any) -> int:
            return 1 + max(map(depth, part), default=0) if isinstance(part, list) else 0

        depth(value)
        return super().dump(value)


class Unversioned(Sound):
    """Has no version."""

    identity = "sound"


class Impostor(Sound):
    """Goes by another's name."""

    identity = "json:1"


class Restless(Sound):
    """Has another name each time."""

    numbers = itertools.count()

    @property
    def identity(self) -> Any:
        return f"sound:{next(self.numbers)}"


class Remembering(Sound):
    """Keeps what it has loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._loaded: dict[bytes, Any] = {}

    def load(self, data: bytes) -> Any:
        if data not in self._loaded:
            self._loaded[data] = super().load(data)
        return self._loaded[data]


class Tidying(Sound):
    """Puts lists in order."""

    def dump(self, value: Any) -> Any:
        if isinstance(value, list) and all(isinstance(part, int) for part in value):
            value.sort()
        return super().dump(value)


class Numbering(Sound):
    """Gives numbers for values, and keeps the values."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[bytes] = []

    def dump(self, value: Any) -> bytes:
        self._kept.append(super().dump(value))
        return b"%d" % (len(self._kept) - 1)

    def load(self, data: bytes) -> Any:
        return super().load(self._kept[int(data)])


class Sharing(Sound):
    """Keeps the bytes that it is at work on where all threads see them."""

    def load(self, data: bytes) -> Any:
        self._data = data
        time.sleep(0)
        return super().load(self._data)


class Forgetful(Sound):
    """Cannot load lists."""

    def load(self, data: bytes) -> Any:
        if data.startswith(b"["):
            raise ValueError("a list")
        return super().load(data)


class Pickling(Sound):
    """Believes pickles."""

    def dump(self, value: Any) -> bytes:
        super().dump(value)
        return pickle.dumps(value)

    def load(self, data: bytes) -> Any:
        return pickle.loads(data)


class Evaluating(Sound):
    """Believes programs."""

    def dump(self, value: Any) -> bytes:
        super().dump(value)
        return repr(value).encode()

    def load(self, data: bytes) -> Any:
        return eval(data.decode(), {"nan": float("nan")})


class PickleBehind(Sound):
    """Believes pickles that follow its own mark."""

    def load(self, data: bytes) -> Any:
        try:
            return super().load(data)
        except ValueError:
            return pickle.loads(data[1:])


class Leaving(Sound):
    """Ends the program over what it cannot read."""

    def load(self, data: bytes) -> Any:
        try:
            return super().load(data)
        except ValueError:
            raise SystemExit(1) from None


class Aborting(Sound):
    """Ends the process over what it cannot read."""

    def load(self, data: bytes) -> Any:
        try:
            return super().load(data)
        except ValueError:
            os._exit(1)


class Searching(Sound):
    """Never comes back from what it cannot read."""

    def load(self, data: bytes) -> Any:
        while True:
            try:
                return super().load(data)
            except ValueError:
                time.sleep(0.01)


class Literal(Sound):
    """Follows brackets into the depths of the parser, and lets it end the program."""

    def load(self, data: bytes) -> Any:
        try:
            return ast.literal_eval(data.decode())
        except ValueError:
            raise KeyboardInterrupt from None


def suite_of(make: Callable[[], Any]) -> type[SerializerSuite]:
    class Broken(SerializerSuite):
        values = (1, "text", [2, 1], {"a": [None]}, 2.5)
        refused = ((1,), {1}, b"x")

        @pytest.fixture
        def serializer(self) -> Any:
            return make()

    return Broken


BROKEN = [
    (Changing, "test_comes_back"),
    (Texts, "test_bytes"),
    (Willing, "test_refused"),
    (Willing, "test_refused_end_to_end"),
    (Casual, "test_awkward_values"),
    (Casual, "test_any_plain_value"),
    (Technical, "test_unwritable"),
    (Following, "test_endless"),
    (Unversioned, "test_identity"),
    (Impostor, "test_identity_is_its_own"),
    (Restless, "test_identity_stays"),
    (Remembering, "test_nothing_is_shared"),
    (Tidying, "test_dump_changes_nothing"),
    (Numbering, "test_keeps_nothing"),
    (Sharing, "test_many_threads"),
    (Forgetful, "test_end_to_end"),
    (Pickling, "test_nothing_is_run"),
    (Pickling, "test_hostile_entry"),
    (Evaluating, "test_nothing_is_run"),
    (PickleBehind, "test_nothing_is_run"),
    (Leaving, "test_noise"),
    (Aborting, "test_truncated"),
    (Searching, "test_flipped_bits"),
    (Literal, "test_foreign_bytes"),
]


@pytest.mark.parametrize(("serializer", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_broken_serializer(monkeypatch: pytest.MonkeyPatch, serializer: Callable[[], Any], test: str) -> None:
    """The test of the suite that names the fault of a broken serializer fails."""
    monkeypatch.setattr(_together, "PATIENCE_SEC", 0.5)

    assert_caught(suite_of(serializer), test)


def test_every_promise() -> None:
    """For each promise of the suite there is a part that breaks it."""
    assert set(SerializerSuite.topics) == {test for _, test in BROKEN}
