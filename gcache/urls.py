"""Layers as text: what a URL such as `redis://user:secret@a:6379,b:6379/2?name=far` says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import unquote

from attrs import evolve, field, frozen

from gcache.errors import GCacheConfigError

Host: TypeAlias = tuple[str, int | None]
Part: TypeAlias = Literal["login", "hosts", "path"]

_TEXT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://(.*)|(\?.*))?", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SIZE = re.compile(r"([0-9]+) ?(?:(?:([KMGT])(I?))?B)?", re.IGNORECASE)


@frozen
class LayerURL:
    """The parts of a layer's URL, for the factory that makes the layer.

    `hosts` are pairs of a name and a port, None where no port is given. `username`, `password`, `path` and
    the options are percent-decoded, and `path` begins with its slash. No password is in its repr.
    """

    scheme: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hosts: tuple[Host, ...] = ()
    path: str = ""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take `text` apart. A bare name, such as `memory`, is a scheme with nothing behind it.

        Raises GCacheConfigError, which shows no more of `text` than is no password.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            shown = "" if "@" in text else f" {text!r}"
            raise GCacheConfigError(
                f"A layer's text{shown} has no scheme: write `memory`, or `redis://host`."
            )
        scheme = match[1].lower()
        beginning, _, query = _sound(scheme, match[2] or match[3] or "").partition("?")
        authority, slash, path = beginning.partition("/")
        if authority and "@" in path + query:
            raise GCacheConfigError(
                f"A {scheme}:// URL has an @ behind its hosts: percent-encode it as %40, and a / or ? in a "
                "password as %2F or %3F."
            )
        login, is_login, hosts = authority.rpartition("@")
        username, is_password, password = login.partition(":")
        return cls(
            scheme,
            _decoded(scheme, username) or None,
            _decoded(scheme, password) if is_password else None,
            tuple(_host(scheme, host) for host in hosts.split(",")) if hosts or is_login else (),
            _decoded(scheme, slash + path),
            tuple(_option(scheme, option) for option in query.split("&")) if query else (),
        )

    def only(self, *parts: Part) -> None:
        """Raise GCacheConfigError if the URL has another part than `parts` and options."""
        given: dict[Part, object] = {
            "login": self.username or self.password,
            "hosts": self.hosts,
            "path": self.path.strip("/"),
        }
        needless = [part for part, value in given.items() if value and part not in parts]
        if needless:
            raise GCacheConfigError(
                f"A {self.scheme}:// URL has no place for {' and '.join(needless)}: leave it out."
            )

    def need(self, part: Part, example: str) -> None:
        """Raise GCacheConfigError if the URL lacks `part`; `example` is a URL that has it."""
        if not {"login": self.username, "hosts": self.hosts, "path": self.path.strip("/")}[part]:
            raise GCacheConfigError(f"A {self.scheme}:// URL names no {part}: write {example}.")

    def default(self, **options: object) -> Self:
        """Return the URL with those of `options` that it does not give itself."""
        given = {name for name, _ in self.query}
        more = ((name, str(value)) for name, value in options.items() if name not in given)
        return evolve(self, query=(*self.query, *more))

    def options(self, **converters: Callable[[str], Any]) -> dict[str, Any]:
        """Return the options that the URL gives, each converted by the callable of its name.

        Raises GCacheConfigError for an option that has no converter, that is given twice, or that its
        converter raises anything for.
        """
        converted: dict[str, Any] = {}
        known = ", ".join(converters) or "none"
        for name, text in self.query:
            if name not in converters:
                raise GCacheConfigError(f"A {self.scheme}:// URL has no option {name!r}: it knows {known}.")
            if name in converted:
                raise GCacheConfigError(
                    f"A {self.scheme}:// URL gives {name!r} twice: give each of {known} once."
                )
            try:
                converted[name] = _finite(converters[name](text))
            except Exception as error:
                raise GCacheConfigError(
                    f"{name} is {text!r} in a {self.scheme}:// URL, which does not do ({error}). "
                    f"Its options are {known}."
                ) from error
        return converted


def size(text: str) -> int:
    """Return a number of bytes: "1000", "64KiB" (1024 each), "500MB" or "1GB" (1000 each)."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("give whole bytes, or a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB")
    number, unit, binary = match.groups(default="")
    factor: int = (1024 if binary else 1000) ** " KMGT".index(unit.upper() or " ")
    return int(number) * factor


def seconds(text: str) -> float:
    """Return a duration: "0.3" or "10", above 0."""
    duration = float(text)
    if not 0 < duration < math.inf:
        raise ValueError("give seconds above 0")
    return duration


def flag(text: str) -> bool:
    """Return what "true", "1" or "yes" and "false", "0" or "no" mean."""
    meaning = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        text.lower()
    )
    if meaning is None:
        raise ValueError("give true, false, 1, 0, yes or no")
    return meaning


def _sound(scheme: str, rest: str) -> str:
    if "#" in rest or _BROKEN_ESCAPE.search(rest):
        raise GCacheConfigError(
            f"A {scheme}:// URL has a # or a % that is no escape: percent-encode them as %23 and %25."
        )
    return rest


def _decoded(scheme: str, text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise GCacheConfigError(f"A {scheme}:// URL is not UTF-8 where it is percent-encoded.") from None


def _host(scheme: str, text: str) -> Host:
    """Return a name and a port. What stands for a port may be a password whose @ was forgotten."""
    match = _HOST.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 0 < port < 65536):
        raise GCacheConfigError(
            f"A {scheme}:// URL has a host or a port that is none, at {text.partition(':')[0]!r}: "
            "write host, host:6379 or [::1]:6379, with commas between several."
        )
    return match["six"] or match["name"], port


def _option(scheme: str, text: str) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not (name and is_given):
        raise GCacheConfigError(
            f"A {scheme}:// URL has an option without a name or a value: write ?option=value&other=value."
        )
    return _decoded(scheme, name), _decoded(scheme, value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("give a finite number")
    return value
