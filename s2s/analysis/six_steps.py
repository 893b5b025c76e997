"""The six steps of attention with their actual numbers, for one step of a decoder.

S source positions and T target positions, with those of `</s>`; H units of a state, O units of an attentional state,
V pieces.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.analysis.attention import PiecePair, pieces_with_end
from s2s.data.batching import Batch, pair_batch
from s2s.data.vocabulary.subwords import EOS, NO_TEXT
from s2s.data.vocabulary.words import merge_pieces, words_of_pieces
from s2s.decoding.batch_translator import BatchTranslator
from s2s.errors import ConfigError
from s2s.models.attention import Attention, Memory
from s2s.models.seq2seq import Seq2Seq
from s2s.text_tables import table

NUM_NEXT = 5
_BAR_COLUMNS = 20


@dataclass(frozen=True)
class NextPiece:
    """A piece that may come next, and its probability among all that can."""

    piece: str
    probability: float


@dataclass(frozen=True)
class DecoderStep:
    """What the decoder computes in one step; all tensors are fp32, on the CPU.

    Attributes:
        attention: the model's own.
        source: S pieces.
        target: T pieces.
        position: which of them this step predicts, from 0.
        query_H: the decoder's state.
        states_SH: the encoder's.
        scores_S, weights_S: of each source position.
        context_H: the sum of the weighted states.
        attentional_O: what the output layer sees.
        with_context: the most probable next pieces, best first; then the piece of the translation.
        without_context: the same where the context vector is replaced by zeros.
    """

    attention: Attention
    source: list[str]
    target: list[str]
    position: int
    query_H: Tensor
    states_SH: Tensor
    scores_S: Tensor
    weights_S: Tensor
    context_H: Tensor
    attentional_O: Tensor
    with_context: list[NextPiece]
    without_context: list[NextPiece]


@torch.inference_mode()
def six_steps(translator: BatchTranslator, pair: PiecePair, step: int) -> DecoderStep:
    """Take one step of a model through a translation.

    Args:
        translator: with attention.
        pair: a sentence and its translation.
        step: which piece of the translation is predicted, from 1; the last step predicts `</s>`.

    Raises:
        ConfigError: there is no such step.
    """
    source, target = pieces_with_end(translator.source, pair.source), pieces_with_end(translator.target, pair.target)
    if not 1 <= step <= len(target):
        raise ConfigError(f"step={step} is none of the {len(target)} steps: {_numbered(target)}")
    model, attention = translator.model.eval(), translator.model.decoder.attention
    queries_1TH, memory = _attention_inputs(model, pair_batch([pair.source], [pair.target]).to(translator.device))
    query_11H = queries_1TH[:, step - 1 : step]
    mixed_11I, weights_11S = attention.attend(query_11H, memory)
    attentional_11O, _ = attention(query_11H, memory)
    context_11H = mixed_11I[..., : -query_11H.shape[-1]]
    without_context_11O = torch.tanh(attention.combine(torch.cat([torch.zeros_like(context_11H), query_11H], dim=-1)))
    said = [*pair.target, EOS][step - 1]
    return DecoderStep(
        attention,
        source,
        target,
        position=step - 1,
        query_H=_on_cpu(query_11H),
        states_SH=memory.states_BSH[0].float().cpu(),
        scores_S=_on_cpu(attention.scores(query_11H, memory)),
        weights_S=_on_cpu(weights_11S),
        context_H=_on_cpu(context_11H),
        attentional_O=_on_cpu(attentional_11O),
        with_context=_next(translator, attentional_11O, said),
        without_context=_next(translator, without_context_11O, said),
    )


def _on_cpu(tensor_11N: Tensor) -> Tensor:
    return tensor_11N[0, 0].float().cpu()


def _attention_inputs(model: Seq2Seq, batch: Batch) -> tuple[Tensor, Memory]:
    """The decoder states (B, T, H) that the forward pass hands to attention, and the memory.

    A hook catches them: with input feeding, attention is called once for each position.
    """
    calls: list[tuple[Tensor, Memory]] = []
    hook = model.decoder.attention.register_forward_pre_hook(lambda _, arguments: calls.append(arguments))
    try:
        model(batch)
    finally:
        hook.remove()
    return torch.cat([query_BTH for query_BTH, _ in calls], dim=1), calls[0][1]


def _next(translator: BatchTranslator, attentional_11O: Tensor, said: int) -> list[NextPiece]:
    """The most probable of the pieces that search may choose; then the one that stands in the translation."""
    scores_V = translator.model.output(attentional_11O)[0, 0].float()
    scores_V[NO_TEXT] = -torch.inf
    probabilities_V = torch.softmax(scores_V, dim=0).cpu()
    ids = [*probabilities_V.topk(min(NUM_NEXT, len(probabilities_V))).indices.tolist(), said]
    return [NextPiece(*each) for each in zip(translator.target.pieces(ids), probabilities_V[ids].tolist(), strict=True)]


def six_steps_text(steps: DecoderStep) -> str:
    """The steps as text for a terminal."""
    said, before = steps.target[steps.position], " ".join(steps.target[: steps.position])
    return f"""\
