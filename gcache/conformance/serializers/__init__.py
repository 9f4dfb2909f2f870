"""The suite for serializers."""

from __future__ import annotations

from gcache.conformance.serializers.foreign_bytes import HostileBytes
from gcache.conformance.serializers.round_trips import RoundTrips


class SerializerSuite(RoundTrips, HostileBytes):
    """All that a serializer promises. Give it the fixture `serializer`, and `values` that it brings back.

    `values` is a tuple, or a fixture that gives one. What it must refuse may be named in `refused`.
    """
