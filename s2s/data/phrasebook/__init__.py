"""The built-in Korean-English corpus, written by a grammar, with gold word alignments."""
