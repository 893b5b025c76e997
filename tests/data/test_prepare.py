import dataclasses
import gzip
import hashlib
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tasks
from processes import ROOT, environment
from s2s import workers
from s2s.config.data import Corpus, DataConfig, SubwordKind, SubwordsConfig
from s2s.data import encode
from s2s.data.encode import encode_pairs
from s2s.data.phrasebook import generate as phrasebook
from s2s.data.prepare import Prepared, prepare
from s2s.data.text import corpus as corpus_module
from s2s.data.text.corpus import build_corpus
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary import learn
from s2s.data.vocabulary.subwords import Subwords
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


class Text(NamedTuple):
    """What `build_corpus` found."""

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    notes: list[str]
    sha256: str


def built(config: DataConfig, seed: int) -> Text:
    corpus = build_corpus(config, seed)
    train = list(corpus.train())
    assert corpus.num_train == len(train)
    return Text(train, corpus.dev, corpus.test, corpus.notes, corpus.sha256)


def fingerprint(*splits: list[Pair]) -> str:
    """SHA-256 of all pairs in their order: runs that were begun with any version of s2s know their text by it."""
    digest = hashlib.sha256()
    for pairs in splits:
        digest.update(f"{len(pairs)}\n".encode())
        for pair in pairs:
            digest.update(f"{pair.source}\n{pair.target}\n".encode())
    return digest.hexdigest()


def build_subwords(config: SubwordsConfig, pairs: list[Pair]) -> tuple[Subwords, Subwords, list[str]]:
    return learn.build_subwords(config, [pairs], len(pairs))


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
def phrases() -> Text:
    return built(FEW, seed=1)


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
    other = built(dataclasses.replace(FEW, source_language="en", target_language="ko"), seed=1)
    assert other.dev == [Pair(pair.target, pair.source) for pair in phrases.dev]
    assert other.test == [Pair(pair.target, pair.source) for pair in phrases.test]


def test_the_phrasebook_is_a_function_of_its_seed(phrases: Text) -> None:
    again, other = built(FEW, seed=1), built(FEW, seed=2)
    assert again == phrases
    assert other.train != phrases.train
    assert again.sha256 == phrases.sha256 != other.sha256


@pytest.mark.parametrize("languages", [("ko", "ko"), ("en", "de"), ("de", "ko")])
def test_the_phrasebook_has_two_languages(languages: tuple[str, str]) -> None:
    config = dataclasses.replace(FEW, source_language=languages[0], target_language=languages[1])
    with pytest.raises(
        DataError, match=rf"data=phrasebook is Korean and English \(ko, en\), not {'-'.join(languages)}"
    ):
        built(config, seed=1)


# ----------------------------------------------------------------------------------------------------------------------
# Files


def test_dev_and_test_are_cut_from_train_where_they_are_left_out(tmp_path: Path) -> None:
    corpus = built(files(tmp_path), seed=1)
    assert (len(corpus.train), len(corpus.dev), len(corpus.test)) == (48, 7, 5)
    assert sorted([*corpus.train, *corpus.dev, *corpus.test]) == sorted(PAIRS)
    assert corpus.notes[1] == "cut 7 pairs for dev and 5 pairs for test out of the 60 training pairs, by seed 1"
    assert corpus.notes[0].startswith("kept 60 of 60 pairs")
    assert built(files(tmp_path), seed=1) == corpus
    assert built(files(tmp_path), seed=2).dev != corpus.dev


def test_dev_and_test_are_taken_where_they_are_given(tmp_path: Path) -> None:
    dev, test = written(tmp_path, "dev", PAIRS[:3]), written(tmp_path, "test", PAIRS[3:5], is_gzip=True)
    corpus = built(files(tmp_path, PAIRS[5:], dev=dev, test=test), seed=1)
    assert (corpus.train, corpus.dev, corpus.test) == (PAIRS[5:], PAIRS[:3], PAIRS[3:5])
    assert len(corpus.notes) == 1


@pytest.mark.parametrize("given", ["dev", "test"])
def test_only_what_is_left_out_is_cut(tmp_path: Path, given: str) -> None:
    config = files(tmp_path, PAIRS[3:], **{given: written(tmp_path, given, PAIRS[:3])})
    corpus = built(config, seed=1)
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
    corpus = built(files(tmp_path, [*PAIRS, *bad], dev=dev, test=test), seed=1)
    assert corpus.train == [*PAIRS, Pair("공백 둘", "two spaces")]
    assert (corpus.dev, corpus.test) == (bad, bad[:2])
    assert corpus.notes == ["kept 61 of 65 pairs (dropped: 2 empty, 1 too long, 0 length ratio, 1 duplicates)"]
    as_is = built(files(tmp_path, [*PAIRS, *bad], dev=dev, test=test, clean=False), seed=1)
    assert (as_is.train, as_is.notes) == ([*PAIRS, *bad], [])


