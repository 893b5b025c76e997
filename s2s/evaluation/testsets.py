"""The text that a run is scored on: its own test set, two files, or one of sacrebleu's test sets by name."""

import difflib
import socket
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sacrebleu import (
    SACREBLEU_DIR,
    get_available_testsets,
    get_langpairs_for_testset,
    get_reference_files,
    get_source_file,
)

from s2s.config.decoding import ScoredData
from s2s.data.text.parallel_text import read_pairs
from s2s.errors import ConfigError, DataError, S2SError
from s2s.runs.folder import RunFolder

_SILENCE_S = 30.0  # sacrebleu sets no limit of its own: a network that swallows everything would be waited for forever


@dataclass(frozen=True)
class ScoredText:
    """What to translate, and how it should have been translated.

    Attributes:
        name: what files of its translations are called.
        sources: its lines.
        references: one or more translations of all lines.
        labels: what the signatures of its scores add.
        target_language: by which sacrebleu chooses BLEU's tokenizer, as for its own test sets; empty: 13a.
    """

    name: str
    sources: list[str]
    references: list[list[str]]
    labels: dict[str, str] = field(default_factory=dict)
    target_language: str = ""


def read_scored_text(data: ScoredData, runs: Sequence[RunFolder]) -> ScoredText:
    """The text of two files, or one of sacrebleu's test sets, or else the test set that the runs share."""
    if data.testset is not None and data.language_pair is not None:
        return named_text(data.testset, data.language_pair)
    return file_text(*map(Path, data.test)) if data.test else own_text(runs)


def file_text(source: Path, *references: Path, name: str | None = None) -> ScoredText:
    """The text of two or more files.

    Raises:
        DataError: one is missing, or they differ in the number of lines.
    """
    sides = [list(zip(*read_pairs(source, reference), strict=True)) for reference in references]
    return ScoredText(name or source.name, list(sides[0][0]), [list(targets) for _, targets in sides])


def own_text(runs: Sequence[RunFolder]) -> ScoredText:
    """The test set that is kept in each of these runs.

    Raises:
        DataError: they have different ones, or one cannot be read.
    """
    first, *others = (file_text(*run.kept_text("test")) for run in runs)
    for run, other in zip(runs[1:], others, strict=True):
        if other != first:
            raise DataError(
                f"{runs[0].path} and {run.path} have different test sets ({_difference(first, other)}): scores of "
                "different text cannot be compared\nGive one text for all with data.test=SOURCE_FILE,TARGET_FILE or "
                "data.testset=NAME data.language_pair=PAIR."
            )
    return first


def _difference(first: ScoredText, second: ScoredText) -> str:
    """Where two texts differ, in words."""
    if len(first.sources) != len(second.sources):
        return f"{len(first.sources):,} and {len(second.sources):,} lines"
    lines = (zip(text.sources, *text.references, strict=True) for text in (first, second))
    number = next(number for number, (one, other) in enumerate(zip(*lines, strict=True), start=1) if one != other)
    return f"line {number:,} is the first to differ"


def named_text(name: str, language_pair: str) -> ScoredText:
    """One of sacrebleu's test sets, such as wmt17 for en-de, downloaded into its cache where it is not there yet.

    The cache is $SACREBLEU, or ~/.sacrebleu.

    Raises:
        ConfigError: sacrebleu knows no such test set, or the test set has no such language pair.
        DataError: it cannot be downloaded, or the copy in the cache is damaged.
    """
    if name not in get_available_testsets():
        near = difflib.get_close_matches(name, get_available_testsets(), n=5)
        advice = f"did you mean {', '.join(near)}?" if near else "`sacrebleu --list` shows those that there are"
        raise ConfigError(f"data.testset={name}: sacrebleu has no such test set; {advice}")
    pairs = get_langpairs_for_testset(name)
    if language_pair not in pairs:
        raise ConfigError(f"data.language_pair={language_pair}: {name} has {', '.join(sorted(pairs))}")
    text = file_text(*_fetch(name, language_pair), name=f"{name.replace('/', '_')}.{language_pair}")
    labels = {"test": name, "lang": language_pair}
    return ScoredText(text.name, text.sources, text.references, labels, language_pair.split("-")[1])


def _fetch(name: str, language_pair: str) -> list[Path]:
    """The file of the source and those of the references."""
    try:
        with _silence_limit(_SILENCE_S), _safe_extraction():
            return [Path(get_source_file(name, language_pair)), *map(Path, get_reference_files(name, language_pair))]
    except S2SError:  # a signal
        raise
    except (Exception, SystemExit) as error:  # whatever urllib, tarfile or lxml raise; sacrebleu exits at a wrong md5
        reason = str(error) if isinstance(error, Exception) else "what came is not what was expected"
        raise DataError(
            f"{name} {language_pair} could not be fetched: {reason or type(error).__name__}\nCheck the connection, and "
            f"remove {Path(SACREBLEU_DIR) / name}, which may be damaged; or copy that folder from where it is whole."
        ) from error


@contextmanager
def _silence_limit(timeout_s: float) -> Iterator[None]:
    """A block in which a connection that is silent for this long is an error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout_s)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _safe_extraction() -> Iterator[None]:
    """A block in which archives are unpacked into their folder only, and with harmless permissions.

    sacrebleu unpacks what it has downloaded without saying how, which Python 3.12 and 3.13 warn of.
    """
    before = vars(tarfile.TarFile)["extraction_filter"]
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = before
