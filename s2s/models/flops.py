"""Floating-point operations of training and of search, counted from the sizes of a model's weights."""

from torch import nn

from s2s.models.seq2seq import Seq2Seq


def flops_per_target_token(model: Seq2Seq, source_per_target: float = 1.0) -> float:
    """Floating-point operations of a training step a target token: 2 a weight forward, twice that backward.

    Only matrix products with weights count; embeddings, attention products and element-wise work do not.

    Args:
        model: any model.
        source_per_target: source tokens a target token.
    """
    on_source, on_target = _weights_a_token(model)
    return 6.0 * (on_source * source_per_target + on_target)


def decoding_flops(model: Seq2Seq) -> tuple[float, float]:
    """Floating-point operations of search a source token, and a beam a step: 2 a weight.

    The products of the first layers with embeddings are looked up in a table (packed_model.py), and left out.
    """
    on_source, on_target = _weights_a_token(model)
    looked_up = [
        side.embedding.embedding_dim
        * sum(len(weight) for name, weight in side.layers[0].named_parameters() if "weight_ih" in name)
        for side in (model.encoder, model.decoder)
    ]
    return 2.0 * (on_source - looked_up[0]), 2.0 * (on_target - looked_up[1])


def _weights_a_token(model: Seq2Seq) -> tuple[int, int]:
    """Weights that a source token, and a target token, are multiplied with."""
    attention = {name: weight.numel() for name, weight in model.decoder.attention.named_parameters()}
    on_source = _num_weights(model.encoder.layers) + attention.get("key.weight", 0)
    on_target = _num_weights(model.decoder.layers) + attention["combine.weight"] + attention.get("query.weight", 0)
    return on_source, on_target + model.output.weight.numel()


def _num_weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.dim() == 2)