def test_the_options_of_cleaning_are_heeded(tmp_path: Path) -> None:
    dev = written(tmp_path, "dev", PAIRS[:1])
    base = files(
        tmp_path, [Pair("하나 둘 셋", "one two three"), Pair("네" * 20, "f" * 20), PAIRS[0]], dev=dev, test=dev
    )

    def kept(**options: object) -> int:
        return len(built(dataclasses.replace(base, **options), seed=1).train)  # type: ignore[arg-type]

    assert kept() == 3
    assert kept(max_words=3) == 2  # not the third
    assert kept(max_characters=19) == 1  # only the first
    assert kept(max_length_ratio=2.9) == 2  # the second has three bytes a letter against one


def test_nothing_left_after_cleaning_is_an_error(tmp_path: Path) -> None:
    dev = written(tmp_path, "dev", PAIRS[:1])
    config = files(tmp_path, [Pair("", "a"), Pair("b", "")], dev=dev, test=dev)
    with pytest.raises(DataError, match=r"no training pair is left after cleaning: kept 0 of 2 pairs .*2 empty"):
        built(config, seed=1)


def test_too_few_pairs_to_cut_from_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected more than 40 dev \+ 20 test pairs to cut from, found 60"):
        built(files(tmp_path, dev_pairs=40, test_pairs=20), seed=1)


def test_files_that_are_missing_or_of_unequal_length_are_errors(tmp_path: Path) -> None:
    config = files(tmp_path)
    with pytest.raises(DataError, match="No such file"):
        built(dataclasses.replace(config, train=[config.train[0], str(tmp_path / "absent")]), seed=1)
    other = written(tmp_path, "short", PAIRS[:9])
    with pytest.raises(DataError, match="found 60 and 9"):
        built(dataclasses.replace(config, train=[config.train[0], other[1]]), seed=1)


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
    corpus = built(config, seed=1)
    assert (corpus.train, corpus.dev, corpus.test) == (PAIRS[:40], PAIRS[40:47], PAIRS[47:50])
    other = built(dataclasses.replace(config, source_language="en", target_language="de"), seed=1)
    assert other.test == [Pair(pair.target, pair.source) for pair in PAIRS[47:50]]


def test_multi30k_without_a_language_is_an_error(tmp_path: Path) -> None:
    config = dataclasses.replace(multi30k(tmp_path / "root", is_gzip=True), target_language="fr")
    with pytest.raises(DataError, match=r"expected train\.fr\.gz or train\.fr in .*found languages de, en"):
        built(config, seed=1)


# ----------------------------------------------------------------------------------------------------------------------
# Fingerprint


def test_the_fingerprint_tells_texts_apart(tmp_path: Path) -> None:
    def sha256(train: list[Pair], dev: list[Pair] = PAIRS[9:12], test: list[Pair] = PAIRS[12:14]) -> str:
        options = {name: written(tmp_path, name, pairs) for name, pairs in (("dev", dev), ("test", test))}
        found = built(files(tmp_path, train, clean=False, **options), seed=1)
        assert found.sha256 == fingerprint(train, dev, test)
        return found.sha256

    texts = [
        PAIRS[:9],
        PAIRS[:8],
        [*PAIRS[1:9], PAIRS[0]],
        [Pair(PAIRS[0].source + " ", PAIRS[0].target), *PAIRS[1:9]],
        [Pair(pair.target, pair.source) for pair in PAIRS[:9]],
    ]
    prints = {sha256(train) for train in texts}
    prints.add(sha256(PAIRS[:9], PAIRS[9:11], PAIRS[11:14]))
    prints.add(sha256(PAIRS[:9], PAIRS[9:12], PAIRS[12:13]))
    assert len(prints) == len(texts) + 2


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
    pairs = [*PAIRS[:5], Pair("", "책을"), Pair("책을 " * 99, " ")]  # whatever their length
    source, target = encode_pairs(pairs, *sides)
    assert len(source) == len(target) == 7
    assert [sides[0].decode(source[index].tolist()) for index in range(5)] == [pair.source for pair in PAIRS[:5]]
    assert [sides[1].decode(target[index].tolist()) for index in range(5)] == [pair.target for pair in PAIRS[:5]]
    assert (len(source[5]), len(target[6])) == (0, 0)


