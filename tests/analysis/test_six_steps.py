"""The numbers of the six steps: those of the forward pass, and those worked out with the model's own matrices."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from s2s.analysis.attention import PiecePair, piece_pairs
from s2s.analysis.six_steps import NUM_NEXT, DecoderStep, NextPiece, six_steps, six_steps_text
from s2s.config.model import AttentionScore, Cell, ModelConfig
from s2s.data.batching import pair_batch
from s2s.data.vocabulary.subwords import NO_TEXT
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder
from s2s.errors import ConfigError
from s2s.models.attention import DotAttention
from s2s.models.seq2seq import build_seq2seq

H, S, T = 10, 5, 4

SHAPES = [
    {"attention": AttentionScore.dot, "cell": Cell.lstm},
    {"attention": AttentionScore.dot, "scale_attention": True, "cell": Cell.gru, "layers": 2},
    {"attention": AttentionScore.general, "cell": Cell.rnn, "input_feeding": True},
    {"attention": AttentionScore.additive, "input_feeding": True, "layers": 2, "dropout": 0.5},
]


@pytest.fixture
def untrained(tiny_run: Path) -> Callable[..., BatchTranslator]:
    """A translator with random weights, for any options of the model."""
    trained = BatchTranslator.load(tiny_run)

    def build(**changes: object) -> BatchTranslator:
        torch.manual_seed(3)
        options = ModelConfig(embedding_size=12, hidden_size=H, **changes)  # type: ignore[arg-type]
        model = build_seq2seq(options, len(trained.source), len(trained.target))
        return BatchTranslator([model], trained.source, trained.target, trained.search, torch.device("cpu"))

    return build


def pair_of(translator: BatchTranslator) -> PiecePair:
    """S - 1 and T - 1 pieces: `</s>` comes after them."""
    [pair] = piece_pairs(translator, ["하나 둘 셋 넷 다섯 여섯"], ["one two three four five"])
    return PiecePair(pair.source[: S - 1], pair.target[: T - 1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("step", [1, 3, T])
def test_the_numbers_are_those_of_the_forward_pass(
    untrained: Callable[..., BatchTranslator], shape: dict[str, object], step: int
) -> None:
    translator = untrained(**shape)
    pair = pair_of(translator)
    steps = six_steps(translator, pair, step)
    with torch.inference_mode():
        attentional_1TO, weights_1TS = translator.model.eval()(pair_batch([pair.source], [pair.target]))
    torch.testing.assert_close(steps.weights_S, weights_1TS[0, step - 1], rtol=0, atol=1e-6)
    torch.testing.assert_close(steps.attentional_O, attentional_1TO[0, step - 1], rtol=0, atol=1e-6)
    [score] = ForcedDecoder(translator).score_ids([pair.source], [pair.target])
    said = steps.with_context[-1]
    assert said.piece == steps.target[step - 1]
    assert math.log(said.probability) == pytest.approx(score.token_log_probabilities[step - 1], abs=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_number_follows_from_the_one_before(
    untrained: Callable[..., BatchTranslator], shape: dict[str, object]
) -> None:
    translator = untrained(**shape)
    steps = six_steps(translator, pair_of(translator), 2)
    assert (len(steps.source), len(steps.target), steps.position) == (S, T, 1)
    assert steps.states_SH.shape == (S, H)
    assert steps.attention is translator.model.decoder.attention
    if shape["attention"] is AttentionScore.dot:
        scale = 1 / math.sqrt(H) if "scale_attention" in shape else 1
        torch.testing.assert_close(steps.scores_S, steps.states_SH @ steps.query_H * scale)
    torch.testing.assert_close(steps.weights_S, steps.scores_S.exp() / steps.scores_S.exp().sum())
    torch.testing.assert_close(steps.context_H, steps.weights_S @ steps.states_SH)
    combine_OI = translator.model.decoder.attention.combine.weight.detach()
    with_context_O = torch.tanh(combine_OI @ torch.cat([steps.context_H, steps.query_H]))
    torch.testing.assert_close(steps.attentional_O, with_context_O)
    without_O = torch.tanh(combine_OI[:, H:] @ steps.query_H)
    for pieces, state_O in ((steps.with_context, with_context_O), (steps.without_context, without_O)):
        assert [item.piece for item in pieces[:NUM_NEXT]] == likeliest(translator, state_O)
        probabilities = [item.probability for item in pieces[:NUM_NEXT]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert pieces[-1].piece == steps.target[1]


@torch.inference_mode()
def likeliest(translator: BatchTranslator, state_O: torch.Tensor) -> list[str]:
    scores_V = translator.model.output(state_O)
    ids = [index for index in scores_V.argsort(descending=True).tolist() if index not in NO_TEXT]
    return translator.target.pieces(ids[:NUM_NEXT])


@pytest.mark.parametrize("step", [0, T + 1])
def test_a_step_that_is_not_taken_is_refused(untrained: Callable[..., BatchTranslator], step: int) -> None:
    translator = untrained()
    with pytest.raises(ConfigError, match=rf"step={step} is none of the {T} steps: 1 .*  {T} </s>"):
        six_steps(translator, pair_of(translator), step)


def test_the_text_on_paper() -> None:
    """The states (3, 4) and (1, 2) have the scores 1 and 0 with the query (1, -1/2), so the weights (e, 1) / (e + 1).

    The context is (3 e + 1, 4 e + 2) / (e + 1) = (2.4621, 3.4621).
    """
    e = math.e
    states_SH, weights_S = torch.tensor([[3.0, 4.0], [1.0, 2.0]]), torch.tensor([e, 1]) / (e + 1)
    steps = DecoderStep(
        DotAttention(2, 3),
        source=["▁책", "</s>"],
        target=["▁a", "▁bo", "ok", "</s>"],
        position=2,
        query_H=torch.tensor([1.0, -0.5]),
        states_SH=states_SH,
        scores_S=torch.tensor([1.0, 0.0]),
        weights_S=weights_S,
        context_H=weights_S @ states_SH,
        attentional_O=torch.tensor([0.0, 0.3, 0.4]),
        with_context=[NextPiece("ok", 0.75), NextPiece("▁a", 0.25), NextPiece("ok", 0.75)],
        without_context=[NextPiece("▁a", 0.5), NextPiece("ok", 0.25), NextPiece("ok", 0.25)],
    )
    assert six_steps_text(steps).splitlines() == [
        "steps: 1 ▁a  2 ▁bo  [3 ok]  4 </s>",
        "step 3 says ok, piece 2 of 2 of the word book",
        "",
        "1. The decoder's state q (2 units, norm 1.118), which has read ▁a ▁bo, and the encoder's 2 states h",
        "2. The score of each h: its dot product with q",
        "3. Its weight by softmax: e^score over the sum of all (here less the largest score, which changes nothing)",
        "4. Each h times its weight",
        "",
        "source     |h|   score  e^(score-max)  weight  |weight h|",
        "▁책     5.0000  1.0000         1.0000  0.7311      3.6553  ███████████████",
        "</s>    2.2361  0.0000         0.3679  0.2689      0.6014  █████",
        "sum                            1.3679  1.0000",
        "",
        "5. Their sum, the context vector: 2 units, norm 4.248, cosine to q 0.154",
        "6. tanh(W [context, q]): 3 units, norm 0.500; from it, how probable each piece is as the next",
        "",
        "with the context          without it (zeros in its place)",
        "ok                0.7500  ▁a                               0.5000",
        "▁a                0.2500  ok                               0.2500",
        "",
        "said: ok          0.7500  said: ok                         0.2500",
    ]


@pytest.mark.parametrize(
    ("score", "is_scaled", "formula"),
    [
        (AttentionScore.dot, True, f"its dot product with q, times {1 / math.sqrt(H):.4f} (1 / the root of the units)"),
        (AttentionScore.general, False, "the dot product of W h with q"),
        (AttentionScore.additive, False, "v . tanh(W q + b + U h)"),
    ],
)
def test_other_scores_are_shown_too(
    untrained: Callable[..., BatchTranslator], score: AttentionScore, is_scaled: bool, formula: str
) -> None:
    translator = untrained(attention=score, scale_attention=is_scaled)
    lines = six_steps_text(six_steps(translator, pair_of(translator), 1)).splitlines()
    assert lines[4].startswith(f"2. The score of each h: {formula}")
    assert "which has read nothing yet" in lines[3]


def test_the_last_step_says_the_end(untrained: Callable[..., BatchTranslator]) -> None:
    translator = untrained()
    lines = six_steps_text(six_steps(translator, pair_of(translator), T)).splitlines()
    assert lines[1] == f"step {T} says </s>, the end"
