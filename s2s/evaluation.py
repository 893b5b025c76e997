"""Scores and alignments."""
