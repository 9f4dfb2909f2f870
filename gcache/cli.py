"""The command `gcache`, for those who write adapters."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

_PACKAGE = Path(__file__).parent
# In the wheel, and in a checkout.
_TEMPLATES = (_PACKAGE / "_template", _PACKAGE.parent / "contrib" / "_template")
_NAME = re.compile(r"[a-z][a-z0-9]*")
_NEXT_STEPS = """\
{made} is a layer that works, in a dictionary, with its tests:

    cd {made} && pip install -e '.[test]' && pytest

Put your store into src/{package}/layer.py, and say in tests/test_conformance.py what it can do.
"""
_LEFT_OUT = {"__pycache__", ".pytest_cache", ".hypothesis"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, 2 for one that cannot be meant."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        made = new_adapter(given.name, given.into)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        sys.stderr.write(f"gcache: {error}\n")
        return 1
    sys.stdout.write(_NEXT_STEPS.format(made=made, package=_filled("gcache_example", given.name)))
    return 0


def new_adapter(name: str, into: Path = Path()) -> Path:
    """Make the folder gcache-NAME with a package for a layer, its README and its tests; return it.

    Raises ValueError for a name that will not do, FileExistsError where that folder is already.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for an adapter: take lower-case letters and digits, such as sqlite."
        )
    template = next((place for place in _TEMPLATES if place.is_dir()), None)
    if template is None:
        raise FileNotFoundError("The template is missing: install gcache-toolkit anew, or clone all of it.")
    target = into / f"gcache-{name}"
    if target.exists():
        raise FileExistsError(f"{target} is there already: choose another name, or remove it.")
    for source in sorted(template.rglob("*")):
        place = source.relative_to(template)
        if source.is_file() and not _LEFT_OUT & set(place.parts):
            made = target / _filled(str(place), name)
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(_filled(source.read_text(encoding="utf-8"), name), encoding="utf-8")
    return target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gcache", description="Tools for those who write adapters for gcache.")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("new-adapter", help="begin a layer: a package that works, with its tests")
    command.add_argument("name", help="lower-case letters and digits, such as sqlite")
    command.add_argument("--into", type=Path, default=Path(), help="where to make gcache-NAME")
    return parser


def _filled(text: str, name: str) -> str:
    return text.replace("example", name).replace("Example", name.capitalize())
