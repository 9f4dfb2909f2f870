"""Whether a read ever gets what was invalidated before: `python -m benchmarks.consistency`."""
