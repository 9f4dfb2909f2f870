"""What an author says of a serializer, and what each part of its suite is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from gcache.conformance.suite import Suite, forgotten


class SerializerPart(Suite):
    """The values that a serializer brings back, and the fixtures that all parts of its suite share."""

    values: ClassVar[Any] = ()
    """What the serializer promises to bring back. May be a fixture instead."""

    refused: ClassVar[Any] = ()
    """What the serializer promises to refuse. May be a fixture instead."""

    @pytest.fixture
    def serializer(self) -> Any:
        """The serializer that is tried."""
        forgotten(
            self,
            "serializer",
            """
            @pytest.fixture
            def serializer(self):
                return MySerializer()
            """,
        )

    @pytest.fixture
    def promised(self, request: pytest.FixtureRequest) -> Sequence[Any]:
        """All of `values`."""
        if not (promised := self._given("values", request)):
            forgotten(self, "values", 'values = (None, 1, "text", [1, 2])')
        return promised

    @pytest.fixture
    def unwanted(self, request: pytest.FixtureRequest) -> Sequence[Any]:
        """All of `refused`."""
        return self._given("refused", request)

    @pytest.fixture
    def dumps(self, serializer: Any, promised: Sequence[Any]) -> list[bytes]:
        """What the serializer makes of `values`."""
        return [serializer.dump(value) for value in promised]

    def _given(self, name: str, request: pytest.FixtureRequest) -> Sequence[Any]:
        said: Any = getattr(self, name)
        given: Sequence[Any] = said if type(said) in (tuple, list) else request.getfixturevalue(name)
        return given
