"""Vocabularies learnt from training text: subwords of both sides, or of texts, whose labels are the other side."""

import logging
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tqdm import tqdm

from s2s.config.data import SubwordsConfig
from s2s.data.text.clean_text import CleanText, unpack_sides
from s2s.data.vocabulary.labels import Labels
from s2s.data.vocabulary.subwords import Subwords, sample_stride, train_subwords
from s2s.errors import DataError, RunError
from s2s.files import write_bytes

_logger = logging.getLogger(__name__)
_TICK_S = 0.5
Sides = tuple[Sequence[str], Sequence[str]]
"""Sources and targets of a chunk."""
Vocabularies = tuple[Subwords, Subwords | Labels]
"""Of source and target; of a labelled corpus the subwords of the texts, and the labels.

Both kinds have `model` (all of it as bytes, which the constructor takes and a run keeps in a file), `load`, a length,
and `all_pieces()`, the names of the ids. For all else one has to ask which kind it is.
"""


def learn_vocabularies(folder: Path, text: CleanText, config: SubwordsConfig, is_labelled: bool) -> dict[str, Any]:
    """Learn the vocabularies of a text, and write them as `source` and `target`.

    Returns:
        notes: messages for the user.

    Raises:
        DataError: the text is too small to learn any pieces from, or has no usable labels.
    """
    _logger.info("learning subwords from %s %s", f"{text.num_train:,}", "texts" if is_labelled else "pairs")
    chunks = (unpack_sides(path.read_bytes()) for path in text.chunks)
    target: Subwords | Labels
    with _clock("learning subwords"):
        if is_labelled:
            cut_labels = {pair.target for split in text.cut for pair in text.held_out[split]}
            source, target, notes = learn_labelled(config, chunks, text.num_train, cut_labels)
        else:
            source, target, notes = learn_subwords(config, chunks, text.num_train)
    write_bytes(folder / "source", source.model)
    write_bytes(folder / "target", target.model)
    return {"notes": notes}


@contextmanager
def _clock(title: str) -> Iterator[None]:
    """Show the time that a block takes, where stderr is a terminal: sentencepiece says nothing while it learns."""
    with tqdm(desc=title, bar_format="{desc}: {elapsed}", leave=False, disable=None) as bar:
        if bar.disable:
            yield
            return
        is_over = Event()

        def tick() -> None:
            while not is_over.wait(_TICK_S):
                bar.refresh()

        ticking = Thread(target=tick, daemon=True)
        ticking.start()
        try:
            yield
        finally:
            is_over.set()
            ticking.join()


def load_learnt(folder: Path, is_labelled: bool, is_shared: bool) -> Vocabularies:
    """What `learn_vocabularies` has written.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        source = Subwords.load(folder / "source")
        if is_labelled:
            return source, Labels.load(folder / "target")
        return source, source if is_shared else Subwords.load(folder / "target")
    except RunError as error:
        raise DataError(
            f"{error}\nIt vanished from the cache, or was damaged there; remove {folder}, if it is still there, and "
            "give the same command again."
        ) from error


def learn_subwords(
    config: SubwordsConfig, chunks: Iterable[Sides], num_pairs: int
) -> tuple[Subwords, Subwords, list[str]]:
    """Learn the pieces of both sides; one and the same object where they are shared.

    Args:
        chunks: of the lines of both sides, one side after the other, or of each side where they are not shared, at most
            a million are kept in memory.
        num_pairs: in all chunks.

    Returns:
        Source subwords, target subwords, and messages for the user.

    Raises:
        DataError: the text is too small to learn any pieces from.
    """
    stride = sample_stride(2 * num_pairs if config.shared else num_pairs)
    sampled: tuple[list[str], list[str]] = [], []
    # Lines 0, stride, 2 * stride ... of the text; shared text goes on with the targets where the sources end.
    starts = [0, num_pairs if config.shared else 0]
    for sides in chunks:
        for index, lines in enumerate(sides):
            sampled[index].extend(lines[-starts[index] % stride :: stride])
            starts[index] += len(lines)
    texts = [[*sampled[0], *sampled[1]]] if config.shared else sampled
    learnt = [_train(config, text) for text in texts]
    return learnt[0][0], learnt[-1][0], [note for _, note in learnt if note]


def learn_labelled(
    config: SubwordsConfig, chunks: Iterable[Sides], num_texts: int, cut_labels: Set[str]
) -> tuple[Subwords, Labels, list[str]]:
    """Learn the pieces of texts, and the labels that there are; other arguments and errors as in `learn_subwords`.

    Args:
        cut_labels: those of texts that were cut out of the training text: a rare one may be left in them alone.
    """
    stride, start = sample_stride(num_texts), 0
    sampled: list[str] = []
    found: set[str] = set()
    for texts, labels in chunks:
        sampled.extend(texts[-start % stride :: stride])
        found.update(labels)
        start += len(texts)
    subwords, message = _train(config, sampled)
    notes = [message] if message else []
    if rare := sorted(cut_labels - found):
        notes.append(f"labels that no training text is left with, only dev or test: {', '.join(rare[:10])}")
    return subwords, Labels.of(found | cut_labels), notes


def _train(config: SubwordsConfig, text: list[str]) -> tuple[Subwords, str | None]:
    return train_subwords(
        text,
        vocabulary_size=config.vocabulary_size,
        kind=config.kind,
        character_coverage=config.character_coverage,
    )
