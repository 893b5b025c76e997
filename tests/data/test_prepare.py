import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from processes import ROOT, environment
from s2s import workers
from s2s.config.data import Corpus, DataConfig, SubwordKind, SubwordsConfig
from s2s.data import encode
from s2s.data import prepare as prepare_module
from s2s.data.encode import encode_text
from s2s.data.prepare import Prepared, prepare, read_text
from s2s.data.text import corpus_reader
from s2s.data.text.clean_text import CleanText, write_clean_text
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.learn import learn_subwords
from s2s.data.vocabulary.subwords import Subwords
from s2s.errors import DataError
from small_corpora import PAIRS, cleaned, files, written

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


def learnt(config: SubwordsConfig) -> tuple[Subwords, Subwords]:
    sources, targets = zip(*PAIRS, strict=True)
    return learn_subwords(config, [(sources, targets)], len(PAIRS))[:2]


def found_rows(found: Prepared) -> list[list[list[int]]]:
    stores = (found.train_source, found.train_target)
    return [[store[index].tolist() for index in range(len(store))] for store in stores]


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    """A corpus with something of everything, and a cache of its own."""
    return files(tmp_path, [*PAIRS[:20], *BAD, *PAIRS[20:]], cache=str(tmp_path / "cache"))


def test_prepared_data_on_paper(config: DataConfig) -> None:
    found = prepare(config, PIECES, seed=1, max_pieces=40)
    notes = read_text(config, 1).notes
    assert notes[0] == "kept 62 of 64 pairs (dropped: 1 empty, 0 too long, 0 length ratio, 1 duplicates)"
    assert notes[1] == "cut 7 pairs for dev and 5 pairs for test out of the 62 training pairs, by seed 1"
    assert found.notes[-1] == LEFT_OUT
    assert (found.num_train, len(found.train_source), len(found.train_target)) == (50, 49, 49)
    assert found.source is found.target
    text = cleaned(config, seed=1)
    assert found.sha256 == fingerprint(text.train, found.dev, found.test)
    kept = [pair for pair in text.train if len(pair.source) < 100]
    assert found_rows(found) == [
        found.source.encode([pair.source for pair in kept]),
        found.target.encode([pair.target for pair in kept]),
    ]


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


def fingerprint(*splits: list[Pair]) -> str:
    """SHA-256 of all pairs in their order: runs that were begun with any version of s2s know their text by it."""
    digest = hashlib.sha256()
    for pairs in splits:
        digest.update(f"{len(pairs)}\n".encode())
        for pair in pairs:
            digest.update(f"{pair.source}\n{pair.target}\n".encode())
    return digest.hexdigest()


def test_the_fingerprint_tells_texts_apart(tmp_path: Path, sides: tuple[Subwords, Subwords]) -> None:
    def sha256(train: list[Pair], dev: list[Pair] = PAIRS[9:12], test: list[Pair] = PAIRS[12:14]) -> str:
        options = {name: written(tmp_path, name, pairs) for name, pairs in (("dev", dev), ("test", test))}
        config = files(tmp_path, train, clean=False, **options)
        found = prepare(config, PIECES, seed=1, max_pieces=40, given=sides)
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


