"""Embeddings: a vector for each token of the vocabulary."""

import math

from torch import nn

INPUT_STD = 0.25
"""Standard deviation of embeddings at first.

Adam moves a weight by about the learning rate a step, however large the weight is. The vector of a rare token, which is
to be learnt from few steps, jumps about when it is small, or when what is looked up is multiplied by sqrt(E), and
hardly moves when it is large. On Multi30k, of 0.06 times sqrt(E), 0.1, 0.25 and 1, this one learnt best by far.
"""


def build_embedding(vocabulary_size: int, embedding_size: int, *, is_output: bool = False) -> nn.Embedding:
    """A new table; rows that are weights of the output layer too are about of unit length, for moderate logits."""
    table = nn.Embedding(vocabulary_size, embedding_size)
    nn.init.normal_(table.weight, std=1 / math.sqrt(embedding_size) if is_output else INPUT_STD)
    return table
