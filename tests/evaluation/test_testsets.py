"""Text to score on: of runs, of files, and by name from sacrebleu, whose downloads come from this machine here."""

import hashlib
import socket
import tarfile
from pathlib import Path

import pytest
from sacrebleu import DATASETS
from sacrebleu.dataset.plain_text import PlainTextDataset

from s2s.data.text.download import cache_folder
from s2s.errors import ConfigError, DataError, Interrupted
from s2s.evaluation import testsets
from s2s.evaluation.testsets import ScoredText, file_text, named_text, own_text
from s2s.runs.folder import RunFolder

SOURCES = ["One line.", "Two lines?", "\u2028"]
FIRST = ["Eine Zeile.", "Zwei Zeilen?", "x"]
SECOND = ["Eine Zeile!", "Zwei Linien?", ""]


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def make_run(folder: Path, sources: list[str], references: list[str]) -> RunFolder:
    run = RunFolder(folder)
    for path, lines in zip(run.text("test"), (sources, references), strict=True):
        write(path, lines)
    return run


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of sacrebleu's, which it reads from the environment when it is imported."""
    folder = tmp_path / "sacrebleu"
    monkeypatch.setattr("sacrebleu.dataset.base.SACREBLEU_DIR", str(folder))
    monkeypatch.setattr(testsets, "SACREBLEU_DIR", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    return folder


def publish(monkeypatch: pytest.MonkeyPatch, url: str, md5: str, name: str = "tiny/dev") -> None:
    """Let sacrebleu know of a test set with two references, to be downloaded from an address."""
    files = {"en-de": ["tiny/source", "tiny/first", "tiny/second"], "de-en": ["tiny/first", "tiny/source"]}
    dataset = PlainTextDataset(name, data=[url], md5=[md5], langpairs=files)
    monkeypatch.setattr(dataset, "fieldnames", lambda pair: ["src", "ref:A", "ref:B"][: len(files[pair])])
    monkeypatch.setitem(DATASETS, name, dataset)


def make_archive(folder: Path) -> Path:
    for name, lines in (("source", SOURCES), ("first", FIRST), ("second", SECOND)):
        write(folder / "tiny" / name, lines)
    with tarfile.open(folder / "tiny.tar.gz", "w:gz") as archive:
        archive.add(folder / "tiny", "tiny")
    return folder / "tiny.tar.gz"


def md5_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_files(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, lines) for name, lines in (("a.en", SOURCES), ("a.de", FIRST), ("b.de", SECOND))]
    assert file_text(*paths) == ScoredText("a.en", SOURCES, [FIRST, SECOND])
    assert file_text(*paths[:2], name="x") == ScoredText("x", SOURCES, [FIRST])
    with pytest.raises(DataError, match=r"a\.en.*b\.de.*found 3 and 2"):
        file_text(*paths[:2], write(tmp_path / "b.de", SECOND[:2]))


def test_runs_with_the_same_text(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, SOURCES, FIRST) for name in "abc"]
    assert own_text(runs) == own_text(runs[:1]) == ScoredText("test.source", SOURCES, [FIRST])


@pytest.mark.parametrize(
    ("sources", "references", "words"),
    [
        (SOURCES[:2], FIRST[:2], "3 and 2 lines"),
        (SOURCES, [FIRST[0], "Zwei", FIRST[2]], "line 2 is the first to differ"),
        (["Some line.", *SOURCES[1:]], FIRST, "line 1 is the first to differ"),
    ],
)
def test_runs_with_different_text(tmp_path: Path, sources: list[str], references: list[str], words: str) -> None:
    runs = [make_run(tmp_path / "a", SOURCES, FIRST), make_run(tmp_path / "b", SOURCES, FIRST)]
    runs.append(make_run(tmp_path / "c", sources, references))
    with pytest.raises(DataError, match=words) as error:
        own_text(runs)
    first, second = str(error.value).splitlines()
    assert str(tmp_path / "a") in first
    assert str(tmp_path / "c") in first
    assert "data.test=SOURCE_FILE,TARGET_FILE" in second


