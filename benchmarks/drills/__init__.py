"""Faults made on real servers, and what they cost those who call cached functions."""
