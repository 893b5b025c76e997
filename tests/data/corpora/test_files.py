import dataclasses
from pathlib import Path

import pytest

from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError
from small_corpora import PAIRS, cleaned, files, written


def test_dev_and_test_are_cut_from_train_where_they_are_left_out(tmp_path: Path) -> None:
    corpus = cleaned(files(tmp_path), seed=1)
    assert (len(corpus.train), len(corpus.dev), len(corpus.test)) == (48, 7, 5)
    assert sorted([*corpus.train, *corpus.dev, *corpus.test]) == sorted(PAIRS)
    assert corpus.notes[1] == "cut 7 pairs for dev and 5 pairs for test out of the 60 training pairs, by seed 1"
    assert corpus.notes[0].startswith("kept 60 of 60 pairs")
    assert cleaned(files(tmp_path), seed=1) == corpus
    assert cleaned(files(tmp_path), seed=2).dev != corpus.dev


def test_dev_and_test_are_taken_where_they_are_given(tmp_path: Path) -> None:
    dev, test = written(tmp_path, "dev", PAIRS[:3]), written(tmp_path, "test", PAIRS[3:5], is_gzip=True)
    corpus = cleaned(files(tmp_path, PAIRS[5:], dev=dev, test=test), seed=1)
    assert (corpus.train, corpus.dev, corpus.test) == (PAIRS[5:], PAIRS[:3], PAIRS[3:5])
    assert len(corpus.notes) == 1


@pytest.mark.parametrize("given", ["dev", "test"])
def test_only_what_is_left_out_is_cut(tmp_path: Path, given: str) -> None:
    config = files(tmp_path, PAIRS[3:], **{given: written(tmp_path, given, PAIRS[:3])})
    corpus = cleaned(config, seed=1)
    num_cut = 57 - len(corpus.train)
    assert num_cut == {"dev": 5, "test": 7}[given]
    assert (len(corpus.dev), len(corpus.test)) == {"dev": (3, 5), "test": (7, 3)}[given]
    other = {"dev": "test", "test": "dev"}[given]
    assert corpus.notes[1] == f"cut {num_cut} pairs for {other} out of the 57 training pairs, by seed 1"


def test_train_is_cleaned_and_dev_and_test_are_not(tmp_path: Path) -> None:
    bad = [
        Pair("", "nothing"),
        Pair("하나", ""),
        Pair("가 " * 101, "long " * 101),
        PAIRS[0],
        Pair("  공백   둘 ", "two  spaces"),
    ]
    dev, test = written(tmp_path, "dev", bad), written(tmp_path, "test", bad[:2])
    corpus = cleaned(files(tmp_path, [*PAIRS, *bad], dev=dev, test=test), seed=1)
    assert corpus.train == [*PAIRS, Pair("공백 둘", "two spaces")]
    assert (corpus.dev, corpus.test) == (bad, bad[:2])
    assert corpus.notes == ["kept 61 of 65 pairs (dropped: 2 empty, 1 too long, 0 length ratio, 1 duplicates)"]
    as_is = cleaned(files(tmp_path, [*PAIRS, *bad], dev=dev, test=test, clean=False), seed=1)
    assert (as_is.train, as_is.notes) == ([*PAIRS, *bad], [])


def test_the_options_of_cleaning_are_heeded(tmp_path: Path) -> None:
    dev = written(tmp_path, "dev", PAIRS[:1])
    base = files(
        tmp_path, [Pair("하나 둘 셋", "one two three"), Pair("네" * 20, "f" * 20), PAIRS[0]], dev=dev, test=dev
    )

    def kept(**options: object) -> int:
        return len(cleaned(dataclasses.replace(base, **options), seed=1).train)  # type: ignore[arg-type]

    assert kept() == 3
    assert kept(max_words=3) == 2  # not the third
    assert kept(max_characters=19) == 1  # only the first
    assert kept(max_length_ratio=2.9) == 2  # the second has three bytes a letter against one


def test_nothing_left_after_cleaning_is_an_error(tmp_path: Path) -> None:
    dev = written(tmp_path, "dev", PAIRS[:1])
    config = files(tmp_path, [Pair("", "a"), Pair("b", "")], dev=dev, test=dev)
    with pytest.raises(DataError, match=r"no training pair is left after cleaning: kept 0 of 2 pairs .*2 empty"):
        cleaned(config, seed=1)


def test_too_few_pairs_to_cut_from_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected more than 40 dev \+ 20 test pairs to cut from, found 60"):
        cleaned(files(tmp_path, dev_pairs=40, test_pairs=20), seed=1)


def test_files_that_are_missing_or_of_unequal_length_are_errors(tmp_path: Path) -> None:
    config = files(tmp_path)
    with pytest.raises(DataError, match=r"there is no file .*absent"):
        cleaned(dataclasses.replace(config, train=[config.train[0], str(tmp_path / "absent")]), seed=1)
    other = written(tmp_path, "short", PAIRS[:9])
    with pytest.raises(DataError, match="found 60 and 9"):
        cleaned(dataclasses.replace(config, train=[config.train[0], other[1]]), seed=1)
