"""The cost of a model, on paper and as torch counts it.

Embeddings of 5 units, 6 hidden units, 13 source and 11 target tokens.
"""

import pytest
from torch.utils.flop_counter import FlopCounterMode

from s2s.config.model import AttentionScore, Cell, ModelConfig, Tie
from s2s.data.batching import pair_batch
from s2s.models.cells import CELLS
from s2s.models.flops import decoding_flops, flops_per_target_token
from s2s.models.seq2seq import Seq2Seq, build_seq2seq

# An LSTM with 4 gates.
ENCODER = 2 * 4 * 3 * (5 + 3)
DECODER = 4 * 6 * (5 + 6)


def built(**changes: object) -> Seq2Seq:
    return build_seq2seq(ModelConfig(embedding_size=5, hidden_size=6, dropout=0.0, **changes), 13, 11)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "a_source_token", "a_target_token"),
    [
        ({"tie": Tie.none}, ENCODER, DECODER + 6 * 12 + 11 * 6),
        ({"tie": Tie.output}, ENCODER, DECODER + 5 * 12 + 11 * 5),
        ({"tie": Tie.output, "bidirectional": False}, 4 * 6 * (5 + 6), DECODER + 5 * 12 + 11 * 5),
        ({"tie": Tie.output, "attention": AttentionScore.none}, ENCODER, DECODER + 5 * 6 + 11 * 5),
        ({"tie": Tie.output, "attention": AttentionScore.general}, ENCODER + 6 * 6, DECODER + 5 * 12 + 11 * 5),
        ({"tie": Tie.output, "attention": AttentionScore.additive}, ENCODER + 6 * 6, DECODER + 6 * 6 + 5 * 12 + 11 * 5),
        ({"tie": Tie.output, "input_feeding": True}, ENCODER, DECODER + 4 * 6 * 5 + 5 * 12 + 11 * 5),
        ({"tie": Tie.output, "layers": 2}, ENCODER + 2 * 4 * 3 * (6 + 3), DECODER + 4 * 6 * (6 + 6) + 5 * 12 + 11 * 5),
        ({"tie": Tie.output, "cell": Cell.gru}, ENCODER * 3 // 4, DECODER * 3 // 4 + 5 * 12 + 11 * 5),
    ],
)
def test_flops_on_paper(changes: dict[str, object], a_source_token: int, a_target_token: int) -> None:
    assert flops_per_target_token(built(**changes), 0.5) == 6 * (0.5 * a_source_token + a_target_token)
    assert flops_per_target_token(built(**changes)) == 6 * (a_source_token + a_target_token)


@pytest.mark.parametrize("is_input_feeding", [False, True])
def test_in_search_the_products_with_embeddings_cost_nothing(is_input_feeding: bool) -> None:
    a_target_token = 4 * 6 * (6 + 6 * is_input_feeding) + 6 * 12 + 11 * 6
    assert decoding_flops(built(input_feeding=is_input_feeding)) == (2 * 2 * 4 * 3 * 3, 2 * a_target_token)


@pytest.mark.parametrize("is_input_feeding", [False, True])
@pytest.mark.parametrize("cell", list(Cell))
def test_torch_counts_the_same_products(cell: Cell, is_input_feeding: bool) -> None:
    """What torch counts besides: the products of attention (12 S H a target position) and the bridges, once a sentence.

    What it leaves out: the gradient with respect to the zeros that the two directions of the encoder start from.
    """
    num_sentences, num_source, num_target = 3, 7, 5
    model = built(cell=cell, input_feeding=is_input_feeding).train().double()  # fp32 has products that torch hides
    batch = pair_batch([[5] * (num_source - 1)] * num_sentences, [[6] * (num_target - 1)] * num_sentences)
    with FlopCounterMode(display=False) as counter:
        model.loss(batch).smoothed_nats.backward()
    counted = flops_per_target_token(model, num_source / num_target) * num_sentences * num_target
    attention = 12 * num_sentences * num_target * num_source * 6
    bridges = 6 * num_sentences * sum(bridge.weight.numel() for bridge in model.decoder.bridges)
    first_states = 2 * num_sentences * 2 * CELLS[cell].num_gates * 3 * 3
    all_of_it = pytest.approx(counted + attention + bridges - first_states)
    assert counter.get_total_flops() == all_of_it or (is_input_feeding and counter.get_total_flops() >= counted)
