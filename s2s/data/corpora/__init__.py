"""Readers of corpora, a file each: the name of a file is a choice of `data.corpus`."""
