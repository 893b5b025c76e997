"""Subwords, words and labels: learning them, and turning text into ids."""
