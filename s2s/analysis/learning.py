"""Short training of small models for measurements: Adam, clipped gradients, and no files."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def learn(model: nn.Module, losses_nats: Iterable[Tensor], *, learning_rate: float, max_grad_norm: float) -> None:
    """Make an update for each loss.

    Args:
        model: whose weights are updated.
        losses_nats: a generator, which computes each loss with the weights as they are after the updates before.
        learning_rate: Adam's.
        max_grad_norm: gradients of a larger norm are scaled down to it.
    """
    weights = list(model.parameters())
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    for loss_nats in losses_nats:
        optimizer.zero_grad()
        loss_nats.backward()
        nn.utils.clip_grad_norm_(weights, max_grad_norm)
        optimizer.step()
