"""A cache at work on a real trace, measured while you watch: `python -m examples.demo`."""
