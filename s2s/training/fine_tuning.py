"""Fine-tuning: starting from the weights of another run, with its subwords or with new ones."""

from collections.abc import Sequence
from pathlib import Path

from s2s.errors import CheckpointError
from s2s.models.model import Model
from s2s.runs.checkpoint import Tensors, load_weights, model_tensors

_SIDE_OF = {"encoder.embedding.weight": 0, "decoder.embedding.weight": 1, "output.weight": 1, "output.bias": 1}
"""The tensors with one row per piece, and whose vocabulary it is: the source's (0) or the target's (1)."""


def initialize_from(
    model: Model,
    weights: Tensors,
    origin: Path,
    old_pieces: Sequence[Sequence[str]],
    new_pieces: Sequence[Sequence[str]],
) -> int:
    """Copy another run's weights into a new model; pieces that only the new one has keep their random rows.

    Args:
        model: newly built.
        weights: of the other run.
        origin: the file that these come from, for messages.
        old_pieces: the pieces of source and target in the other run, by id.
        new_pieces: those of the new model.

    Returns:
        How many pieces of the new target vocabulary the other run knows.

    Raises:
        CheckpointError: the networks differ in more than their vocabularies.
    """
    rows = [_shared_rows(old, new) for old, new in zip(old_pieces, new_pieces, strict=True)]
    fitted, random = dict(weights), model_tensors(model)
    for name in _SIDE_OF.keys() & weights.keys() & random.keys():
        side = _SIDE_OF[name]
        of_old, of_new = rows[side]
        expected = (len(old_pieces[side]), *random[name].shape[1:])
        if weights[name].shape != expected:
            raise CheckpointError(
                f"{origin}: expected {name} of shape {expected}, got {tuple(weights[name].shape)}; these weights are "
                "of another network, or of other subwords"
            )
        fitted[name] = random[name].detach().clone()
        fitted[name][of_new] = weights[name][of_old].to(fitted[name])
    load_weights(model, fitted, origin)
    return len(rows[1][0])


def _shared_rows(old: Sequence[str], new: Sequence[str]) -> tuple[list[int], list[int]]:
    """The ids of the pieces that both vocabularies have, in the old one and in the new one."""
    new_ids = {piece: index for index, piece in enumerate(new)}
    shared = [(index, new_ids[piece]) for index, piece in enumerate(old) if piece in new_ids]
    return [index for index, _ in shared], [index for _, index in shared]
