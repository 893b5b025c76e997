"""Ids to vectors, in a table that the output layer can share.

V pieces of a vocabulary, E embedding units.
"""

import math

from torch import Tensor, nn


class Embedding(nn.Embedding):
    """A table whose rows have about unit length, scaled up on the way in.

    As weights of the output layer, rows of unit length give moderate logits; as input of a recurrent layer, units of
    about unit variance are what its gates need to tell words apart from the first step on. So rows are multiplied by
    sqrt(E) when they are looked up (Vaswani et al. 2017, section 3.4).
    """

    def __init__(self, vocabulary_size: int, embedding_size: int) -> None:
        super().__init__(vocabulary_size, embedding_size)
        nn.init.normal_(self.weight, std=1 / math.sqrt(embedding_size))

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors of the ids, one more dimension of E units at the end."""
        return super().forward(ids) * math.sqrt(self.embedding_dim)
