"""Greedy, beam and sampling search over a step function; there are no weights and no text in here.

B sentences (those not yet done), K beams of a sentence, S source positions, V words, C candidates of a beam. A step
function takes the last word of every beam and a state, and gives scores of the next word (any real numbers whose
softmax is their probability) and the next state. A table of log probabilities is such a model too, so search is checked
on paper.

All kinds of search are one loop, `_run`. They differ in how a step goes on: in the function that chooses words.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.backpointers import Path, Position, read_attention, read_paths
from s2s.decoding.search.beams import Beams, Choice, Places, allowed_words
from s2s.decoding.search.diverse_beam_search import DiverseExtensions
from s2s.decoding.search.hypothesis_score import HypothesisScore, coverage
from s2s.decoding.search.lexical_constraints import AllocatedExtensions, LexicalConstraints
from s2s.decoding.search.rules import Rules
from s2s.decoding.search.sampling import SampledExtensions, Sampling, random_keys
from s2s.errors import CheckpointError


class SearchState(Protocol):
    """What a step needs besides the last words. Row b * K + k belongs to beam k of sentence b.

    Attributes:
        attention_BKS: where each beam looked in the step that made this state; None where nothing is known of that.
    """

    @property
    def attention_BKS(self) -> Tensor | None: ...  # noqa: N802

    def select(self: "S", rows_M: Tensor, sentences_B: Tensor | None) -> "S":
        """The state of some rows, in that order; they belong to these sentences (None: to all, as before)."""


S = TypeVar("S", bound=SearchState)
Step = Callable[[Tensor, S], tuple[Tensor, S]]
"""From the last words (B, K) and a state to scores (B, K, V) and the next state."""
Choose = Callable[[Tensor, Beams], Choice]
"""From scores (B, K, V) and the beams to how they go on."""


@dataclass(frozen=True)
class Hypothesis:
    """A translation that has ended.

    Attributes:
        ids: its words, without `</s>`.
        log_probability: of these words, and of `</s>` unless the longest length cut it off, in nats.
        score: what hypotheses are ranked by, see `HypothesisScore`.
        token_log_probabilities: of each word, then of `</s>` unless it was cut off, in nats.
        attention_TS: where each of these positions looked (float32, on the CPU); None unless it was asked for.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    token_log_probabilities: tuple[float, ...]
    attention_TS: Tensor | None = field(default=None, compare=False)


def beam_search(
    step: Step[S],
    state: S,
    max_lengths_B: Tensor,
    *,
    beam_size: int,
    num_best: int = 1,
    ranking: HypothesisScore | None = None,
    rules: Rules | None = None,
    must: LexicalConstraints | None = None,
    groups: int = 1,
    diversity_strength: float = 0.5,
    source_lengths_B: Tensor | None = None,
    keep_attention: bool = False,
) -> list[list[Hypothesis]]:
    """Keep the `beam_size` likeliest hypotheses of each sentence at every step; a beam of 1 is greedy search.

    A hypothesis that ends (at `</s>`, or at the longest length) takes one of the sentence's places for good. A sentence
    is done when all places are taken, or when no open hypothesis can still be among the `num_best`; it then leaves the
    batch.

    Args:
        step: gives the scores of the next word.
        state: before the first word, one row a sentence.
        max_lengths_B: longest translation of each sentence in words, `</s>` included; at least 1.
        beam_size: places of a sentence.
        num_best: how many of the best to return, at most `beam_size`.
        ranking: what hypotheses are ranked by; left out: the mean log probability of their words.
        rules: what may be said next; left out: everything.
        must: what every hypothesis has to say; not with `groups`.
        groups: of `beam_size / groups` places each, which are kept from saying the same, see `DiverseExtensions`.
        diversity_strength: in nats, see `DiverseExtensions`.
        source_lengths_B: source positions; only for a coverage penalty.
        keep_attention: give each hypothesis its attention, where the state has any.

    Returns:
        For each sentence up to `num_best` different hypotheses, the best first; none where the rules leave nothing to
        say. With `must`, hypotheses that lack something are returned only for a sentence all of whose hypotheses do:
        the longest length cut them off, or the rules forbade the rest.

    Raises:
        CheckpointError: the step gives NaN.
    """
    assert beam_size % groups == 0, f"{groups} equal groups of {beam_size} beams"
    assert must is None or groups == 1, "either divides the beam"
    choose: Choose
    if must is not None:
        rules = Rules([*rules.rules, must], rules.prefix_BP) if rules else Rules([must])
        choose = AllocatedExtensions(must, rules)
    elif groups > 1:
        choose = DiverseExtensions(groups, diversity_strength, rules)
    else:
        choose = BestExtensions(rules)
    # Groups may find the same, so how many others there are is known only when all places are taken.
    most = num_best if groups == 1 else beam_size
    places = Places.start(max_lengths_B.tolist(), groups, beam_size // groups, most)
    beams = Beams.start(places, max_lengths_B.device, has_words=rules is not None)
    positions = _run(step, state, beams, choose, ranking or HypothesisScore(), source_lengths_B, keep_attention)
    found = read_paths(positions, len(max_lengths_B))
    if must is not None:
        found = [_complete(paths, must) for paths in found]
    elif groups > 1:
        found = [_different(paths) for paths in found]
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
    ranking: HypothesisScore | None = None,
    rules: Rules | None = None,
    source_lengths_B: Tensor | None = None,
    keep_attention: bool = False,
) -> list[list[Hypothesis]]:
    """Draw every word at random, by its probability. For the other arguments see `beam_search`.

    Args:
        sampling: which words are drawn from.
        seed: any number from 0.
        lines: a number of each sentence, from 0; seed, number and sample decide what is drawn, the batch does not.
        num_samples: of each sentence; the same may be drawn several times.

    Returns:
        The samples of each sentence, the best first; fewer where the rules leave nothing to say.

    Raises:
        CheckpointError: the step gives NaN.
    """
    max_lengths = max_lengths_B.tolist()
    key_BKT = random_keys(seed, lines, num_samples, max(max_lengths, default=0)).to(max_lengths_B.device)
    choose = SampledExtensions(sampling, key_BKT, rules)
    places = Places.start(max_lengths, num_samples, 1, num_samples)
    beams = Beams.start(places, max_lengths_B.device, has_words=rules is not None)
    positions = _run(step, state, beams, choose, ranking or HypothesisScore(), source_lengths_B, keep_attention)
    return _hypotheses(read_paths(positions, len(max_lengths_B)), positions)