def test_long_and_empty_pairs_are_left_out_of_training_only(tmp_path: Path, sides: tuple[Subwords, Subwords]) -> None:
    odd = [Pair("", "a book"), Pair("책을", " "), Pair("책을 " * 99, "a book"), Pair("책을", "a book " * 99)]
    names = {name: written(tmp_path, name, [*PAIRS, *odd]) for name in ("train", "dev", "test")}
    config = DataConfig(corpus=Corpus.files, clean=False, cache=str(tmp_path / "cache"), **names)  # type: ignore[arg-type]
    lengths = [max(len(sides[0].encode([pair.source])[0]), len(sides[1].encode([pair.target])[0])) for pair in PAIRS]
    limit = sorted(lengths)[len(lengths) // 2]
    expected = [pair for pair, length in zip(PAIRS, lengths, strict=True) if length <= limit]
    assert 0 < len(expected) < len(PAIRS)
    found = prepare(config, PIECES, seed=1, max_pieces=limit, given=sides)
    assert found_rows(found) == [
        sides[0].encode([pair.source for pair in expected]),
        sides[1].encode([pair.target for pair in expected]),
    ]
    assert found.notes == [f"left out {64 - len(expected)} pairs longer than training.max_pieces={limit}"]
    assert found.dev == found.test == [*PAIRS, *odd]


# ----------------------------------------------------------------------------------------------------------------------
# All of it, in chunks and from the cache

PIECES = SubwordsConfig(vocabulary_size=120)
BAD = [Pair("", "nothing"), PAIRS[3], Pair("  공백   둘 ", "two  spaces"), Pair("책을 " * 45, "a book " * 45)]
LEFT_OUT = "left out 1 pairs longer than training.max_pieces=40"


def prepared(config: DataConfig, subwords: SubwordsConfig = PIECES, **options: Any) -> list[Any]:
    found = prepare(config, subwords, **{"seed": 1, "max_pieces": 40, **options})
    lengths = [len(row) for row in found_rows(found)[0]]
    assert found.train_source.lengths.tolist() == lengths
    return [
        *found_rows(found),
        found.dev,
        found.test,
        found.source.model,
        found.target.model,
        found.num_train,
        found.sha256,
        found.notes,
    ]


def found_rows(found: Prepared) -> list[list[list[int]]]:
    stores = (found.train_source, found.train_target)
    return [[store[index].tolist() for index in range(len(store))] for store in stores]


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    """A corpus with something of everything, and a cache of its own."""
    return files(tmp_path, [*PAIRS[:20], *BAD, *PAIRS[20:]], cache=str(tmp_path / "cache"))


def test_prepared_data_on_paper(config: DataConfig) -> None:
    found = prepare(config, PIECES, seed=1, max_pieces=40)
    assert found.notes[0] == "kept 62 of 64 pairs (dropped: 1 empty, 0 too long, 0 length ratio, 1 duplicates)"
    assert found.notes[1] == "cut 7 pairs for dev and 5 pairs for test out of the 62 training pairs, by seed 1"
    assert found.notes[-1] == LEFT_OUT
    assert (found.num_train, len(found.train_source), len(found.train_target)) == (50, 49, 49)
    assert found.source is found.target
    text = built(config, seed=1)
    assert found.sha256 == fingerprint(text.train, found.dev, found.test) == text.sha256
    kept = [pair for pair in text.train if len(pair.source) < 100]
    assert found_rows(found) == [
        found.source.encode([pair.source for pair in kept]),
        found.target.encode([pair.target for pair in kept]),
    ]


def test_chunks_and_processes_change_nothing(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepared(config)
    monkeypatch.setattr(corpus_module, "CHUNK_PAIRS", 7)
    monkeypatch.setattr(encode, "SHARD_TOKENS", 50)
    for num_cores in (1, 2):
        monkeypatch.setattr(workers, "num_cores", lambda num=num_cores: num)
        other = dataclasses.replace(config, cache=f"{config.cache}-{num_cores}")
        assert prepared(other) == whole
        assert len(list((Path(other.cache or "") / "prepared").glob("text-*/train.*"))) == 10
        assert len(list((Path(other.cache or "") / "prepared").glob("ids-*/source.*.tokens.npy"))) > 3


def test_a_large_phrasebook_comes_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "num_cores", lambda: 1)
    small = built(dataclasses.replace(FEW, train_pairs=20), seed=1)
    monkeypatch.setattr(phrasebook, "FIRST_CHUNK", 20)
    monkeypatch.setattr(phrasebook, "NEXT_CHUNK", 400)
    config = dataclasses.replace(FEW, train_pairs=1500, cache=str(tmp_path))
    large = built(config, seed=1)
    assert len({pair.source for pair in large.train}) == len(large.train) == 1500
    assert large.train[:20] == small.train
    assert (large.dev, large.test) == (small.dev, small.test)
    assert large.notes == ["kept 1,500 of 1,500 pairs (dropped: 0 empty, 0 too long, 0 length ratio, 0 duplicates)"]
    short = built(dataclasses.replace(config, max_words=6), seed=1)
    assert short.train == [pair for pair in large.train if max(len(side.split()) for side in pair) <= 6]
    assert f"of 1,500 pairs (dropped: 0 empty, {1500 - len(short.train):,} too long" in short.notes[0]


@pytest.mark.slow
def test_a_large_phrasebook_is_the_same_from_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it keep what they had begun when there were enough pairs."""
    monkeypatch.setattr(corpus_module, "_sift_phrases", tasks.sift_few_phrases)
    monkeypatch.setattr(phrasebook, "FIRST_CHUNK", tasks.FIRST_CHUNK)
    found = []
    for num_cores in (1, 2):
        monkeypatch.setattr(workers, "num_cores", lambda num=num_cores: num)
        corpus = build_corpus(dataclasses.replace(FEW, train_pairs=100, cache=str(tmp_path / str(num_cores))), seed=1)
        found.append({path.name: path.read_bytes() for path in corpus.entry.path.iterdir()})
    assert found[0] == found[1]
    assert found[0].keys() == {"train.00000", "train.00001", "train.00002", "dev", "test", "manifest.json"}


def test_a_hit_gives_what_a_miss_gave(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    separate = dataclasses.replace(PIECES, shared=False, vocabulary_size=3000)
    first = [prepared(config), prepared(config, separate)]

    def never(*_: object) -> None:
        raise AssertionError("prepared again")

    for module, name in ((corpus_module, "_sift_files"), (learn, "build_subwords"), (encode, "_encode_chunk")):
        monkeypatch.setattr(module, name, never)
    assert [prepared(config), prepared(config, separate)] == first
    assert any("lowered from 3000" in note for note in first[1][-1])


def test_given_subwords_are_used(config: DataConfig) -> None:
    other = build_subwords(dataclasses.replace(PIECES, vocabulary_size=90), PAIRS)[:2]
    found = prepare(config, PIECES, seed=1, max_pieces=40, given=other)
    assert (found.source, found.target) == other
    assert found_rows(found)[0] == [
        ids for ids in other[0].encode([pair.source for pair in built(config, seed=1).train]) if len(ids) <= 40
    ]
    learnt = prepare(config, PIECES, seed=1, max_pieces=40)
    again = prepare(config, PIECES, seed=1, max_pieces=40, given=(learnt.source, learnt.target))
    assert found_rows(again) == found_rows(learnt) != found_rows(found)


def entries(config: DataConfig) -> dict[str, set[str]]:
    """Names of what is in the cache, by kind."""
    found: dict[str, set[str]] = {"text": set(), "subwords": set(), "ids": set()}
    for path in (Path(config.cache or "") / "prepared").glob("*-*"):
        if path.is_dir():
            found[path.name.split("-")[0]].add(path.name)
    return found


def test_every_option_that_matters_and_every_byte_make_another_key(config: DataConfig, tmp_path: Path) -> None:
    dev = written(tmp_path, "dev", PAIRS[:3])
    data: list[dict[str, Any]] = [
        {"clean": False},
        {"max_words": 99},
        {"max_characters": 599},
        {"max_length_ratio": 5.0},
        {"dev_pairs": 8},
        {"test_pairs": 6},
        {"dev": dev},
        {"test": dev},
        {"train": config.train[::-1]},
    ]
    prepared(config)
    for number, options in enumerate(data, start=2):
        prepared(dataclasses.replace(config, **options))
        assert len(entries(config)["text"]) == number, options
    prepared(config, seed=2)
    assert len(entries(config)["text"]) == len(data) + 2
    before = {kind: len(names) for kind, names in entries(config).items()}
    pieces: list[dict[str, Any]] = [
        {"kind": SubwordKind.bpe},
        {"shared": False},
        {"vocabulary_size": 119},
        {"character_coverage": 0.999},
    ]
    for number, options in enumerate(pieces, start=1):
        prepared(config, dataclasses.replace(PIECES, **options))
        assert len(entries(config)["subwords"]) == before["subwords"] + number, options
    num_ids = len(entries(config)["ids"])
    prepared(config, max_pieces=39)
    assert len(entries(config)["ids"]) == num_ids + 1
    assert len(entries(config)["text"]) == before["text"]
    source = Path(config.train[0])
    content = source.read_bytes()
    source.write_bytes(content[:-2] + b"!" + content[-1:])  # one byte
    prepared(config)
    assert len(entries(config)["text"]) == before["text"] + 1


def test_names_and_languages_of_files_make_no_other_key(config: DataConfig, tmp_path: Path) -> None:
    found = prepared(config)
    moved = [str(Path(name).rename(tmp_path / f"moved{index}")) for index, name in enumerate(config.train)]
    assert prepared(dataclasses.replace(config, train=moved, source_language="xx")) == found
    assert {kind: len(names) for kind, names in entries(config).items()} == {"text": 1, "subwords": 1, "ids": 1}
    dev = written(tmp_path, "dev", PAIRS[:3])
    given = dataclasses.replace(config, train=moved, dev=dev, test=dev)
    assert prepared(given, seed=1) == prepared(given, seed=2)  # nothing is drawn by seed
    assert len(entries(config)["text"]) == 2


@pytest.mark.parametrize(
    "name", ["text-*/train.00000", "text-*/dev", "subwords-*/source", "ids-*/source.00000.tokens.npy"]
)
@pytest.mark.parametrize("is_missing", [True, False])
def test_a_damaged_cache_is_mended(config: DataConfig, name: str, is_missing: bool) -> None:
    found = prepared(config)
    (path,) = (Path(config.cache or "") / "prepared").glob(name)
    content = path.read_bytes()
    path.unlink()
    if not is_missing:
        path.write_bytes(content[:-1])
    assert prepared(config) == found
    assert path.read_bytes() == content


def test_an_error_leaves_no_entry(config: DataConfig) -> None:
    Path(config.train[1]).write_bytes(b"one\n\xff\n" + b"three\n" * 62)
    with pytest.raises(DataError, match=r"train\.en, line 2: expected UTF-8"):
        prepared(config)
    assert entries(config) == {"text": set(), "subwords": set(), "ids": set()}
    with pytest.raises(DataError, match=r"none of \d+ pairs has from 1 to 2 pieces"):
        prepared(files(Path(config.train[0]).parent, cache=config.cache), max_pieces=2)
    assert [kind for kind, names in entries(config).items() if names] == ["text", "subwords"]


@pytest.mark.parametrize("changed", ["train", "dev"])
def test_text_that_changes_while_it_is_read_is_an_error(
    config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    config = dataclasses.replace(config, dev=written(tmp_path, "dev", PAIRS[:3]))
    path = Path(getattr(config, changed)[0])
    content, write_text = path.read_bytes(), corpus_module._write_text

    def changing(*given: Any) -> dict[str, Any]:
        path.write_bytes(content.replace("저는".encode(), "나는".encode()))
        return write_text(*given)

    with monkeypatch.context() as patch:
        patch.setattr(corpus_module, "_write_text", changing)
        with pytest.raises(DataError, match="changed while it was read; give the command again"):
            prepared(config)
    assert entries(config)["text"] == set()
    path.write_bytes(content)
    prepared(config)


def test_text_that_vanishes_from_the_cache_is_an_error(config: DataConfig) -> None:
    corpus = build_corpus(config, seed=1)
    corpus.chunks[0].unlink()
    with pytest.raises(DataError, match=r"train\.00000: vanished from the cache .*give the same command again"):
        list(corpus.train())


def test_a_cache_that_cannot_be_written_is_an_error(config: DataConfig, tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(DataError, match=r"data\.cache=DIR or S2S_CACHE=DIR"):
        prepared(dataclasses.replace(config, cache=str(tmp_path / "in the way")))


ALONE = """
import sys
from s2s.config.data import Corpus, DataConfig, SubwordsConfig
from s2s.data.prepare import prepare
config = DataConfig(corpus=Corpus.files, train=sys.argv[1:3], dev_pairs=7, test_pairs=5, cache=sys.argv[3])
found = prepare(config, SubwordsConfig(vocabulary_size=120), seed=1, max_pieces=40)
print(found.sha256, len(found.train_source), [found.train_source[index].tolist() for index in range(9)])
"""


def test_two_processes_at_once_prepare_it_once(config: DataConfig) -> None:
    command = [sys.executable, "-c", ALONE, *config.train, str(config.cache)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=60) for process in processes]
    assert [err for _, err in ended] == [b"", b""]
    assert ended[0] == ended[1]
    assert {kind: len(names) for kind, names in entries(config).items()} == {"text": 1, "subwords": 1, "ids": 1}
    found = prepare(config, PIECES, seed=1, max_pieces=40)
    assert ended[0][0].decode().startswith(f"{found.sha256} {len(found.train_source)} ")
