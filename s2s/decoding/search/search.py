"""Greedy, beam and sampling search over a step function; there are no weights and no text in here.

B sentences (those not yet done), K beams of a sentence, S source positions, V tokens of the vocabulary, C candidates of
a beam, X candidates of a sentence, O sentences still open after a step, M rows of a state. A step function takes the
last token of every beam and a state, and gives scores of the next token (any real numbers whose softmax is their
probability) and the next state. A table of log probabilities is such a model too, so search is tested on paper.

All kinds of search are one loop, `_search`. They differ in the function that chooses how a step continues.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from s2s.decoding.search.backpointers import Backpointers, Hypothesis, Path, read_attention, read_paths
from s2s.decoding.search.beams import Beams, Choice, allowed_tokens
from s2s.decoding.search.diverse_beam_search import DiverseExtensions
from s2s.decoding.search.hypothesis_score import HypothesisScore, coverage
from s2s.decoding.search.lexical_constraints import ConstrainedExtensions, LexicalConstraints
from s2s.decoding.search.rules import Rules
from s2s.decoding.search.sampling import SampledExtensions, Sampling, random_keys
from s2s.errors import CheckpointError


class SearchState(Protocol):
    """What a step needs besides the last tokens. Row b * K + k belongs to beam k of sentence b.

    Attributes:
        attention_BKS: the attention weights of each beam in the step that made this state; None where there are none.
    """

    @property
    def attention_BKS(self) -> Tensor | None: ...  # noqa: N802

    def select(self: "S", rows_M: Tensor, sentences_B: Tensor | None) -> "S":
        """The state of some rows, in that order; they belong to these sentences (None: to all, as before)."""


S = TypeVar("S", bound=SearchState)
Step = Callable[[Tensor, S], tuple[Tensor, S]]
"""From the last tokens (B, K) and a state to scores (B, K, V) and the next state."""
Choose = Callable[[Tensor, Beams], Choice]
"""From scores (B, K, V) and the beams to how they continue."""


def beam_search(
    step: Step[S],
    state: S,
    max_lengths_B: Tensor,
    *,
    beam_size: int,
    num_best: int = 1,
    scorer: HypothesisScore | None = None,
    rules: Rules | None = None,
    constraints: LexicalConstraints | None = None,
    num_groups: int = 1,
    diversity_strength: float = 0.5,
    source_lengths_B: Tensor | None = None,
    keep_attention: bool = False,
    record: list[Backpointers] | None = None,
) -> list[list[Hypothesis]]:
    """Keep the `beam_size` likeliest hypotheses of each sentence at every step; a beam of 1 is greedy search.

    A hypothesis that ends (at `</s>`, or at the longest length) takes one of the sentence's slots for good. A sentence
    is done when all slots are taken, or when no open hypothesis can still be among the `num_best`; it then leaves the
    batch.

    Args:
        step: gives the scores of the next token.
        state: before the first token, one row a sentence.
        max_lengths_B: longest translation of each sentence in tokens, `</s>` included; at least 1.
        beam_size: slots of a sentence.
        num_best: how many of the best to return, at most `beam_size`.
        scorer: how hypotheses are ranked; left out: by the mean log probability of their tokens.
        rules: which tokens are allowed next; left out: all.
        constraints: phrases that must occur; not with `num_groups`.
        num_groups: groups of `beam_size / num_groups` slots each, see `DiverseExtensions`.
        diversity_strength: in nats, see `DiverseExtensions`.
        source_lengths_B: source positions; only for a coverage penalty.
        keep_attention: give each hypothesis its attention, where the state has any.
        record: a list to which the choice of each step is added.

    Returns:
        For each sentence up to `num_best` different hypotheses, the best first; none where the rules leave no token.
        Hypotheses that miss a constraint are returned only for a sentence all of whose hypotheses do: the longest
        length cut them off, or the rules forbade the rest.

    Raises:
        CheckpointError: the step gives NaN.
    """
    assert beam_size % num_groups == 0, f"{num_groups} equal groups of {beam_size} beams"
    assert constraints is None or num_groups == 1, "either divides the beam"
    choose: Choose
    if constraints is not None:
        rules = Rules([*rules.rules, constraints], rules.prefix_BP) if rules else Rules([constraints])
        choose = ConstrainedExtensions(constraints, rules)
    elif num_groups > 1:
        choose = DiverseExtensions(num_groups, diversity_strength, rules)
    else:
        choose = BestExtensions(rules)
    beams = Beams.start(
        max_lengths_B,
        num_groups=num_groups,
        group_size=beam_size // num_groups,
        # Groups may find equal hypotheses, so how many different ones there are is known only when all slots are taken.
        num_best=num_best if num_groups == 1 else beam_size,
        has_tokens=rules is not None,
    )
    positions = _search(step, state, beams, choose, scorer or HypothesisScore(), source_lengths_B, keep_attention)
    if record is not None:
        record.extend(positions)
    found = read_paths(positions, len(max_lengths_B))
    if constraints is not None:
        found = [_complete(paths, constraints) for paths in found]
    elif num_groups > 1:
        found = [_distinct(paths) for paths in found]
    return _hypotheses([paths[:num_best] for paths in found], positions)


def sample_search(
    step: Step[S],
    state: S,
    max_lengths_B: Tensor,
    *,
    sampling: Sampling,
    seed: int,
    lines: Sequence[int],
    num_samples: int = 1,
    scorer: HypothesisScore | None = None,
    rules: Rules | None = None,
    source_lengths_B: Tensor | None = None,
    keep_attention: bool = False,
) -> list[list[Hypothesis]]:
    """Draw every token at random, by its probability. For the other arguments see `beam_search`.

    Args:
        sampling: which tokens are drawn from.
        seed: any number from 0.
        lines: a number of each sentence, from 0; seed, number and sample decide what is drawn, the batch does not.
        num_samples: of each sentence; the same may be drawn several times.

    Returns:
        The samples of each sentence, the best first; fewer where the rules leave no token.

    Raises:
        CheckpointError: the step gives NaN.
    """
    longest = int(max_lengths_B.max()) if len(max_lengths_B) else 0
    key_BKT = random_keys(seed, lines, num_samples, longest).to(max_lengths_B.device)
    choose = SampledExtensions(sampling, key_BKT, rules)
    beams = Beams.start(
        max_lengths_B, num_groups=num_samples, group_size=1, num_best=num_samples, has_tokens=rules is not None
    )
    positions = _search(step, state, beams, choose, scorer or HypothesisScore(), source_lengths_B, keep_attention)
    return _hypotheses(read_paths(positions, len(max_lengths_B)), positions)


def _search(
    step: Step[S],
    state: S,
    beams: Beams,
    choose: Choose,
    scorer: HypothesisScore,
    source_lengths_B: Tensor | None,
    keep_attention: bool,
) -> list[Backpointers]:
    """Search until no sentence is open: the loop of all kinds of search."""
    num_sentences, num_beams = beams.total_BK.shape
    if num_beams > 1:
        rows_M = torch.arange(num_sentences, device=beams.total_BK.device).repeat_interleave(num_beams)
        state = state.select(rows_M, None)
    positions = []
    while len(beams.sentences_B):
        scores_BKV, state = step(beams.token_BK, state)
        attention_BKS = state.attention_BKS
        choice = choose(scores_BKV.float(), beams)
        beams = beams.extend(choice, attention_BKS if scorer.coverage_penalty else None)
        positions.append(
            _backpointers(beams, choice, scorer, source_lengths_B, attention_BKS if keep_attention else None)
        )
        beams, state = _advance(beams, state, positions[-1], scores_BKV.shape[1], scorer)
    return positions


def _backpointers(
    beams: Beams, choice: Choice, scorer: HypothesisScore, source_lengths_B: Tensor | None, attention_BKS: Tensor | None
) -> Backpointers:
    """A choice, and the scores of the hypotheses that it finishes.

    The results of a step are read here and nowhere else, so that another device than the CPU is waited for only once.

    Raises:
        CheckpointError: log probabilities are NaN; these are always among the chosen, so that none stays unseen.
    """
    origin_BK, token_BK, log_probability_BK, total_BK = (each.cpu().numpy() for each in vars(choice).values())
    total_BK = beams.within_slots(total_BK)
    refuse_nan(bool(np.isnan(total_BK).any()))
    coverage_BK = None
    if beams.attention_BKS is not None:
        assert source_lengths_B is not None, "a coverage penalty needs the source lengths"
        coverage_BK = coverage(beams.attention_BKS, source_lengths_B[beams.device_sentences_B]).cpu().numpy()
    score_BK = scorer.score(total_BK, beams.length, coverage_BK)
    score_BK = np.where(beams.are_finished(token_BK, total_BK), score_BK, -math.inf)
    return Backpointers(beams.sentences_B, origin_BK, token_BK, log_probability_BK, total_BK, score_BK, attention_BKS)


def refuse_nan(has_nan: bool) -> None:
    """Check that a model's log probabilities are numbers.

    Raises:
        CheckpointError: some are NaN.
    """
    if has_nan:
        raise CheckpointError("the model gives no probabilities (NaN): its weights are damaged; train it anew")


def _advance(
    beams: Beams, state: S, position: Backpointers, num_before: int, scorer: HypothesisScore
) -> tuple[Beams, S]:
    """Take finished hypotheses out; the beams and the state of the sentences that are still open.

    Args:
        beams: just extended.
        state: of the beams before, of which each sentence had `num_before`.
        position: the choice.
        scorer: how hypotheses are ranked.
    """
    device = beams.total_BK.device
    total_BK = np.where(position.score_BK > -math.inf, -math.inf, position.total_BK)
    beams = beams.close(total_BK, position.score_BK)
    is_open_B = beams.can_win(total_BK, scorer)
    rows_BK = position.origin_BK + num_before * np.arange(len(total_BK))[:, None]
    if is_open_B.all():
        # With one beam, and in sampling, each beam extends itself, and the state is right as it is.
        is_moved = rows_BK.size != len(total_BK) * num_before or (rows_BK.ravel() != np.arange(rows_BK.size)).any()
        return beams, state.select(torch.from_numpy(rows_BK.ravel()).to(device), None) if is_moved else state
    open_O = is_open_B.nonzero()[0]
    rows_M = torch.from_numpy(rows_BK[open_O].ravel()).to(device)
    return beams.select(open_O), state.select(rows_M, torch.from_numpy(open_O).to(device))


@dataclass(frozen=True)
class BestExtensions:
    """The best extensions of all beams: the plain beam step, and for one beam the greedy step.

    A beam's K best tokens are enough to find the K best of all.
    """

    rules: Rules | None

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        count = min(beams.most_free, scores_BKV.shape[2])
        if self.rules is None:
            log_probability_BKC, token_BKC = likeliest_tokens(scores_BKV, count)
        else:
            log_probability_BKC, token_BKC = allowed_tokens(scores_BKV, beams, self.rules).topk(count, dim=2)
        total_BX = (beams.total_BK[:, :, None] + log_probability_BKC).flatten(1)
        if total_BX.shape[1] == 1:
            return Choice(torch.zeros_like(token_BKC[:, 0]), token_BKC[:, 0], log_probability_BKC[:, 0], total_BX)
        total_BK, chosen_BK = total_BX.topk(min(beams.most_free, total_BX.shape[1]), dim=1)
        token_BK, log_probability_BK = (
            each.flatten(1).gather(1, chosen_BK) for each in (token_BKC, log_probability_BKC)
        )
        return Choice(chosen_BK // count, token_BK, log_probability_BK, total_BK)


_BLOCK = 64


def likeliest_tokens(scores_NV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` likeliest tokens of each row, the likeliest first: their log probabilities and the tokens themselves.

    The best tokens lie in the blocks with the best maxima, and only these are sorted: a sixth of the time of a top-k
    over all. (A fused log-softmax takes half the time of a log-sum-exp, though it writes more.)
    """
    logs_NV = torch.log_softmax(scores_NV, dim=-1)
    num_blocks = logs_NV.shape[-1] // _BLOCK
    if num_blocks <= count:
        return logs_NV.topk(count, dim=-1)
    blocks_NPW = logs_NV[..., : num_blocks * _BLOCK].unflatten(-1, (num_blocks, _BLOCK))
    chosen_NC = blocks_NPW.amax(dim=-1).topk(count, dim=-1).indices
    inside_NCW = blocks_NPW.gather(-2, chosen_NC[..., None].expand(*chosen_NC.shape, _BLOCK))
    rest_NR = logs_NV[..., num_blocks * _BLOCK :]
    top_NC, index_NC = torch.cat([inside_NCW.flatten(-2), rest_NR], dim=-1).topk(count, dim=-1)
    token_NC = chosen_NC.gather(-1, (index_NC // _BLOCK).clamp_max(count - 1)) * _BLOCK + index_NC % _BLOCK
    is_rest_NC = index_NC >= count * _BLOCK
    return top_NC, torch.where(is_rest_NC, index_NC + (num_blocks - count) * _BLOCK, token_NC)


def _distinct(paths: list[Path]) -> list[Path]:
    """The paths without those that equal an earlier one."""
    first: dict[tuple[int, ...], Path] = {}
    for path in paths:
        first.setdefault(path.hypothesis.ids, path)
    return list(first.values())


def _complete(paths: list[Path], constraints: LexicalConstraints) -> list[Path]:
    """The paths that meet all constraints, or all paths if none does; those that end at `</s>` do."""
    return [
        path for path in paths if path.hypothesis.has_end or constraints.are_met(path.hypothesis.ids, path.sentence)
    ] or paths


def _hypotheses(found: list[list[Path]], positions: list[Backpointers]) -> list[list[Hypothesis]]:
    """The hypotheses of the paths, with their attention where the positions have kept it."""
    attention = iter(read_attention(positions, [path for paths in found for path in paths]))
    return [[replace(path.hypothesis, attention_TS=next(attention)) for path in paths] for paths in found]
