"""Parallel text: reading it, cleaning it, splitting it."""
