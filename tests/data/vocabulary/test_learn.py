import time

import pytest

from s2s.config.data import SubwordKind, SubwordsConfig
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary import learn
from s2s.data.vocabulary.subwords import Subwords
from s2s.errors import DataError
from small_corpora import PAIRS
from terminals import Terminal


def learnt(config: SubwordsConfig, pairs: list[Pair]) -> tuple[Subwords, Subwords, list[str]]:
    """From chunks of seven."""
    sources, targets = zip(*pairs, strict=True)
    chunks = [(sources[start : start + 7], targets[start : start + 7]) for start in range(0, len(pairs), 7)]
    return learn.learn_subwords(config, chunks, len(pairs))


def test_shared_subwords_are_one_object_that_knows_both_languages() -> None:
    source, target, notes = learnt(SubwordsConfig(vocabulary_size=80, character_coverage=1.0), PAIRS)
    assert source is target
    assert len(notes) <= 1
    for text in PAIRS[0]:
        assert source.decode(source.encode([text])[0]) == text


def test_separate_subwords_know_one_language_each() -> None:
    config = SubwordsConfig(shared=False, vocabulary_size=50, character_coverage=1.0)
    source, target, _ = learnt(config, PAIRS)
    assert source.model != target.model
    for text, knows, not_knows in ((PAIRS[0].source, source, target), (PAIRS[0].target, target, source)):
        assert knows.decode(knows.encode([text])[0]) == text
        assert not_knows.decode(not_knows.encode([text])[0]) != text


@pytest.mark.parametrize("kind", SubwordKind)
def test_both_sides_tell_of_a_smaller_vocabulary(kind: SubwordKind) -> None:
    source, target, notes = learnt(SubwordsConfig(kind=kind, shared=False, vocabulary_size=3000), PAIRS)
    assert notes == [
        f"subwords.vocabulary_size lowered from 3000 to {len(side)}: the text has no more pieces"
        for side in (source, target)
    ]


def test_too_little_text_is_an_error() -> None:
    with pytest.raises(DataError, match="sentencepiece cannot learn pieces"):
        learnt(SubwordsConfig(), [Pair("", "")])


def test_a_terminal_shows_the_time_that_learning_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """sentencepiece does all in one call, so that a thread has to show it."""
    monkeypatch.setattr(learn, "_TICK_S", 0.01)
    with learn._clock("learning subwords"):
        pass
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with learn._clock("learning subwords"):
        until_s = time.monotonic() + 10
        while terminal.getvalue().count("learning subwords: 00:00") < 3 and time.monotonic() < until_s:
            time.sleep(0.01)
    assert terminal.getvalue().count("learning subwords: 00:0") >= 3
