import dataclasses
import gzip
import itertools
from pathlib import Path

import pytest

from s2s.config import Corpus, DataConfig, SubwordKind, SubwordsConfig
from s2s.data.corpora import Pair
from s2s.data.prepare import ParallelCorpus, build_corpus, build_subwords, encode_pairs
from s2s.data.subwords import Subwords
from s2s.errors import DataError

PAIRS = [
    Pair(f"{who} {when} {what} 봤어요.", f"{subject} saw {thing} {time}.")
    for (who, subject), (when, time), (what, thing) in itertools.product(
        (("저는", "I"), ("민수는", "Minsu"), ("동생은", "my brother"), ("의사는", "the doctor")),
        (("어제", "yesterday"), ("오늘", "today"), ("방금", "just now")),
        (("책을", "a book"), ("새를", "a bird"), ("영화를", "a film"), ("그림을", "a picture"), ("달을", "the moon")),
    )
]
"""60 pairs, all sources different."""


def written(folder: Path, name: str, pairs: list[Pair], *, is_gzip: bool = False) -> list[str]:
    """Two files of a corpus; their names."""
    folder.mkdir(exist_ok=True)
    names = []
    for side, language in enumerate(("ko", "en")):
        content = "".join(f"{pair[side]}\n" for pair in pairs).encode()
        path = folder / (f"{name}.{language}.gz" if is_gzip else f"{name}.{language}")
        path.write_bytes(gzip.compress(content) if is_gzip else content)
        names.append(str(path))
    return names


def files(tmp_path: Path, pairs: list[Pair] = PAIRS, **options: object) -> DataConfig:
    train = written(tmp_path, "train", pairs)
    return DataConfig(corpus=Corpus.files, train=train, **{"dev_pairs": 7, "test_pairs": 5, **options})  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------------------
# Phrasebook

FEW = DataConfig(train_pairs=30, dev_pairs=7, test_pairs=5)


@pytest.fixture(scope="module")
def phrases() -> ParallelCorpus:
    return build_corpus(FEW, seed=1)