def test_a_named_test_set_is_fetched_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path)
    publish(monkeypatch, archive.as_uri(), md5_of(archive))
    labels = {"test": "tiny/dev", "lang": "en-de"}
    expected = ScoredText("tiny_dev.en-de", [*SOURCES[:2], ""], [FIRST, SECOND], labels, "de")
    text = named_text("tiny/dev", "en-de")
    # sacrebleu strips white space at the end of a line, U+2028 too.
    assert text == expected
    assert named_text("tiny/dev", "de-en").target_language == "en"
    archive.unlink()
    assert named_text("tiny/dev", "en-de") == expected
    assert (cache / "tiny/dev/tiny_dev.en-de.src").is_file()
    assert not (cache_folder() / "tiny").exists()


def test_an_archive_is_unpacked_into_its_folder_only(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "tiny.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(write(tmp_path / "line", FIRST), "../../../outside")
    publish(monkeypatch, archive.as_uri(), md5_of(archive))
    before = vars(tarfile.TarFile)["extraction_filter"]
    with pytest.raises(DataError, match="could not be fetched"):
        named_text("tiny/dev", "en-de")
    assert not list(tmp_path.rglob("outside"))
    assert vars(tarfile.TarFile)["extraction_filter"] is before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wmt71", "did you mean .*, wmt17, "),
        ("flickr2016", r"did you mean multi30k/2016\?"),
        ("zzz", "sacrebleu --list"),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        named_text(name, "en-de")
    assert f"data.testset={name}" in str(error.value)


def test_an_unknown_language_pair_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"data\.language_pair=en-ko: wmt17 has cs-en, de-en, en-cs, en-de"):
        named_text("wmt17", "en-ko")


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def two_lines(error: "pytest.ExceptionInfo[DataError]", cache: Path) -> str:
    first, second = str(error.value).splitlines()
    assert first.startswith("tiny/dev en-de could not be fetched: ")
    assert str(cache / "tiny/dev") in second
    return first


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"http://127.0.0.1:{closed_port()}/tiny.tar.gz", "0" * 32)
    with pytest.raises(DataError) as error:
        named_text("tiny/dev", "en-de")
    assert "refused" in two_lines(error, cache)


def test_a_silent_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testsets, "_SILENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        publish(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}/tiny.tar.gz", "0" * 32)
        with pytest.raises(DataError) as error:
            named_text("tiny/dev", "en-de")
    assert "timed out" in two_lines(error, cache)
    assert socket.getdefaulttimeout() is None


def test_a_download_that_is_not_what_was_expected(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, make_archive(tmp_path).as_uri(), "0" * 32)
    with pytest.raises(DataError) as error:
        named_text("tiny/dev", "en-de")
    assert "not what was expected" in two_lines(error, cache)


def test_a_damaged_archive(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path)
    archive.write_bytes(archive.read_bytes()[:100])
    publish(monkeypatch, archive.as_uri(), md5_of(archive))
    with pytest.raises(DataError) as error:
        named_text("tiny/dev", "en-de")
    two_lines(error, cache)


def test_a_copy_in_the_cache_that_is_cut_off(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path)
    publish(monkeypatch, archive.as_uri(), md5_of(archive))
    named_text("tiny/dev", "en-de")
    write(cache / "tiny/dev/tiny_dev.en-de.ref-B", SECOND[:1])
    with pytest.raises(DataError, match=r"tiny_dev\.en-de\.ref-B, found 3 and 1"):
        named_text("tiny/dev", "en-de")


def test_a_signal_is_no_failure_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: str) -> str:
        raise Interrupted(15)

    monkeypatch.setattr(testsets, "get_source_file", interrupted)
    with pytest.raises(Interrupted):
        named_text("wmt17", "en-de")
