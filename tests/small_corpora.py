"""Small corpora for the tests of data, and what comes of them."""

import gzip
import itertools
from pathlib import Path
from typing import NamedTuple

from s2s.config.data import Corpus, DataConfig, Split
from s2s.data.cache import Cache
from s2s.data.prepare import build_clean_text
from s2s.data.text.clean_text import unpack_sides
from s2s.data.text.download import cache_folder
from s2s.data.text.parallel_text import Pair

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
    """The pairs of a corpus, cleaned and split."""

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    notes: list[str]


def cleaned(config: DataConfig, seed: int) -> Text:
    text = build_clean_text(config, seed, Cache(cache_folder(config.cache) / "prepared"))
    train = [pair for path in text.chunks for pair in map(Pair, *unpack_sides(path.read_bytes()))]
    assert text.num_train == len(train)
    return Text(train, text.held_out[Split.dev], text.held_out[Split.test], text.notes)


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