def is_hangul(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


def test_the_phrasebook_has_the_pairs_asked_for(phrases: ParallelCorpus) -> None:
    assert (len(phrases.train), len(phrases.dev), len(phrases.test)) == (30, 7, 5)
    for pairs in (phrases.train, phrases.dev, phrases.test):
        assert all(is_hangul(pair.source) and not is_hangul(pair.target) for pair in pairs)


def test_no_source_of_dev_or_test_stands_in_train(phrases: ParallelCorpus) -> None:
    sources = [{pair.source for pair in pairs} for pairs in (phrases.train, phrases.dev, phrases.test)]
    assert all(first.isdisjoint(second) for first, second in itertools.combinations(sources, 2))


def test_the_phrasebook_the_other_way_round(phrases: ParallelCorpus) -> None:
    other = build_corpus(dataclasses.replace(FEW, source_language="en", target_language="ko"), seed=1)
    assert other.dev == [Pair(pair.target, pair.source) for pair in phrases.dev]
    assert other.test == [Pair(pair.target, pair.source) for pair in phrases.test]


def test_the_phrasebook_is_a_function_of_its_seed(phrases: ParallelCorpus) -> None:
    again, other = build_corpus(FEW, seed=1), build_corpus(FEW, seed=2)
    assert again == phrases
    assert other.train != phrases.train
    assert again.fingerprint() == phrases.fingerprint() != other.fingerprint()


@pytest.mark.parametrize("languages", [("ko", "ko"), ("en", "de"), ("de", "ko")])
def test_the_phrasebook_has_two_languages(languages: tuple[str, str]) -> None:
    config = dataclasses.replace(FEW, source_language=languages[0], target_language=languages[1])
    with pytest.raises(
        DataError, match=rf"data=phrasebook is Korean and English \(ko, en\), not {'-'.join(languages)}"
    ):
        build_corpus(config, seed=1)


# ----------------------------------------------------------------------------------------------------------------------
# Files


def test_dev_and_test_are_cut_from_train_where_they_are_left_out(tmp_path: Path) -> None:
    corpus = build_corpus(files(tmp_path), seed=1)
    assert (len(corpus.train), len(corpus.dev), len(corpus.test)) == (48, 7, 5)
    assert sorted([*corpus.train, *corpus.dev, *corpus.test]) == sorted(PAIRS)
    assert corpus.notes[1] == "cut 7 pairs for dev and 5 pairs for test out of the 60 training pairs, by seed 1"
    assert corpus.notes[0].startswith("kept 60 of 60 pairs")
    assert build_corpus(files(tmp_path), seed=1) == corpus
    assert build_corpus(files(tmp_path), seed=2).dev != corpus.dev


def test_dev_and_test_are_taken_where_they_are_given(tmp_path: Path) -> None:
    dev, test = written(tmp_path, "dev", PAIRS[:3]), written(tmp_path, "test", PAIRS[3:5], is_gzip=True)
    corpus = build_corpus(files(tmp_path, PAIRS[5:], dev=dev, test=test), seed=1)
    assert (corpus.train, corpus.dev, corpus.test) == (PAIRS[5:], PAIRS[:3], PAIRS[3:5])
    assert len(corpus.notes) == 1


@pytest.mark.parametrize("given", ["dev", "test"])
def test_only_what_is_left_out_is_cut(tmp_path: Path, given: str) -> None:
    config = files(tmp_path, PAIRS[3:], **{given: written(tmp_path, given, PAIRS[:3])})
    corpus = build_corpus(config, seed=1)
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
    corpus = build_corpus(files(tmp_path, [*PAIRS, *bad], dev=dev, test=test), seed=1)
    assert corpus.train == [*PAIRS, Pair("공백 둘", "two spaces")]
    assert (corpus.dev, corpus.test) == (bad, bad[:2])
    assert corpus.notes == ["kept 61 of 65 pairs (dropped: 2 empty, 1 too long, 0 length ratio, 1 duplicates)"]
    as_is = build_corpus(files(tmp_path, [*PAIRS, *bad], dev=dev, test=test, clean=False), seed=1)
    assert (as_is.train, as_is.notes) == ([*PAIRS, *bad], [])


def test_the_options_of_cleaning_are_heeded(tmp_path: Path) -> None:
    dev = written(tmp_path, "dev", PAIRS[:1])
    base = files(
        tmp_path, [Pair("하나 둘 셋", "one two three"), Pair("네" * 20, "f" * 20), PAIRS[0]], dev=dev, test=dev
    )

    def kept(**options: object) -> int:
        return len(build_corpus(dataclasses.replace(base, **options), seed=1).train)  # type: ignore[arg-type]

    assert kept() == 3
    assert kept(max_words=3) == 2  # not the third
    assert kept(max_characters=19) == 1  # only the first
    assert kept(max_length_ratio=2.9) == 2  # the second has three bytes a letter against one


def test_nothing_left_after_cleaning_is_an_error(tmp_path: Path) -> None:
    dev = written(tmp_path, "dev", PAIRS[:1])
    config = files(tmp_path, [Pair("", "a"), Pair("b", "")], dev=dev, test=dev)
    with pytest.raises(DataError, match=r"no training pair is left after cleaning: kept 0 of 2 pairs .*2 empty"):
        build_corpus(config, seed=1)


def test_too_few_pairs_to_cut_from_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected more than 40 dev \+ 20 test pairs to cut from, found 60"):
        build_corpus(files(tmp_path, dev_pairs=40, test_pairs=20), seed=1)


def test_files_that_are_missing_or_of_unequal_length_are_errors(tmp_path: Path) -> None:
    config = files(tmp_path)
    with pytest.raises(DataError, match="No such file"):
        build_corpus(dataclasses.replace(config, train=[config.train[0], str(tmp_path / "absent")]), seed=1)
    other = written(tmp_path, "short", PAIRS[:9])
    with pytest.raises(DataError, match="found 60 and 9"):
        build_corpus(dataclasses.replace(config, train=[config.train[0], other[1]]), seed=1)


# ----------------------------------------------------------------------------------------------------------------------
# Multi30k


def multi30k(root: Path, *, is_gzip: bool) -> DataConfig:
    for split, pairs in (("train", PAIRS[:40]), ("val", PAIRS[40:47]), ("test_2016_flickr", PAIRS[47:50])):
        # The languages stand in for two of Multi30k's, of which this folder has what it has.
        names = written(root, split, pairs, is_gzip=is_gzip)
        for name in names:
            path = Path(name)
            path.rename(path.with_name(path.name.replace(".ko", ".de")))
    return DataConfig(corpus=Corpus.multi30k, source_language="de", target_language="en", root=str(root))


@pytest.mark.parametrize("is_gzip", [True, False])
def test_multi30k_from_a_folder(tmp_path: Path, is_gzip: bool) -> None:
    config = multi30k(tmp_path / "root", is_gzip=is_gzip)
    corpus = build_corpus(config, seed=1)
    assert (corpus.train, corpus.dev, corpus.test) == (PAIRS[:40], PAIRS[40:47], PAIRS[47:50])
    other = build_corpus(dataclasses.replace(config, source_language="en", target_language="de"), seed=1)
    assert other.test == [Pair(pair.target, pair.source) for pair in PAIRS[47:50]]


def test_multi30k_without_a_language_is_an_error(tmp_path: Path) -> None:
    config = dataclasses.replace(multi30k(tmp_path / "root", is_gzip=True), target_language="fr")
    with pytest.raises(DataError, match=r"expected train\.fr\.gz or train\.fr in .*found languages de, en"):
        build_corpus(config, seed=1)


# ----------------------------------------------------------------------------------------------------------------------
# Fingerprint


def test_the_fingerprint_tells_texts_apart() -> None:
    corpus = ParallelCorpus(PAIRS[:9], PAIRS[9:12], PAIRS[12:14], [])
    same = ParallelCorpus(PAIRS[:9], PAIRS[9:12], PAIRS[12:14], ["a note"])
    assert corpus.fingerprint() == same.fingerprint()
    assert len(corpus.fingerprint()) == 64
    changed = [
        PAIRS[:8],
        [*PAIRS[1:9], PAIRS[0]],
        [Pair(PAIRS[0].source + " ", PAIRS[0].target), *PAIRS[1:9]],
        [Pair(pair.target, pair.source) for pair in PAIRS[:9]],
        [],
    ]
    prints = {ParallelCorpus(train, PAIRS[9:12], PAIRS[12:14], []).fingerprint() for train in changed}
    prints.add(ParallelCorpus(PAIRS[:9], PAIRS[9:11], PAIRS[11:14], []).fingerprint())
    prints.add(ParallelCorpus(PAIRS[:9], PAIRS[9:12], PAIRS[12:13], []).fingerprint())
    assert len(prints) == len(changed) + 2
    assert corpus.fingerprint() not in prints


# ----------------------------------------------------------------------------------------------------------------------
# Pieces


@pytest.fixture(scope="module")
def sides() -> tuple[Subwords, Subwords]:
    source, target, _ = build_subwords(SubwordsConfig(shared=False, vocabulary_size=50, character_coverage=1.0), PAIRS)
    return source, target


def test_shared_subwords_are_one_object_that_knows_both_languages() -> None:
    source, target, notes = build_subwords(SubwordsConfig(vocabulary_size=80, character_coverage=1.0), PAIRS)
    assert source is target
    assert len(notes) <= 1
    for text in PAIRS[0]:
        assert source.decode(source.encode([text])[0]) == text


def test_separate_subwords_know_one_language_each(sides: tuple[Subwords, Subwords]) -> None:
    source, target = sides
    assert source.model != target.model
    for text, knows, not_knows in ((PAIRS[0].source, source, target), (PAIRS[0].target, target, source)):
        assert knows.decode(knows.encode([text])[0]) == text
        assert not_knows.decode(not_knows.encode([text])[0]) != text


@pytest.mark.parametrize("kind", SubwordKind)
def test_both_sides_tell_of_a_smaller_vocabulary(kind: SubwordKind) -> None:
    source, target, notes = build_subwords(SubwordsConfig(kind=kind, shared=False, vocabulary_size=3000), PAIRS)
    assert notes == [
        f"subwords.vocabulary_size lowered from 3000 to {len(side)}: the text has no more pieces"
        for side in (source, target)
    ]


def test_too_little_text_is_an_error() -> None:
    with pytest.raises(DataError, match="sentencepiece cannot learn pieces"):
        build_subwords(SubwordsConfig(), [Pair("", "")])


def test_encoded_pairs_line_by_line(sides: tuple[Subwords, Subwords]) -> None:
    source, target, num_dropped = encode_pairs(PAIRS[:5], *sides)
    assert num_dropped == 0
    assert [sides[0].decode(source[index].tolist()) for index in range(5)] == [pair.source for pair in PAIRS[:5]]
    assert [sides[1].decode(target[index].tolist()) for index in range(5)] == [pair.target for pair in PAIRS[:5]]


def test_long_and_empty_pairs_are_left_out_of_training_only(sides: tuple[Subwords, Subwords]) -> None:
    lengths = [max(len(sides[0].encode([pair.source])[0]), len(sides[1].encode([pair.target])[0])) for pair in PAIRS]
    limit = sorted(lengths)[len(lengths) // 2]
    pairs = [*PAIRS, Pair("", "a book"), Pair("책을", " "), Pair("책을 " * 99, "a book"), Pair("책을", "a book " * 99)]
    expected = [pair for pair, length in zip(PAIRS, lengths, strict=True) if length <= limit]
    assert 0 < len(expected) < len(PAIRS)
    source, target, num_dropped = encode_pairs(pairs, *sides, max_pieces=limit)
    assert len(source) == len(target) == len(expected)
    assert num_dropped == len(pairs) - len(expected)
    assert [sides[0].decode(source[index].tolist()) for index in range(len(source))] == [
        pair.source for pair in expected
    ]
    assert max(source.lengths.max(), target.lengths.max()) == limit
    source, target, num_dropped = encode_pairs(pairs, *sides)
    assert (len(source), len(target), num_dropped) == (len(pairs), len(pairs), 0)


def test_nothing_short_enough_is_an_error(sides: tuple[Subwords, Subwords]) -> None:
    with pytest.raises(DataError, match=r"none of 60 pairs has from 1 to 2 pieces a side; see training\.max_pieces"):
        encode_pairs(PAIRS, *sides, max_pieces=2)
