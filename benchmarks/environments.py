"""Virtual environments for peers, which must not meet ours: versions differ, one even has our import name."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path


class NotInstalledError(Exception):
    """What a peer needs could not be installed; the message is the last that pip had to say."""


def python_with(requirements: Sequence[str], place: Path) -> Path:
    """Return the interpreter of the environment at `place`, which is made unless it has just these.

    Raises NotInstalledError.
    """
    python, stamp = place / "bin" / "python", place / "installed.txt"
    wanted = " ".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(place, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *requirements]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise NotInstalledError(said[-1] if said else f"pip ended with {done.returncode}.")
        stamp.write_text(wanted)
    return python
