"""Scores, their significance, and word alignments."""
