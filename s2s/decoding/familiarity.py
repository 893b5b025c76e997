"""Sources that are unlike the text that a run was trained on, so that their translations are of little use.

V pieces of the source vocabulary.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from s2s.data.token_store import TokenStore
from s2s.data.vocabulary.subwords import UNK, Subwords
from s2s.data.vocabulary.words import Words
from s2s.decoding.postprocessing import NBestList
from s2s.errors import CheckpointError, RunError
from s2s.files import read_json, write_text
from s2s.runs.checkpoint import best_path, checkpoint_state
from s2s.runs.folder import RunFolder

CONFIDENCE = "dev_confidence"
"""What a model's confidence in its translations of the dev set is called in the state beside its best weights."""
_UNSEEN_SHARE = 0.5
"""Of the words of a text, from which on it is called unlike that of training."""
_LOW_SHARE = 0.005
"""Of the dev set, whose translations are no surer than one that is called unsure. Of everyday sentences a model of
image captions is so unsure of more than half; standard deviations below the mean tell them less well apart."""
_LOW_FACTOR = 1.5  # of the mean: a model that has learnt nothing is as unsure of everything
_SHOWN_WORDS = 5
_MAX_BYTES = 10_000_000  # of the list of unseen pieces: no vocabulary has more than a million


@dataclass(frozen=True)
class Confidence:
    """How sure a model is of its translations of the dev set, by the mean log probability of the pieces of each.

    Attributes:
        mean: over the dev set, in nats.
        low: of one in 200 it is lower than this; at least half as low again as the mean.
    """

    mean: float
    low: float

    @classmethod
    def of(cls, translations: Iterable[NBestList]) -> Self:
        """Of the best translations of a dev set, at least one."""
        means = [_mean_log_probability(each) for each in translations]
        mean = float(np.mean(means))
        return cls(mean, min(float(np.quantile(means, _LOW_SHARE)), _LOW_FACTOR * mean))


@dataclass(frozen=True)
class Familiarity:
    """What is known of the text that a run was trained on; nothing of a run by an earlier version.

    Attributes:
        subwords: of the source.
        is_unseen_V: source pieces that never occurred in training; `<unk>` is one.
        confidence: of the model in its translations of the dev set; None where those of a text do not compare with it,
            such as samples.
    """

    subwords: Subwords
    is_unseen_V: npt.NDArray[np.bool_] | None = None
    confidence: Confidence | None = None

    @classmethod
    def load(cls, run: RunFolder, subwords: Subwords) -> Self:
        """What a run folder holds of it; `subwords` are those of its source.

        Raises:
            RunError: a file is damaged.
        """
        return cls(subwords, load_unseen(run, len(subwords)), _load_confidence(best_path(run)))

    def doubt(self, source: str, translation: NBestList) -> str | None:
        """Why a translation is probably of little use; None where nothing speaks against it."""
        doubt = self.unseen_words(source)
        mean = _mean_log_probability(translation)
        if doubt is not None or self.confidence is None or mean >= self.confidence.low:
            return doubt
        return (
            f"the model is unsure here (mean log probability of a piece {mean:.2f}; {self.confidence.mean:.2f} on its "
            "dev set): the text may be unlike that of training"
        )

    def unseen_words(self, source: str) -> str | None:
        """Names the words that never occurred in training, if they are more than half of a text."""
        if self.is_unseen_V is None:
            return None
        words, split = source.split(), Words.of_line(source, self.subwords)
        num_unseen = np.cumsum([0, *self.is_unseen_V[split.ids]])  # pieces, up to each
        ends = np.cumsum([0, *split.sizes])
        unseen = [word for word, num in zip(words, np.diff(num_unseen[ends]), strict=True) if num]
        if len(unseen) <= _UNSEEN_SHARE * len(words):
            return None
        shown = ", ".join(unseen[:_SHOWN_WORDS]) + (", ..." if len(unseen) > _SHOWN_WORDS else "")
        verb = "was" if len(unseen) == 1 else "were"
        return f"{len(unseen)} of {len(words)} words {verb} never seen in training: {shown}"


def _mean_log_probability(translation: NBestList) -> float:
    """Of the pieces of the best translation, in nats; 0 for an empty text."""
    values = translation.hypotheses[0].token_log_probabilities
    return sum(values) / max(1, len(values))


def _load_confidence(weights: Path) -> Confidence | None:
    """What is saved beside weights; None beside those of an earlier version.

    Raises:
        CheckpointError: it is damaged.
    """
    found = checkpoint_state(weights).get(CONFIDENCE)
    if found is None:
        return None
    try:
        confidence = Confidence(**found)
        if type(confidence.mean) is not float or type(confidence.low) is not float:
            raise TypeError("they are of another type")
    except TypeError as error:
        raise CheckpointError(
            f"{weights}: expected two numbers as {CONFIDENCE} ({error}): copy it again from where the run was made"
        ) from error
    return confidence


def unseen_pieces(store: TokenStore, vocabulary_size: int) -> npt.NDArray[np.bool_]:
    """Which source pieces do not occur in the training text (V)."""
    is_seen_V = store.occurs(vocabulary_size)
    is_seen_V[UNK] = False  # it stands for other characters each time
    return ~is_seen_V


def save_unseen(run: RunFolder, is_unseen_V: npt.NDArray[np.bool_]) -> None:
    """Write the ids of these pieces."""
    write_text(run.unseen_pieces, json.dumps(np.flatnonzero(is_unseen_V).tolist()) + "\n")


def load_unseen(run: RunFolder, vocabulary_size: int) -> npt.NDArray[np.bool_] | None:
    """What `save_unseen` wrote, if it is there.

    Raises:
        RunError: it is damaged.
    """
    if not run.unseen_pieces.is_file():
        return None
    [path] = run.checked(run.unseen_pieces)
    try:
        ids = read_json(path, _MAX_BYTES)
        if type(ids) is not list or not all(_is_id(value, vocabulary_size) for value in ids):
            raise ValueError("it holds other values")
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: expected a list of ids below {vocabulary_size} ({error}); without this file no warning tells of "
            "words that were never seen in training"
        ) from error
    is_unseen_V = np.zeros(vocabulary_size, dtype=np.bool_)
    is_unseen_V[np.array(ids, dtype=np.int64)] = True
    return is_unseen_V


def _is_id(value: Any, vocabulary_size: int) -> bool:
    return type(value) is int and 0 <= value < vocabulary_size
