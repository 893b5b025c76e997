"""TODO: say what s2s.data.vocabulary.learn is."""

import logging
from collections.abc import Iterable, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any

from s2s.config.data import Corpus, DataConfig, SubwordsConfig
from s2s.data.text.corpus import ParallelCorpus, read_chunk
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.labels import Labels
from s2s.data.vocabulary.subwords import VERSION, Subwords, sample_stride, train_subwords
from s2s.errors import DataError, RunError
from s2s.files import write_bytes

_logger = logging.getLogger(__name__)


# ----------------------------------------------------------------------------------------------------------------------
# Pieces


def _learnt(
    data: DataConfig, config: SubwordsConfig, corpus: ParallelCorpus
) -> tuple[Subwords, Subwords | Labels, list[str]]:
    """`build_subwords`, or `build_labelled`, or what it gave before."""
    names = ("source", "target")
    is_labelled = data.corpus is Corpus.labelled
    cut = [*(() if data.dev else corpus.dev), *(() if data.test else corpus.test)]
    learn = partial(build_labelled, cut_labels={pair.target for pair in cut}) if is_labelled else build_subwords

    def build(folder: Path) -> dict[str, Any]:
        _logger.info("learning subwords from %s %s", f"{corpus.num_train:,}", "texts" if is_labelled else "pairs")
        chunks = map(read_chunk, corpus.chunks)
        source, target, notes = learn(config, chunks, corpus.num_train)
        for name, vocabulary in zip(names, (source, target), strict=True):
            write_bytes(folder / name, vocabulary.model)
        return {"notes": notes}

    key = {
        "text": corpus.entry.name,
        "library": VERSION,
        "kind": config.kind.name,
        "shared": "labelled" if is_labelled else config.shared,
        "vocabulary_size": config.vocabulary_size,
        "character_coverage": config.character_coverage,
    }
    entry = corpus.cache.entry("subwords", key, build)
    try:
        source = Subwords.load(entry.path / "source")
        target: Subwords | Labels = source
        if is_labelled:
            target = Labels.load(entry.path / "target")
        elif not config.shared:
            target = Subwords.load(entry.path / "target")
    except RunError as error:
        raise DataError(
            f"{error}\nIt vanished from the cache, or was damaged there; remove {entry.path}, if it is still "
            "there, and give the same command again."
        ) from error
    return source, target, entry.facts["notes"]


def build_subwords(
    config: SubwordsConfig, chunks: Iterable[Sequence[Pair]], num_pairs: int
) -> tuple[Subwords, Subwords, list[str]]:
    """Learn the pieces of both sides from training pairs; one and the same object where they are shared.

    Args:
        chunks: the pairs, in order; of the lines of both sides, one side after the other, or of each side where they
            are not shared, at most a million are kept in memory.
        num_pairs: in all chunks.

    Returns:
        Source subwords, target subwords, and messages for the user.

    Raises:
        DataError: the text is too small to learn any pieces from.
    """
    stride = sample_stride(2 * num_pairs if config.shared else num_pairs)
    sides: tuple[list[str], list[str]] = [], []
    # Lines 0, stride, 2 * stride ... of the text; shared text goes on with the targets where the sources end.
    starts = [0, num_pairs if config.shared else 0]
    for pairs in chunks:
        for side in (0, 1):
            sides[side].extend(pair[side] for pair in pairs[-starts[side] % stride :: stride])
            starts[side] += len(pairs)
    trained = [_trained(config, text) for text in ([[*sides[0], *sides[1]]] if config.shared else sides)]
    notes = [message for _, message in trained if message]
    return trained[0][0], trained[-1][0], notes


def build_labelled(
    config: SubwordsConfig, chunks: Iterable[Sequence[Pair]], num_texts: int, *, cut_labels: Set[str]
) -> tuple[Subwords, Labels, list[str]]:
    """Learn the pieces of texts, and the labels that there are; other arguments and errors as in `build_subwords`.

    Args:
        cut_labels: those of texts that were cut out of the training text: a rare one may be left in them alone.
    """
    stride, start = sample_stride(num_texts), 0
    texts: list[str] = []
    learnt: set[str] = set()
    for pairs in chunks:
        texts.extend(pair.source for pair in pairs[-start % stride :: stride])
        learnt.update(pair.target for pair in pairs)
        start += len(pairs)
    subwords, message = _trained(config, texts)
    notes = [message] if message else []
    if rare := sorted(cut_labels - learnt):
        notes.append(f"labels that no training text is left with, only dev or test: {', '.join(rare[:10])}")
    return subwords, Labels.of(learnt | cut_labels), notes


def _trained(config: SubwordsConfig, text: list[str]) -> tuple[Subwords, str | None]:
    return train_subwords(
        text,
        vocabulary_size=config.vocabulary_size,
        kind=config.kind,
        character_coverage=config.character_coverage,
    )


Vocabularies = tuple[Subwords, Subwords | Labels]
"""Of source and target; of a labelled corpus the subwords of the texts, and the labels.

Both kinds have `model` (all of it as bytes, which the constructor takes and a run keeps in a file), `load`, a length,
`all_pieces()`, the names of the ids, and `resample`. For all else one has to ask which kind it is.
"""