steps: {_numbered(steps.target, steps.position)}
step {steps.position + 1} says {said}{_part_of_word(steps)}

1. The decoder's state q ({len(steps.query_H)} units, norm {steps.query_H.norm():.3f}), \
which has read {before or "nothing yet"}, and the encoder's {len(steps.source)} states h
2. The score of each h: {_formula(steps.attention)}
3. Its weight by softmax: e^score over the sum of all (here less the largest score, which changes nothing)
4. Each h times its weight

{table(_source_rows(steps), "<>>>>><")}

5. Their sum, the context vector: {len(steps.context_H)} units, norm {steps.context_H.norm():.3f}, \
cosine to q {torch.cosine_similarity(steps.context_H, steps.query_H, dim=0):.3f}
6. tanh(W [context, q]): {len(steps.attentional_O)} units, norm {steps.attentional_O.norm():.3f}; \
from it, how probable each piece is as the next

{table(_next_rows(steps), "<><>")}"""


def _formula(attention: Attention) -> str:
    scaled = "" if attention.scale == 1 else f", times {attention.scale:.4f} (1 / the root of the units)"
    return attention.formula + scaled


def _source_rows(steps: DecoderStep) -> list[list[str]]:
    """A row of numbers a source position, under their names, and a row of sums."""
    exponentials_S = (steps.scores_S - steps.scores_S.max()).exp()
    weighted_SH = steps.weights_S[:, None] * steps.states_SH
    rows = [["source", "|h|", "score", "e^(score-max)", "weight", "|weight h|", ""]]
    for index, piece in enumerate(steps.source):
        numbers = (steps.scores_S[index], exponentials_S[index], steps.weights_S[index], weighted_SH[index].norm())
        bar = "█" * round(_BAR_COLUMNS * float(steps.weights_S[index]))
        rows.append([piece, *(f"{value:.4f}" for value in (steps.states_SH[index].norm(), *numbers)), bar])
    return [*rows, ["sum", "", "", f"{exponentials_S.sum():.4f}", f"{steps.weights_S.sum():.4f}", "", ""]]


def _next_rows(steps: DecoderStep) -> list[list[str]]:
    """The likeliest pieces in two pairs of columns, then what both make of the piece that is said."""
    rows = [["with the context", "", "without it (zeros in its place)", ""]]
    for pair in zip(steps.with_context, steps.without_context, strict=True):
        rows.append([cell for item in pair for cell in (item.piece, f"{item.probability:.4f}")])
    last = rows.pop()
    return [*rows, ["", "", "", ""], [f"said: {last[0]}", last[1], f"said: {last[2]}", last[3]]]


def _part_of_word(steps: DecoderStep) -> str:
    """Which part of which word a step says; nothing where it says all of it, or the end."""
    pieces, position = steps.target[:-1], steps.position
    if position == len(pieces):
        return ", the end"
    words = words_of_pieces(pieces)
    word = words[position]
    if words.count(word) == 1:
        return ""
    return f", piece {position - words.index(word) + 1} of {words.count(word)} of the word {merge_pieces(pieces)[word]}"


def _numbered(pieces: list[str], chosen: int | None = None) -> str:
    """Pieces with the numbers of their steps; the chosen one in brackets."""
    numbered = [f"{index} {piece}" for index, piece in enumerate(pieces, start=1)]
    return "  ".join(f"[{text}]" if index == chosen else text for index, text in enumerate(numbered))
