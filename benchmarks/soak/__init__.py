"""Everything at once for ten minutes: callers, writers, forks and loops, while the server is made to fail."""
