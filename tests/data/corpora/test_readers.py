import dataclasses
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from s2s.config.data import Corpus, DataConfig, Split, SubwordsConfig
from s2s.data.prepare import prepare, read_text
from s2s.data.text.parallel_text import Pair
from small_corpora import PAIRS


@pytest.mark.parametrize("corpus", Corpus)
def test_every_corpus_has_a_reader_in_the_module_of_its_name(corpus: Corpus) -> None:
    assert callable(import_module(f"s2s.data.corpora.{corpus.name}").build_reader)


@dataclasses.dataclass(frozen=True)
class Toy:
    """All that a reader needs: pairs in three chunks, a test set, and no dev set."""

    seed: int
    given_splits: tuple[Split, ...] = (Split.test,)
    num_distinct: None = None

    @property
    def key(self) -> dict[str, Any]:
        return {"toy": self.seed}

    def chunks(self) -> Iterable[int]:
        return range(3)

    def read_chunk(self, chunk: int) -> list[Pair]:
        return PAIRS[chunk:50:3]

    def read_split(self, split: Split) -> list[Pair]:
        assert split is Split.test
        return PAIRS[50:]


def test_a_corpus_from_outside_is_prepared_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file, and its name in the choices of `data.corpus`, are all it takes."""
    module = ModuleType("s2s.data.corpora.toy")
    module.build_reader = lambda config, seed: Toy(seed)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "s2s.data.corpora.toy", module)
    config = DataConfig(corpus=SimpleNamespace(name="toy"), dev_pairs=7, cache=str(tmp_path))  # type: ignore[arg-type]
    monkeypatch.setattr("s2s.workers.num_cores", lambda: 1)
    text = read_text(config, seed=1)
    found = prepare(config, SubwordsConfig(vocabulary_size=120), seed=1, max_pieces=40, text=text)
    assert (found.num_train, len(found.dev), found.test) == (43, 7, PAIRS[50:])
    assert text.notes == [
        "kept 50 of 50 pairs (dropped: 0 empty, 0 too long, 0 length ratio, 0 duplicates)",
        "cut 7 pairs for dev out of the 50 training pairs, by seed 1",
    ]