def _run(
    step: Step[S],
    state: S,
    beams: Beams,
    choose: Choose,
    ranking: HypothesisScore,
    source_lengths_B: Tensor | None,
    keep_attention: bool,
) -> list[Position]:
    """Search until no sentence is open: the loop of all kinds of search."""
    num_sentences, num_beams = beams.total_BK.shape
    if num_beams > 1:
        rows_M = torch.arange(num_sentences, device=beams.total_BK.device).repeat_interleave(num_beams)
        state = state.select(rows_M, None)
    positions = []
    while len(beams.sentence_B):
        scores_BKV, state = step(beams.word_BK, state)
        attention_BKS = state.attention_BKS
        choice = choose(scores_BKV.float(), beams)
        beams = beams.extend(choice, attention_BKS if ranking.coverage_penalty else None)
        coverage_BK = _coverage(beams, source_lengths_B)
        positions.append(_position(beams, choice, ranking, coverage_BK, attention_BKS if keep_attention else None))
        beams, state = _go_on(beams, state, positions[-1], scores_BKV.shape[1], ranking)
    return positions


def _coverage(beams: Beams, source_lengths_B: Tensor | None) -> Tensor | None:
    if beams.looked_BKS is None:
        return None
    assert source_lengths_B is not None, "a coverage penalty needs the source lengths"
    positions_S = torch.arange(beams.looked_BKS.shape[2], device=source_lengths_B.device)
    return coverage(beams.looked_BKS, positions_S < source_lengths_B[beams.sentence_B, None])


def _position(
    beams: Beams, choice: Choice, ranking: HypothesisScore, coverage_BK: Tensor | None, attention_BKS: Tensor | None
) -> Position:
    """What was chosen, as the trellis keeps it.

    The one look at the results of a step: a device other than the CPU is waited for here and nowhere else.

    Raises:
        CheckpointError: log probabilities are NaN; these win whatever is chosen among, so that none stays unseen.
    """
    origin_BK, word_BK, log_probability_BK, total_BK = (each.cpu().numpy() for each in vars(choice).values())
    places = beams.places
    total_BK = places.seat(total_BK)
    check_numbers(bool(np.isnan(total_BK).any()))
    score_BK = ranking.score(total_BK, beams.length, None if coverage_BK is None else coverage_BK.cpu().numpy())
    score_BK = np.where(places.are_ended(word_BK, total_BK, beams.length), score_BK, -math.inf)
    return Position(places.sentences_B, origin_BK, word_BK, log_probability_BK, total_BK, score_BK, attention_BKS)


