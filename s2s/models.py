"""Cells, attention, encoder and decoder."""
