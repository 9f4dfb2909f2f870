"""What turns values into bytes for the layers outside this process, and back."""

from __future__ import annotations

from gcache.serializers.json import JsonSerializer
from gcache.serializers.pickle import ANY, PickleSerializer

__all__ = ["ANY", "JsonSerializer", "PickleSerializer"]