def check_numbers(has_nan: bool) -> None:
    """See that what a model gives for log probabilities are any.

    Raises:
        CheckpointError: some are NaN.
    """
    if has_nan:
        raise CheckpointError("the model gives no probabilities (NaN): its weights are damaged; train it anew")


def _go_on(beams: Beams, state: S, position: Position, num_before: int, ranking: HypothesisScore) -> tuple[Beams, S]:
    """Take ended hypotheses out of their places; the beams and the state of the sentences that are still open.

    Args:
        beams: just extended.
        state: of the beams before, of which each sentence had `num_before`.
        position: what was chosen.
        ranking: what hypotheses are ranked by.
    """
    device = beams.total_BK.device
    total_BK = np.where(position.score_BK > -math.inf, -math.inf, position.total_BK)
    places = beams.places.close(position.score_BK)
    is_open_B = places.can_win(total_BK, ranking)
    beams = dataclasses.replace(beams, places=places, total_BK=torch.from_numpy(total_BK).to(device))
    rows_BK = position.origin_BK + num_before * np.arange(len(total_BK))[:, None]
    if is_open_B.all():
        # With one beam, and in sampling, each goes on from itself, and the state is right as it is.
        is_moved = rows_BK.size != len(total_BK) * num_before or (rows_BK.ravel() != np.arange(rows_BK.size)).any()
        return beams, state.select(torch.from_numpy(rows_BK.ravel()).to(device), None) if is_moved else state
    open_C = is_open_B.nonzero()[0]
    rows_M = torch.from_numpy(rows_BK[open_C].ravel()).to(device)
    return beams.rows(open_C), state.select(rows_M, torch.from_numpy(open_C).to(device))


@dataclass(frozen=True)
class BestExtensions:
    """The best extensions of all beams: the plain beam step, and for one beam the greedy step.

    A beam's K best words are enough to find the K best of all.
    """

    rules: Rules | None

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        count = min(beams.places.most_free, scores_BKV.shape[2])
        if self.rules is None:
            log_probability_BKC, word_BKC = likeliest_words(scores_BKV, count)
        else:
            log_probability_BKC, word_BKC = allowed_words(scores_BKV, beams, self.rules).topk(count, dim=2)
        total_BX = (beams.total_BK[:, :, None] + log_probability_BKC).flatten(1)
        if total_BX.shape[1] == 1:
            return Choice(torch.zeros_like(word_BKC[:, 0]), word_BKC[:, 0], log_probability_BKC[:, 0], total_BX)
        total_BK, chosen_BK = total_BX.topk(min(beams.places.most_free, total_BX.shape[1]), dim=1)
        word_BK, log_probability_BK = (each.flatten(1).gather(1, chosen_BK) for each in (word_BKC, log_probability_BKC))
        return Choice(chosen_BK // count, word_BK, log_probability_BK, total_BK)


_BLOCK = 64


def likeliest_words(scores_NV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` likeliest words of each row, the likeliest first: their log probabilities and the words themselves.

    The best words lie in the blocks with the best maxima, and only these are sorted: a sixth of the time of a top-k
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
    top_NC, place_NC = torch.cat([inside_NCW.flatten(-2), rest_NR], dim=-1).topk(count, dim=-1)
    words_NC = chosen_NC.gather(-1, (place_NC // _BLOCK).clamp_max(count - 1)) * _BLOCK + place_NC % _BLOCK
    is_rest_NC = place_NC >= count * _BLOCK
    return top_NC, torch.where(is_rest_NC, place_NC + (num_blocks - count) * _BLOCK, words_NC)


def _different(paths: list[Path]) -> list[Path]:
    """The paths without those that say what an earlier one says."""
    first = {path.words: path for path in reversed(paths)}
    return [path for path in paths if first[path.words] is path]


def _complete(paths: list[Path], must: LexicalConstraints) -> list[Path]:
    """The paths that say all that they must, or all of them if none does; what ended at `</s>` does."""
    complete = [path for path in paths if path.words[-1] == EOS or must.is_met(path.words, path.sentence)]
    return complete or paths


def _hypotheses(found: list[list[Path]], positions: list[Position]) -> list[list[Hypothesis]]:
    """Paths as hypotheses, with their attention where the positions have kept it."""
    paths = [path for each in found for path in each]
    looks = iter(read_attention(positions, paths))
    return [[_hypothesis(path, next(looks)) for path in each] for each in found]


def _hypothesis(path: Path, attention_TS: Tensor | None) -> Hypothesis:
    ids = path.words[:-1] if path.words[-1] == EOS else path.words
    return Hypothesis(ids, path.total, path.score, path.log_probabilities, attention_TS)
