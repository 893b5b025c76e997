"""The road from a choice of data to what a model trains on: text, pieces, ids.

Text is worked on in chunks, by all cores, and what comes of it is kept in a cache: the clean text, the subwords learnt
from it, and the ids. The result depends neither on the number of cores nor on whether it came from the cache.
"""

from dataclasses import dataclass

from s2s.config.data import DataConfig, SubwordsConfig
from s2s.data.encode import _encoded
from s2s.data.text.corpus import build_corpus, paths_of
from s2s.data.text.parallel_text import Pair
from s2s.data.token_store import TokenStore
from s2s.data.vocabulary.labels import Labels, classes_of
from s2s.data.vocabulary.learn import Vocabularies, _learnt
from s2s.data.vocabulary.subwords import Subwords


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
        notes: what a user should know about how all this came to be.
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
) -> Prepared:
    """Get the pairs, learn subwords, and encode the training text; or find all that in the cache.

    Args:
        seed: of what is generated or held out.
        max_pieces: training pairs with a longer side are left out; labelled texts are cut.
        given: subwords (and labels) to encode with, instead of learning new ones.

    Raises:
        DataError: a file is missing, malformed, empty, or cannot be downloaded; nothing is left after cleaning or
            within max_pieces; the text is too small to learn from; a text has a label that the given ones, or those
            of the training text, do not have; or the cache cannot be written.
    """
    corpus = build_corpus(config, seed)
    notes = list(corpus.notes)
    if given is None:
        source, target, learnt_notes = _learnt(config, subwords, corpus)
        notes += learnt_notes
    else:
        source, target = given
    if isinstance(target, Labels):  # now, and not after hours of training
        for pairs, files in ((corpus.dev, config.dev), (corpus.test, config.test)):
            classes_of(pairs, target, paths_of(files) if files else None)
    train_source, train_target, facts = _encoded(corpus, source, target, max_pieces)
    if facts["num_dropped"]:
        what = "texts without a piece" if isinstance(target, Labels) else f"pairs longer than training.{max_pieces=}"
        notes.append(f"left out {facts['num_dropped']} {what}")
    if facts["num_cut"]:
        notes.append(f"cut {facts['num_cut']} texts to training.{max_pieces=}")
    return Prepared(
        train_source, train_target, corpus.dev, corpus.test, source, target, corpus.num_train, corpus.sha256, notes
    )
