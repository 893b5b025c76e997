"""Cells, attention, encoder and decoder; what has a loss."""
