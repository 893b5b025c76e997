from pathlib import Path

import pytest

from processes import Caller
from s2s import workers
from s2s.config.data import Corpus, DataConfig, Split
from s2s.data.phrasebook import generate as phrasebook
from s2s.data.phrasebook import write_files
from s2s.data.phrasebook.write_files import write_phrasebook
from s2s.errors import DataError
from small_corpora import cleaned


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, since others would not know of it."""
    monkeypatch.setattr(workers, "num_cores", lambda: 1)
    monkeypatch.setattr(phrasebook, "FIRST_CHUNK", 30)
    monkeypatch.setattr(phrasebook, "NEXT_CHUNK", 200)


def texts(paths: list[Path]) -> list[list[str]]:
    return [path.read_text(encoding="utf-8").splitlines() for path in paths]


def test_files_of_the_first_chunk_are_the_phrasebook(tmp_path: Path) -> None:
    paths = write_phrasebook(tmp_path / "new", Split.dev, 50, 3, alignments=True)
    assert [path.name for path in paths] == ["dev.ko", "dev.en", "dev.align"]
    pairs = phrasebook.distinct_pairs(Split.dev, 50, 3)
    alignments = [" ".join(f"{i}-{j}" for i, j in pair.alignment) for pair in pairs]
    assert texts(paths) == [[pair.source for pair in pairs], [pair.target for pair in pairs], alignments]
    assert len(list((tmp_path / "new").iterdir())) == 3
    assert len(write_phrasebook(tmp_path / "two", Split.dev, 50, 3, alignments=False)) == 2
    assert len(list((tmp_path / "two").iterdir())) == 2


@pytest.mark.usefixtures("small_chunks")
def test_files_of_many_chunks_are_the_phrasebook_too(tmp_path: Path) -> None:
    ko, en = texts(write_phrasebook(tmp_path, Split.train, 900, 3, alignments=False))
    assert len(set(ko)) == len(ko) == len(en) == 900
    config = DataConfig(corpus=Corpus.phrasebook, train_pairs=900, dev_pairs=5, test_pairs=5, cache=str(tmp_path))
    assert cleaned(config, seed=3).train == list(zip(ko, en, strict=True))
    shorter = texts(write_phrasebook(tmp_path, Split.train, 700, 3, alignments=False))
    assert shorter == [ko[:700], en[:700]]
    assert texts(write_phrasebook(tmp_path, Split.train, 900, 4, alignments=False))[0] != ko


@pytest.mark.usefixtures("small_chunks")
def test_more_pairs_than_there_are_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_files, "generate_chunk", lambda *_: phrasebook.distinct_pairs(Split.test, 40, 1))
    with pytest.raises(DataError, match="expected 99 different pairs, but there is hardly a new one after 40"):
        write_phrasebook(tmp_path, Split.test, 99, 1, alignments=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for num_cores in (1, 2):
        monkeypatch.setattr(workers, "num_cores", lambda num=num_cores: num)
        paths = write_phrasebook(tmp_path, Split.train, 320_000, 1, alignments=True)
        found.append([path.read_bytes() for path in paths])
    assert found[0] == found[1]


def test_the_command(tmp_path: Path, call_command: Caller) -> None:
    output = tmp_path / "book"
    ended = call_command("phrasebook", "pairs=40", "split=test", "seed=2", "alignments=false", f"output={output}")
    assert (ended.code, ended.out) == (0, b""), ended.err
    assert sorted(path.name for path in output.iterdir()) == ["test.en", "test.ko"]
    pairs = phrasebook.distinct_pairs(Split.test, 40, 2)
    assert texts([output / "test.ko"]) == [[pair.source for pair in pairs]]
    assert call_command("phrasebook", "pairs=40").code == 2
    assert call_command("phrasebook", "pairs=0", f"output={output}").code == 2
    (tmp_path / "file").write_text("")
    ended = call_command("phrasebook", "pairs=4", f"output={tmp_path / 'file' / 'book'}")
    assert ended.code == 1
    assert "Traceback" not in ended.err
