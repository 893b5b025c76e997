"""From a choice of data to what a model trains on: read, clean, split, learn the vocabulary, encode.

Each stage is a function that writes into a folder, and the folder is kept in a cache. The text is worked on in chunks,
by all cores; the result depends neither on their number nor on whether it came from the cache.
"""

import hashlib
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from s2s.config.data import Corpus, DataConfig, Split, SubwordsConfig
from s2s.data.cache import Cache
from s2s.data.encode import encode_text, open_ids
from s2s.data.text.clean_text import CleanText, write_clean_text
from s2s.data.text.cleaning import build_cleaning_rules
from s2s.data.text.corpus_reader import CorpusReader
from s2s.data.text.download import cache_folder
from s2s.data.text.parallel_text import Pair, paths_of
from s2s.data.token_store import TokenStore
from s2s.data.vocabulary.labels import Labels, classes_of
from s2s.data.vocabulary.learn import Vocabularies, learn_vocabularies, load_learnt
from s2s.data.vocabulary.subwords import VERSION, Subwords


@dataclass(frozen=True)
class Prepared:
    """All that a run takes from its data.

    Attributes:
        train_source: ids of the training sources; those of pairs that are too long are left out.
        train_target: of the training targets, line by line.
        dev: pairs as text, unfiltered.
        test: likewise.
        source: subwords of the sources.
        target: of the targets; the same object where they are shared. Of a labelled corpus: the labels, which are ids
            of one class each in `train_target`.
        num_train: training pairs before any was left out as too long.
        sha256: of all pairs in their order.
        notes: what a user should know about vocabularies and ids; `CleanText.notes` says it of the text.
    """

    train_source: TokenStore
    train_target: TokenStore
    dev: list[Pair]
    test: list[Pair]
    source: Subwords
    target: Subwords | Labels
    num_train: int
    sha256: str
    notes: list[str]


def prepare(
    config: DataConfig,
    subwords: SubwordsConfig,
    *,
    seed: int,
    max_pieces: int,
    given: Vocabularies | None = None,
    text: CleanText | None = None,
    is_cache_checked: bool = True,
) -> Prepared:
    """Read the pairs, clean and split them, learn subwords, and encode the training text; or find it in the cache.

    Args:
        seed: of what is generated or held out.
        max_pieces: training pairs with a longer side are left out; labelled texts are cut.
        given: subwords (and labels) to encode with, instead of learning new ones.
        text: what `read_text` returns for the other arguments, where that has been called already.
        is_cache_checked: False where another process of this machine has just found the cache undamaged.

    Raises:
        DataError: a file is missing, malformed, empty, or cannot be downloaded; nothing is left after cleaning or
            within max_pieces; the text is too small to learn from; a text has a label that the given ones, or those
            of the training text, do not have; or the cache cannot be written.
    """
    cache = _cache(config, is_checked=is_cache_checked)
    text = text or build_clean_text(config, seed, cache)
    dev, test = text.held_out[Split.dev], text.held_out[Split.test]
    notes: list[str] = []

    is_labelled = config.corpus is Corpus.labelled
    if given is None:
        key: dict[str, Any] = {
            "text": text.name,
            "library": VERSION,
            "kind": subwords.kind.name,
            "shared": "labelled" if is_labelled else subwords.shared,
            "vocabulary_size": subwords.vocabulary_size,
            "character_coverage": subwords.character_coverage,
        }
        learnt = cache.entry("subwords", key, learn_vocabularies, text, subwords, is_labelled)
        given = load_learnt(learnt.path, is_labelled, subwords.shared)
        notes += learnt.facts["notes"]
    source, target = given
    if isinstance(target, Labels):  # now, and not after hours of training
        for pairs, files in ((dev, config.dev), (test, config.test)):
            classes_of(pairs, target, paths_of(files) if files else None)

    models = [hashlib.sha256(side.model).hexdigest() for side in given]
    key = {"text": text.name, "library": VERSION, "models": models, "max_pieces": max_pieces}
    ids = cache.entry("ids", key, encode_text, text, source, target, max_pieces)
    train_source, train_target = open_ids(ids.path, ids.facts)
    if ids.facts["num_dropped"]:
        what = "texts without a piece" if is_labelled else f"pairs longer than training.{max_pieces=}"
        notes.append(f"left out {ids.facts['num_dropped']} {what}")
    if ids.facts["num_cut"]:
        notes.append(f"cut {ids.facts['num_cut']} texts to training.{max_pieces=}")
    return Prepared(train_source, train_target, dev, test, source, target, text.num_train, ids.facts["sha256"], notes)


def read_text(config: DataConfig, seed: int) -> CleanText:
    """The first half of `prepare`: read, clean and split the pairs, or find them in the cache.

    Raises:
        DataError: as in `prepare`.
    """
    return build_clean_text(config, seed, _cache(config))


def _cache(config: DataConfig, *, is_checked: bool = True) -> Cache:
    return Cache(cache_folder(config.cache) / "prepared", is_checked=is_checked)


def build_clean_text(config: DataConfig, seed: int, cache: Cache) -> CleanText:
    """Read the pairs, clean those for training, and cut dev and test out of them where they are not given.

    Raises:
        DataError: as in `prepare`.
    """
    # Each corpus is read by the module of its name.
    reader: CorpusReader = import_module(f"s2s.data.corpora.{config.corpus.name}").build_reader(config, seed)
    rules = build_cleaning_rules(config)
    sizes = {Split.dev: config.dev_share or config.dev_pairs, Split.test: config.test_pairs}
    cut = {split: size for split, size in sizes.items() if split not in reader.given_splits}
    key: dict[str, Any] = {
        "corpus": reader.key,
        "clean": rules and vars(rules),
        "cut": {"seed": seed, **{split.name: size for split, size in cut.items()}} if cut else None,
    }
    unit = "text" if config.corpus is Corpus.labelled else "pair"
    if unit != "pair":  # of which the entry's messages speak
        key["unit"] = unit
    entry = cache.entry("text", key, write_clean_text, reader, rules, cut, seed, unit)
    with cache.checked():
        return CleanText.open(entry.path, entry.facts)
