"""`data=labelled`: texts and their labels, in files like those of parallel text."""

from s2s.data.corpora.files import build_reader

__all__ = ["build_reader"]
