import dataclasses
import gzip
from pathlib import Path

import pytest

from download_server import SHA256, Server
from s2s.config.data import Corpus, DataConfig
from s2s.data.corpora.multi30k import MULTI30K, multi30k_paths
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError
from small_corpora import PAIRS, cleaned
from small_corpora import written as written_pairs


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_the_table_is_complete() -> None:
    languages, splits = ("en", "de", "fr", "cs"), ("train", "val", "test_2016_flickr")
    assert set(MULTI30K) == {f"{split}.{language}.gz" for language in languages for split in splits}
    assert len(set(MULTI30K.values())) == 12
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in MULTI30K.values())


def test_multi30k_from_a_folder(tmp_path: Path) -> None:
    english = written(tmp_path / "train.en.gz", gzip.compress(b"one\n"))
    german = written(tmp_path / "train.de", b"eins\n")
    written(tmp_path / "val.de", b"zwei\n")
    written(tmp_path / "README.md", b"")
    assert multi30k_paths(tmp_path, tmp_path, "train", "en", "de") == (english, german)
    with pytest.raises(
        DataError, match=r"expected train\.fr\.gz or train\.fr in .*, found languages de, en; splits train, val"
    ):
        multi30k_paths(tmp_path, tmp_path, "train", "en", "fr")


def test_multi30k_from_an_empty_or_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no file named like train\.en\.gz"):
        multi30k_paths(tmp_path, tmp_path, "val", "en", "de")
    with pytest.raises(DataError, match="found no such folder"):
        multi30k_paths(tmp_path / "nowhere", tmp_path, "val", "en", "de")


def test_multi30k_from_the_network(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("val.en.gz", "val.de.gz"):
        monkeypatch.setitem(MULTI30K, name, SHA256)
    paths = multi30k_paths(None, tmp_path, "val", "en", "de", base_url=f"{server.url}/raw")
    assert paths == (tmp_path / "multi30k" / "val.en.gz", tmp_path / "multi30k" / "val.de.gz")
    assert server.paths == ["/raw/val.en.gz", "/raw/val.de.gz"]


def test_multi30k_has_no_korean(tmp_path: Path) -> None:
    message = r"got train\.ko\.gz; it has languages cs, de, en, fr; splits test_2016_flickr, train, val"
    with pytest.raises(DataError, match=message):
        multi30k_paths(None, tmp_path, "train", "ko", "en", base_url="http://127.0.0.1:1")


# ----------------------------------------------------------------------------------------------------------------------
# The whole corpus


def corpus_of(root: Path, *, is_gzip: bool) -> DataConfig:
    for split, pairs in (("train", PAIRS[:40]), ("val", PAIRS[40:47]), ("test_2016_flickr", PAIRS[47:50])):
        # The languages stand in for two of Multi30k's, of which this folder has what it has.
        names = written_pairs(root, split, pairs, is_gzip=is_gzip)
        for name in names:
            path = Path(name)
            path.rename(path.with_name(path.name.replace(".ko", ".de")))
    return DataConfig(corpus=Corpus.multi30k, source_language="de", target_language="en", root=str(root))


@pytest.mark.parametrize("is_gzip", [True, False])
def test_the_corpus_of_a_folder(tmp_path: Path, is_gzip: bool) -> None:
    config = corpus_of(tmp_path / "root", is_gzip=is_gzip)
    corpus = cleaned(config, seed=1)
    assert (corpus.train, corpus.dev, corpus.test) == (PAIRS[:40], PAIRS[40:47], PAIRS[47:50])
    other = cleaned(dataclasses.replace(config, source_language="en", target_language="de"), seed=1)
    assert other.test == [Pair(pair.target, pair.source) for pair in PAIRS[47:50]]


def test_multi30k_without_a_language_is_an_error(tmp_path: Path) -> None:
    config = dataclasses.replace(corpus_of(tmp_path / "root", is_gzip=True), target_language="fr")
    with pytest.raises(DataError, match=r"expected train\.fr\.gz or train\.fr in .*found languages de, en"):
        cleaned(config, seed=1)
