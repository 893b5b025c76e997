"""Starting from the weights of another run: fine-tuning, with its subwords or with new ones."""

from collections.abc import Sequence
from pathlib import Path

from s2s.errors import CheckpointError
from s2s.models.model import Model
from s2s.runs.checkpoint import Tensors, load_weights, model_tensors

_SIDE_OF = {"encoder.embedding.weight": 0, "decoder.embedding.weight": 1, "output.weight": 1, "output.bias": 1}
"""The tensors with a row a piece, and whether it is a piece of the source (0) or of the target (1)."""


def start_from(
    model: Model,
    weights: Tensors,
    origin: Path,
    old_pieces: Sequence[Sequence[str]],
    new_pieces: Sequence[Sequence[str]],
) -> int:
    """Put another run's weights into a new model; pieces that only the new one has keep their random rows.

    Args:
        model: freshly built.
        weights: of the other run.
        origin: where these come from, for messages.
        old_pieces: vocabularies of source and target in the other run, by id.
        new_pieces: those of the new model.

    Returns:
        How many pieces of the new target vocabulary the other run has.

    Raises:
        CheckpointError: the two networks differ in more than their vocabularies.
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
    """Where the pieces that both vocabularies have stand in the old one, and where in the new one."""
    place = {piece: index for index, piece in enumerate(new)}
    shared = [(index, place[piece]) for index, piece in enumerate(old) if piece in place]
    return [index for index, _ in shared], [index for _, index in shared]
