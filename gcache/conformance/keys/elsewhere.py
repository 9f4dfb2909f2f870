"""An interpreter of its own, in which hashes of texts are others."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

_PROGRAM = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
function, arguments = pickle.load(sys.stdin.buffer)
pickle.dump(function(*arguments), sys.stdout.buffer)
"""


def in_another_interpreter(function: Any, *arguments: Any) -> Any:
    """Return what `function` gives in an interpreter with a PYTHONHASHSEED of its own.

    All that is handed over and back is pickled. Raises what pickling raises, and AssertionError if the
    other interpreter fails.
    """
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    handed = pickle.dumps(sys.path) + pickle.dumps((function, arguments))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=handed,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
        timeout=60,
        check=False,
    )
    assert 0 == done.returncode, f"in another interpreter:\n{done.stderr.decode(errors='replace')[-4000:]}"
    return pickle.loads(done.stdout)
