"""Attention between the words of sentences and of their translations."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from s2s.analysis.attention import WordAttention, attention_of_pairs, check_has_attention, piece_pairs
from s2s.config.search import SearchConfig, Strategy
from s2s.data.vocabulary.words import merge_weights
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder
from s2s.errors import CheckpointError, RunError

SOURCE, TARGET = "하나 둘 셋 넷", "four three two one"


@pytest.fixture(scope="module")
def trained(tiny_run: Path) -> BatchTranslator:
    return BatchTranslator.load(tiny_run, search=SearchConfig(strategy=Strategy.greedy, max_source_pieces=7))


def test_a_given_translation_is_read_and_a_missing_one_is_found(trained: BatchTranslator) -> None:
    given_pair, own_pair, blank_pair = piece_pairs(trained, [SOURCE, "하나 둘", " "], [TARGET, None, None])
    assert given_pair.target == trained.target.encode([TARGET])[0][:7]
    [translation] = trained.translations(["하나 둘"])
    assert own_pair == (trained.source.encode(["하나 둘"])[0], list(translation.hypotheses[0].ids))
    assert blank_pair == ([], [])


def test_long_sides_are_cut_with_one_warning_each(trained: BatchTranslator, caplog: pytest.LogCaptureFixture) -> None:
    [pair, own] = piece_pairs(trained, [SOURCE * 3] * 2, [TARGET * 3, None], first_line=5)
    assert (len(pair.source), len(pair.target), len(own.source)) == (7, 7, 7)
    assert sorted(message.split(":")[0] for message in caplog.messages) == ["line 5", "line 5", "line 6"]


def test_pieces_become_words_whose_rows_sum_to_one(trained: BatchTranslator) -> None:
    pairs = piece_pairs(trained, ["하나 둘", "", "셋"], ["two one", "one", "three"])
    whole, blank, other = attention_of_pairs(trained, pairs)
    assert blank is None
    assert isinstance(whole, WordAttention)
    assert isinstance(other, WordAttention)
    assert (whole.source, whole.target) == (["하나", "둘", "</s>"], ["two", "one", "</s>"])
    np.testing.assert_allclose(whole.weights_JI.sum(axis=1), 1, rtol=1e-5)
    assert other.weights_JI.shape == (2, 2)


def test_without_ends_and_in_pieces(trained: BatchTranslator) -> None:
    pairs = piece_pairs(trained, ["하나 둘"], ["two one"])
    [pieces] = attention_of_pairs(trained, pairs, has_ends=False, is_merged=False)
    [words] = attention_of_pairs(trained, pairs, has_ends=False)
    assert pieces is not None
    assert words is not None
    ((_, weights_TS),) = ForcedDecoder(trained).attention([pairs[0].source], [pairs[0].target])
    np.testing.assert_array_equal(pieces.weights_JI, weights_TS[:-1, :-1])
    assert pieces.source == trained.source.pieces(pairs[0].source)
    assert words.target == ["two", "one"]
    np.testing.assert_allclose(words.weights_JI, merge_weights(weights_TS[:-1, :-1], pieces.source, pieces.target))


def test_damaged_weights_are_an_error(tiny_run: Path) -> None:
    translator = BatchTranslator.load(tiny_run)
    with torch.no_grad():
        translator.model.decoder.embedding.weight.fill_(math.nan)
    with pytest.raises(CheckpointError, match="NaN"):
        attention_of_pairs(translator, piece_pairs(translator, [SOURCE], [TARGET]))


def test_a_model_without_attention_is_refused(blind_run: Path) -> None:
    with pytest.raises(RunError, match=r"run=here was trained with model\.attention=none: .* a run with attention"):
        check_has_attention(BatchTranslator.load(blind_run), "here")
