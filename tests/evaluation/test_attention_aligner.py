"""Word alignments from attention: on paper, with weights that are given, and with a model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.text.parallel_text import Pair
from s2s.data.word_alignment import Link
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder
from s2s.errors import RunError
from s2s.evaluation.attention_aligner import AttentionAligner
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options


@pytest.fixture(scope="module")
def decoder(tiny_run: Path) -> ForcedDecoder:
    return ForcedDecoder(BatchTranslator.load(tiny_run))


def looking(monkeypatch: pytest.MonkeyPatch, decoder: ForcedDecoder, weights: list[dict[int, float]]) -> None:
    """Let every piece of target word j look at pieces of source words with these weights; the rest goes to `</s>`."""

    def attention(sources: list[list[int]], targets: list[list[int]]) -> Iterator[tuple[int, Any]]:
        for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
            weights_TS = np.zeros((len(target) + 1, len(source) + 1), dtype=np.float32)
            for position, word in enumerate(words_of(decoder.target.pieces(target))):
                for column, source_word in enumerate(words_of(decoder.source.pieces(source))):
                    share = weights[word].get(source_word, 0.0)
                    weights_TS[position, column] = share / words_of(decoder.source.pieces(source)).count(source_word)
            weights_TS[:, -1] = 1 - weights_TS.sum(axis=1)
            yield row, weights_TS

    monkeypatch.setattr(decoder, "attention", attention)


def words_of(pieces: list[str]) -> list[int]:
    """The word of each piece, where each word begins with a mark."""
    return (np.cumsum([piece.startswith("▁") for piece in pieces]) - 1).tolist()


def test_links_on_paper(decoder: ForcedDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    looking(monkeypatch, decoder, [{2: 0.6, 0: 0.3}, {0: 0.7}, {}])
    pairs = [Pair("하나 다섯 여섯", "four five six")]
    assert AttentionAligner(decoder).links(pairs) == [[(0, 1), (2, 0)]]
    assert AttentionAligner(decoder, threshold=0.25).links(pairs) == [[(0, 0), (0, 1), (2, 0)]]
    assert AttentionAligner(decoder, threshold=0.65).links(pairs) == [[(0, 1)]]


def test_words_are_those_between_white_space(decoder: ForcedDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """U+00A0 and several spaces separate words; U+200B stands for nothing, and yet it is a word."""
    looking(monkeypatch, decoder, [{1: 1.0}, {0: 1.0}])
    pairs = [Pair(" 하나 \u200b\u3000둘\u00a0", "\u200b one  two ")]
    sizes = [len(ids) for text in pairs[0] for ids in (decoder.source.encode(text.split()))]
    assert [size > 0 for size in sizes] == [True, False, True, False, True, True]
    assert AttentionAligner(decoder).links(pairs) == [[(0, 2), (2, 1)]]


def test_what_is_cut_off_has_no_links(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    translator = BatchTranslator.load(tiny_run)
    num_pieces = len(translator.source.encode(["하나 둘"])[0])
    assert len(translator.target.encode(["one"])[0]) < num_pieces < len(translator.target.encode(["one two one"])[0])
    decoder = ForcedDecoder(translator, max_pieces=num_pieces)
    looking(monkeypatch, decoder, [{0: 1.0}, {1: 1.0}, {1: 1.0}])
    (links,) = AttentionAligner(decoder).links([Pair("하나 둘 셋", "one two one one one")], first_line=4)
    assert (0, 0) in links
    assert max(source for source, _ in links) <= 1
    assert max(target for _, target in links) < 4
    assert [record.getMessage()[:7] for record in caplog.records] == ["line 4:", "line 4:"]


def test_blank_sides_have_no_links(decoder: ForcedDecoder) -> None:
    pairs = [Pair("", "one"), Pair("하나", "  "), Pair("", ""), Pair("\u200b", "one"), Pair("하나", "one")]
    assert AttentionAligner(decoder).links(pairs) == [[], [], [], [], [(0, 0)]]
    assert AttentionAligner(decoder).links([]) == []


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.text("하나 둘\u200b", max_size=9), st.text("one \u2603", max_size=9)), max_size=5))
def test_links_do_not_depend_on_the_batch_and_stay_inside(
    decoder: ForcedDecoder, tiny_run: Path, texts: list[tuple[str, str]]
) -> None:
    pairs = [Pair(*sides) for sides in texts]
    aligner = AttentionAligner(decoder)
    links: list[list[Link]] = aligner.links(pairs)
    assert links == [aligner.links([pair])[0] for pair in pairs]
    for pair, found in zip(pairs, links, strict=True):
        assert all(source < len(pair.source.split()) for source, _ in found)
        targets = [target for _, target in found]
        assert sorted(set(targets)) == sorted(targets)
        assert all(target < len(pair.target.split()) for target in targets)


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=2", "model.attention=none"]
    train(compose("train", *options, f"run={tmp_path / 'run'}"))
    with pytest.raises(RunError, match=r"model\.attention=none.*looks at no source word"):
        AttentionAligner(ForcedDecoder(BatchTranslator.load(tmp_path / "run")))
