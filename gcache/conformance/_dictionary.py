"""The smallest layer that an end-to-end part can do with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


class DictionaryLayer:
    """Bytes in a dictionary, for ever. Layers that are given the same one are the same layer to several."""

    def __init__(self, stored: dict[str, bytes] | None = None) -> None:
        self.name = "dictionary"
        self.stored = {} if stored is None else stored

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [self.stored.get(key) for key in keys]

    def put(self, items: Mapping[str, bytes], ttl: float) -> None:
        self.stored.update(items)

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        return self.stored.setdefault(key, value) is value

    def delete(self, keys: Sequence[str]) -> int:
        return sum(self.stored.pop(key, None) is not None for key in keys)

    def clear(self, prefix: str, progress: Callable[[int], None] | None = None) -> int:
        return self.delete([key for key in tuple(self.stored) if key.startswith(prefix)])

    def close(self) -> None:
        """Do nothing: the dictionary is somebody else's."""