def test_chunks_and_processes_change_nothing(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepared(config)
    monkeypatch.setattr(corpus_reader, "CHUNK_PAIRS", 7)
    monkeypatch.setattr(encode, "SHARD_TOKENS", 50)
    for num_cores in (1, 2):
        monkeypatch.setattr(workers, "num_cores", lambda num=num_cores: num)
        other = dataclasses.replace(config, cache=f"{config.cache}-{num_cores}")
        assert prepared(other) == whole
        assert len(list((Path(other.cache or "") / "prepared").glob("text-*/train.*"))) == 10
        assert len(list((Path(other.cache or "") / "prepared").glob("ids-*/source.*.tokens.npy"))) > 3


def test_a_hit_gives_what_a_miss_gave(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    separate = dataclasses.replace(PIECES, shared=False, vocabulary_size=3000)
    first = [prepared(config), prepared(config, separate)]

    def never(*_: object) -> None:
        raise AssertionError("prepared again")

    for stage in ("write_clean_text", "learn_vocabularies", "encode_text"):
        monkeypatch.setattr(prepare_module, stage, never)
    assert [prepared(config), prepared(config, separate)] == first
    assert any("lowered from 3000" in note for note in first[1][-1])


def test_given_subwords_are_used(config: DataConfig) -> None:
    other = learnt(dataclasses.replace(PIECES, vocabulary_size=90))
    found = prepare(config, PIECES, seed=1, max_pieces=40, given=other)
    assert (found.source, found.target) == other
    assert found_rows(found)[0] == [
        ids for ids in other[0].encode([pair.source for pair in cleaned(config, seed=1).train]) if len(ids) <= 40
    ]
    new = prepare(config, PIECES, seed=1, max_pieces=40)
    again = prepare(config, PIECES, seed=1, max_pieces=40, given=(new.source, new.target))
    assert found_rows(again) == found_rows(new) != found_rows(found)


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
    """After the name of its entry was made of its content, and before it is read for that entry."""
    config = dataclasses.replace(config, dev=written(tmp_path, "dev", PAIRS[:3]))
    path = Path(getattr(config, changed)[0])
    content = path.read_bytes()

    def changing(*given: Any) -> dict[str, Any]:
        path.write_bytes(content.replace("저는".encode(), "나는".encode()))
        return write_clean_text(*given)

    with monkeypatch.context() as patch:
        patch.setattr(prepare_module, "write_clean_text", changing)
        with pytest.raises(DataError, match="changed while it was read; give the command again"):
            prepared(config)
    assert entries(config)["text"] == set()
    path.write_bytes(content)
    prepared(config)


def test_text_that_vanishes_from_the_cache_is_an_error(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanishing(folder: Path, text: CleanText, *given: Any) -> dict[str, Any]:
        text.chunks[0].unlink()
        return encode_text(folder, text, *given)

    monkeypatch.setattr(prepare_module, "encode_text", vanishing)
    with pytest.raises(DataError, match=r"train\.00000: vanished from the cache .*give the same command again"):
        prepared(config)


def test_what_is_damaged_in_the_cache_is_never_trained_on(config: DataConfig, caplog: pytest.LogCaptureFixture) -> None:
    """A bit of every file of the cache is flipped: the next run has the same pairs, pieces and ids."""
    expected = prepared(config)
    paths = [path for path in Path(str(config.cache)).rglob("*") if path.is_file() and path.stat().st_size]
    assert {path.name for path in paths} >= {"dev", "train.00000", "source", "target", "source.00000.tokens.npy"}
    for number, path in enumerate(sorted(paths)):
        content = bytearray(path.read_bytes())
        content[(7919 * number) % len(content)] ^= 1 << number % 7
        path.write_bytes(content)
        caplog.clear()
        assert prepared(config) == expected
        assert [str(path.parent) in text for text in caplog.messages if "damaged in the cache" in text] == [True]


COUNTING = """
import os, sys
opened = []
def watch(event, given):
    if event == "open" and given[2] & os.O_ACCMODE == os.O_RDONLY:
        opened.append(os.path.basename(str(given[0])))
sys.addaudithook(watch)
from s2s.config.data import Corpus, DataConfig, SubwordsConfig
from s2s.data.prepare import prepare
train, dev, test = sys.argv[2:4], sys.argv[4:6], sys.argv[6:8]
config = DataConfig(corpus=Corpus.files, train=train, dev=dev, test=test, test_pairs=5, cache=sys.argv[1])
for _ in range(2):
    prepare(config, SubwordsConfig(vocabulary_size=120), seed=1, max_pieces=40)
    print(*(opened.count(name) for name in ("train.ko", "train.en", "dev.ko", "train.00000")))
    opened.clear()
"""


@pytest.mark.parametrize(("is_cut", "expected"), [(False, b"2 2 2 3\n1 1 1 1\n"), (True, b"2 2 2 4\n1 1 1 1\n")])
def test_a_text_is_read_no_more_often_than_it_must_be(
    config: DataConfig, tmp_path: Path, is_cut: bool, expected: bytes
) -> None:
    """A file: to look for it in the cache, and to clean it.

    What was cleaned: to cut from it, for its checksum, to learn, to encode; and whenever it is found in the cache.
    """
    names = [*config.train, *written(tmp_path, "dev", PAIRS[:3]), *written(tmp_path, "test", PAIRS[:3])]
    command = [sys.executable, "-c", COUNTING, str(config.cache), *(names[:4] if is_cut else names)]
    assert subprocess.run(command, check=True, cwd=ROOT, env=environment(), capture_output=True).stdout == expected


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
