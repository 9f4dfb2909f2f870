"""Entries that come back otherwise than they were stored."""
