"""Options of the corpus and of its subwords."""

import dataclasses
import enum
from dataclasses import dataclass
from pathlib import Path

from s2s.config.options import FittedInt, Options, Takes, option
from s2s.errors import ConfigError


class Corpus(enum.Enum):
    """Where sentence pairs, or texts with their labels, come from."""

    phrasebook = "phrasebook"
    multi30k = "multi30k"
    files = "files"
    labelled = "labelled"


class Split(enum.Enum):
    """A part of the phrasebook; no two share a sentence, or a clause."""

    train = "train"
    dev = "dev"
    test = "test"


class SubwordKind(enum.Enum):
    """How sentencepiece finds its pieces."""

    unigram = "unigram"
    bpe = "bpe"
    word = "word"


def check_files(name: str, files: list[str], sides: str) -> None:
    """Check that an option names two files, or one that holds both sides; `sides` is how two of them are written."""
    if len(files) > 2:
        raise ConfigError(f"{name} takes {sides}, or one file with a tab between the two, but got {len(files)} files")


@dataclass
class DataConfig(Options):
    """Which sentence pairs, or labelled texts, to learn from."""

    corpus: Corpus = option(
        Corpus.phrasebook,
        "phrasebook (built in), multi30k (public), files (your own), or labelled (your own, for task=classify)",
    )
    source_language: str = option("ko", "language of the source; for files only a label")
    target_language: str = option("en", "language of the target; for files only a label")
    train: list[str] = option(
        [],
        "files: SOURCE,TARGET; labelled: TEXT,LABEL; plain or .gz; or one file, a tab between the two",
        takes=Takes.file,
    )
    dev: list[str] = option([], "like train; left out: cut from train", takes=Takes.file)
    test: list[str] = option([], "like train; left out: cut from train", takes=Takes.file)
    root: str | None = option(
        None, "multi30k: a folder that holds its files; left out: download into the cache", takes=Takes.folder
    )
    cache: str | None = option(
        None,
        "folder for downloads and prepared text; left out: $S2S_CACHE, or s2s in the user's cache folder",
        takes=Takes.folder,
    )
    train_pairs: int = option(150_000, "phrasebook: distinct training pairs", low=1, high=1_000_000_000)
    dev_pairs: int | None = option(
        1000,
        "pairs of a dev set that is generated or cut; null: 5 % of train are cut, from 50 to 1000",
        low=1,
        high=1_000_000_000,
    )
    dev_share: float | None = option(
        None, "files and labelled: share of train that is cut as dev, instead of dev_pairs", low=0.001, high=0.9
    )
    test_pairs: int | None = option(1000, "of a test set, likewise", low=1, high=1_000_000_000)
    clean: bool = option(True, "drop bad training pairs; dev and test are never filtered")
    max_words: int = option(100, "pairs with a longer side, in words, are dropped (clean)", low=1, high=1_000_000)
    max_characters: int = option(
        600, "pairs with a longer side, in characters, are dropped (clean)", low=1, high=1_000_000
    )
    max_length_ratio: float = option(
        6.0, "pairs with a larger ratio of their sides, in UTF-8 bytes, are dropped (clean)", low=1, high=1_000_000
    )

    def check(self) -> None:
        is_own = self.corpus in (Corpus.files, Corpus.labelled)
        sides = "TEXT_FILE,LABEL_FILE" if self.corpus is Corpus.labelled else "SOURCE_FILE,TARGET_FILE"
        if is_own and not self.train:
            raise ConfigError(f"data={self.corpus.name} needs data.train={sides}; nothing was given")
        if not is_own and (self.train or self.dev or self.test):
            raise ConfigError(
                "data.train, data.dev and data.test belong to data=files and data=labelled, not to "
                f"data={self.corpus.name}"
            )
        for name, files in (("train", self.train), ("dev", self.dev), ("test", self.test)):
            check_files(f"data.{name}", files, sides)
        if not is_own and None in (self.dev_pairs, self.test_pairs):
            raise ConfigError(
                "data.dev_pairs=null and data.test_pairs=null cut a share out of files of your own; "
                f"data={self.corpus.name} needs numbers"
            )
        if self.dev_share is not None and (self.dev or not is_own):
            raise ConfigError(
                "data.dev_share cuts a dev set out of files of your own; there is one already: add data.dev_share=null"
            )
        if self.corpus is Corpus.multi30k and self.source_language == self.target_language:
            raise ConfigError(f"data.source_language and data.target_language are both {self.source_language}")


@dataclass
class SubwordsConfig(Options):
    """How text is cut into pieces."""

    kind: SubwordKind = option(
        SubwordKind.unigram, "unigram, bpe, or word (the most frequent words, uncut; a run of others is one <unk>)"
    )
    shared: bool = option(True, "one vocabulary for both languages")
    vocabulary_size: FittedInt = option(
        8000,
        "pieces of each vocabulary, lowered where the corpus has fewer; null: fits the text",
        low=8,
        high=1_000_000,
    )
    character_coverage: float = option(0.9995, "share of the training characters that get a piece", low=0.9, high=1)
    sampling: bool = option(
        False,
        "segment training text at random, anew every time it is read (subword regularization)",
        only=[SubwordKind.unigram, SubwordKind.bpe],
    )
    sampling_alpha: float = option(
        0.1,
        "sampling: unigram, sharpness (0: all cuts alike); bpe, share of merges left out",
        low=0,
        high=1,
        needs="sampling",
    )


def portable(data: DataConfig) -> DataConfig:
    """The same options with every path cut down to its last name, so that a run folder names no place on one machine.

    The files themselves are told apart by the fingerprint of their content, kept in the run folder as well.
    """
    return dataclasses.replace(
        data,
        train=[Path(name).name for name in data.train],
        dev=[Path(name).name for name in data.dev],
        test=[Path(name).name for name in data.test],
        root=data.root and Path(data.root).name,
        cache=None,
    )
