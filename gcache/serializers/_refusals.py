"""What the pickle serializer says when it refuses a value, or stored bytes."""

from __future__ import annotations

import pickle
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from gcache.errors import SerializationError, UntrustedType
from gcache.serializers._plain import full_name, is_trustable

_CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)


def refuse_buffer(buffer: pickle.PickleBuffer) -> None:
    """Refuse what a pickle keeps outside of itself."""
    raise SerializationError("A PickleBuffer would come back as bytes: return bytes instead.")


def refusal_of(value: object) -> SerializationError:
    """Return why `value` is not stored."""
    if isinstance(value, _CODE):
        return UntrustedType(f"{value!r} is code, which is not stored: return the data that it gives.")
    if is_trustable(type(value)):
        return distrust_of(type(value))
    return SerializationError(
        f"A {full_name(type(value))} is nothing to be stored: return plain data instead."
    )


def distrust_of(cls: type) -> UntrustedType:
    """Return why an instance of `cls` is not stored, and the line that would have it stored."""
    variable = cls.__qualname__.rpartition("<locals>.")[2]
    return UntrustedType(
        f"{full_name(cls)} is not trusted to be loaded from a cache:"
        f" name it, PickleSerializer(trusted=[{variable}]), if this value shall be stored."
    )


def indirect(cls: type, how: str) -> SerializationError:
    """Return why an instance of a trusted `cls` cannot be stored as it is pickled."""
    return SerializationError(
        f"{full_name(cls)} is pickled by way of {how}, which hostile bytes could use as well:"
        f" give it a __reduce__ that returns {cls.__name__} and its arguments,"
        " or use PickleSerializer(trusted=ANY) on storage that nobody else can write to."
    )


def unknown(name: object) -> str:
    """Return why stored bytes are not loaded."""
    return f"The stored bytes name {name!r}, which is not trusted: name its class in `trusted`."
