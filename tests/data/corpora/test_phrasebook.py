import dataclasses
import itertools
from pathlib import Path

import pytest

import tasks
from s2s import workers
from s2s.config.data import DataConfig
from s2s.data.phrasebook import generate
from s2s.data.text.clean_text import write_clean_text
from s2s.data.text.cleaning import CleaningRules
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError
from small_corpora import Text, cleaned

FEW = DataConfig(train_pairs=30, dev_pairs=7, test_pairs=5)


@pytest.fixture(scope="module")
def phrases() -> Text:
    return cleaned(FEW, seed=1)


def is_hangul(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


def test_the_phrasebook_has_the_pairs_asked_for(phrases: Text) -> None:
    assert (len(phrases.train), len(phrases.dev), len(phrases.test)) == (30, 7, 5)
    for pairs in (phrases.train, phrases.dev, phrases.test):
        assert all(is_hangul(pair.source) and not is_hangul(pair.target) for pair in pairs)


def test_no_source_of_dev_or_test_stands_in_train(phrases: Text) -> None:
    sources = [{pair.source for pair in pairs} for pairs in (phrases.train, phrases.dev, phrases.test)]
    assert all(first.isdisjoint(second) for first, second in itertools.combinations(sources, 2))


def test_the_phrasebook_the_other_way_round(phrases: Text) -> None:
    other = cleaned(dataclasses.replace(FEW, source_language="en", target_language="ko"), seed=1)
    assert other.dev == [Pair(pair.target, pair.source) for pair in phrases.dev]
    assert other.test == [Pair(pair.target, pair.source) for pair in phrases.test]


def test_the_phrasebook_is_a_function_of_its_seed(phrases: Text) -> None:
    again, other = cleaned(FEW, seed=1), cleaned(FEW, seed=2)
    assert again == phrases
    assert other.train != phrases.train


@pytest.mark.parametrize("languages", [("ko", "ko"), ("en", "de"), ("de", "ko")])
def test_the_phrasebook_has_two_languages(languages: tuple[str, str]) -> None:
    config = dataclasses.replace(FEW, source_language=languages[0], target_language=languages[1])
    with pytest.raises(
        DataError, match=rf"data=phrasebook is Korean and English \(ko, en\), not {'-'.join(languages)}"
    ):
        cleaned(config, seed=1)


def test_a_large_phrasebook_comes_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "num_cores", lambda: 1)
    small = cleaned(dataclasses.replace(FEW, train_pairs=20), seed=1)
    monkeypatch.setattr(generate, "FIRST_CHUNK", 20)
    monkeypatch.setattr(generate, "NEXT_CHUNK", 400)
    config = dataclasses.replace(FEW, train_pairs=1500, cache=str(tmp_path))
    large = cleaned(config, seed=1)
    assert len({pair.source for pair in large.train}) == len(large.train) == 1500
    assert large.train[:20] == small.train
    assert (large.dev, large.test) == (small.dev, small.test)
    assert large.notes == ["kept 1,500 of 1,500 pairs (dropped: 0 empty, 0 too long, 0 length ratio, 0 duplicates)"]
    short = cleaned(dataclasses.replace(config, max_words=6), seed=1)
    assert short.train == [pair for pair in large.train if max(len(side.split()) for side in pair) <= 6]
    assert f"of 1,500 pairs (dropped: 0 empty, {1500 - len(short.train):,} too long" in short.notes[0]


@pytest.mark.slow
def test_a_large_phrasebook_is_the_same_from_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it keep what they had begun when there were enough pairs."""
    found = []
    for num_cores in (1, 2):
        monkeypatch.setattr(workers, "num_cores", lambda num=num_cores: num)
        folder = tmp_path / str(num_cores)
        assert write_clean_text(folder, tasks.FewPhrases({}), CleaningRules(), {}, 1)["num_train"] == 100
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert found[0] == found[1]
    assert found[0].keys() == {"train.00000", "train.00001", "train.00002"}
