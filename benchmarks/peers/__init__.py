"""Caches of others, which take turns with ours: each in a process and an environment of its own."""
