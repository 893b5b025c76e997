"""Parallel text files: fetched, read line by line or in chunks, cleaned with counts, and split.

A corpus is two text files (plain or gzip, UTF-8) with one sentence a line; line i of one translates line i of the
other. Text is streamed, and what has to be known of all pairs at once is 64-bit digests in arrays: about 30 bytes a
pair, so that a huge corpus needs no huge memory.

N pairs.
"""

import gzip
import hashlib
import http.client
import io
import os
import re
import time
import urllib.error
import urllib.request
import zlib
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, count, islice, tee, zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from s2s.errors import DataError
from s2s.files import replacing

tqdm.monitor_interval = 0  # starting its thread would swallow a signal that comes meanwhile

Digests = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 16

MULTI30K_URL = (
    "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
)
# sha256 of each file at that commit (Elliott et al. 2016, W16-3210; captions for non-commercial research).
MULTI30K = {
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "train.cs.gz": "a65adb8b32e3bc664f21ecba7a6e7f6950fd1f405e135f7c312faabdb6255077",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "val.cs.gz": "b63226e05c4bd5dd6a42897d74b86a1b9d2c31498252c572b1ea7f7996927fcc",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    "test_2016_flickr.cs.gz": "200a4a74cc9560f051924abb9803be008d1908d77f747e9141aeb86dfd2797f1",
}


# ----------------------------------------------------------------------------------------------------------------------
# From the network to a file


class FetchError(Exception):
    """One try at a download failed; `is_transient` says that another try may succeed."""

    def __init__(self, reason: str, is_transient: bool) -> None:
        super().__init__(reason)
        self.is_transient = is_transient


def download(
    url: str,
    sha256: str,
    destination: Path,
    *,
    num_tries: int = 4,
    timeout_s: float = 30.0,
    backoff_s: float = 1.0,
) -> Path:
    """Fetch `url` into `destination`, which is afterwards complete and has this sha256, or as it was before.

    A file that is already there with the right sha256 is not fetched again. Network errors, short bodies, HTTP 429 and
    HTTP 5xx are tried again after `backoff_s`, twice that, four times that; other answers are final.

    Args:
        num_tries: at least 1.
        timeout_s: the longest silence of the server, not the length of the whole download.

    Raises:
        DataError: the last try failed, or the file cannot be written.
    """
    if has_sha256(destination, sha256):
        return destination
    reason = ""
    for num_failed in range(num_tries):
        try:
            fetch_once(url, sha256, destination, timeout_s)
            return destination
        except FetchError as error:
            reason = f"{error} (try {num_failed + 1} of {num_tries})"
            if not error.is_transient:
                break
        if num_failed + 1 < num_tries:
            time.sleep(backoff_s * 2**num_failed)
    raise DataError(
        f"could not download {url}: {reason}\n"
        f"Check the connection, put {destination.name} into {destination.parent} by hand, "
        "or name the folder that has it with data.root=DIR."
    )


def has_sha256(path: Path, sha256: str) -> bool:
    """Whether `path` is a readable file with this sha256 (64 hex digits, lower case)."""
    try:
        return sha256_of(path) == sha256
    except DataError:  # absent or unreadable: writing the new file will tell what is wrong
        return False


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes.

    Raises:
        DataError: it is missing or unreadable.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: expected a readable text file, got: {error.strerror}; check the path")


def fetch_once(url: str, sha256: str, destination: Path, timeout_s: float) -> None:
    digest = hashlib.sha256()
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with replacing(destination) as file:
            for chunk in stream_url(url, timeout_s):
                file.write(chunk)
                digest.update(chunk)
            if digest.hexdigest() != sha256:
                raise FetchError(f"expected sha256 {sha256}, got {digest.hexdigest()}", is_transient=False)
    except OSError as error:  # of the disk: those of the network have become FetchError
        raise DataError(
            f"could not write {destination}: {error.strerror}\nMake room, or choose another folder with S2S_CACHE=DIR."
        ) from error


def stream_url(url: str, timeout_s: float) -> Iterator[bytes]:
    """Yield the body in chunks, with a progress bar when stderr is a terminal; all that fails is a FetchError."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:
            length = response.headers.get("Content-Length")
            num_expected = int(length) if length else None
            name = url.rsplit("/", 1)[-1]
            # disable=None: a bar on a terminal only.
            with tqdm(total=num_expected, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
                num_bytes = 0
                while chunk := response.read(CHUNK_BYTES):
                    num_bytes += len(chunk)
                    bar.update(len(chunk))
                    yield chunk
            # http.client does not complain when a connection ends early.
            if num_expected is not None and num_bytes < num_expected:
                raise FetchError(f"got {num_bytes:,} of {num_expected:,} bytes", is_transient=True)
    except urllib.error.HTTPError as error:
        error.close()
        is_transient = error.code == 429 or error.code >= 500
        raise FetchError(f"HTTP {error.code} {error.reason}", is_transient) from error
    except (ValueError, http.client.InvalidURL) as error:
        raise FetchError(f"not a usable address ({error})", is_transient=False) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)  # URLError wraps what went wrong
        raise FetchError(str(reason) or type(error).__name__, is_transient=True) from error


def default_cache() -> Path:
    """Where downloads are kept: $S2S_CACHE, else $XDG_CACHE_HOME/s2s, else ~/.cache/s2s; empty counts as unset."""
    if cache := os.environ.get("S2S_CACHE"):
        return Path(cache)
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "s2s"
    return Path.home() / ".cache" / "s2s"


# ----------------------------------------------------------------------------------------------------------------------
# Multi30k


def multi30k_file(language: str, split: str) -> str:
    """The upstream name of one side of one split, such as train.en.gz."""
    return f"{split}.{language}.gz"


def multi30k_paths(
    root: Path | None,
    cache: Path,
    split: str,
    source_language: str,
    target_language: str,
    base_url: str = MULTI30K_URL,
) -> tuple[Path, Path]:
    """The source and the target file of a split: those under `root` or, where root is None, downloaded into `cache`.

    Raises:
        DataError: `root` lacks a file, Multi30k has no such file, or it cannot be downloaded.
    """
    source, target = (multi30k_file(language, split) for language in (source_language, target_language))
    if root is not None:
        return find_under(root, source), find_under(root, target)
    folder = cache / "multi30k"
    return multi30k_download(source, folder, base_url), multi30k_download(target, folder, base_url)


def multi30k_download(name: str, folder: Path, base_url: str) -> Path:
    if name not in MULTI30K:
        raise DataError(f"expected a file of Multi30k, got {name}; it has {list_files(MULTI30K)}")
    return download(f"{base_url}/{name}", MULTI30K[name], folder / name)


def find_under(root: Path, name: str) -> Path:
    """The file `name`, which ends in .gz, or the same without .gz, in the folder `root`."""
    plain = name.removesuffix(".gz")
    for path in (root / name, root / plain):
        if path.is_file():
            return path
    there = list_files(p.name for p in root.iterdir()) if root.is_dir() else "no such folder"
    raise DataError(
        f"expected {name} or {plain} in {root}, found {there}\nCheck data.root, the languages and the split."
    )


def list_files(names: Iterable[str]) -> str:
    """Say in words which splits and languages a folder with these file names has."""
    pattern = re.compile(r"(train|val|test\w*)\.([a-z]{2,3})(?:\.gz)?")
    found = [match.groups() for match in map(pattern.fullmatch, names) if match]
    if not found:
        return "no file named like train.en.gz"
    splits, languages = (", ".join(sorted(set(values))) for values in zip(*found, strict=True))
    return f"languages {languages}; splits {splits}"


# ----------------------------------------------------------------------------------------------------------------------
# From files to pairs


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 text file, plain or gzip (told by its first bytes or by the name's .gz).

    A line ends at `\n` and nowhere else: not at a lone `\r`, a form feed, U+0085 or U+2028. One `\r` before the `\n` is
    dropped, and so is a byte order mark at the start of the file. A last line without `\n` counts.

    Raises:
        DataError: while reading: the file is missing or unreadable, is damaged gzip, or has a line that is not UTF-8.
    """
    for number, line in enumerate(read_raw_lines(path), start=1):
        yield decode_line(line, path, number)


def read_raw_lines(path: Path) -> Iterator[bytes]:
    """The lines of `read_lines` as bytes, with their line ends."""
    with reading_errors(path), open_plain_or_gzip(path) as file:
        if first := file.readline().removeprefix(BOM_UTF8):
            yield first
        yield from file


@contextmanager
def open_plain_or_gzip(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a text file, whichever way it is stored."""
    with path.open("rb") as raw:
        is_gzip = path.suffix == ".gz" or raw.peek(2).startswith(GZIP_MAGIC)
        # A BufferedReader finds lines several times as fast as GzipFile itself.
        with io.BufferedReader(gzip.GzipFile(fileobj=raw), CHUNK_BYTES) if is_gzip else raw as file:
            yield file


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Tell of what goes wrong while a text file is opened or read.

    Raises:
        DataError: it is missing, unreadable, or damaged gzip.
    """
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole gzip file, found a damaged one ({error}); fetch it again") from error
    except OSError as error:
        raise unreadable(path, error) from error


def decode_line(line: bytes, path: Path, number: int) -> str:
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: expected UTF-8, found 0x{line[error.start]:02x} at byte {error.start + 1} of the "
            "line; mend that line, or convert the file (iconv -f ENCODING -t UTF-8)"
        ) from error


def read_pairs(source: Path, target: Path | None) -> Iterator[Pair]:
    """Yield line i of one file with line i of the other.

    Args:
        target: None: every line of `source` holds both sides, a tab between them.

    Raises:
        DataError: as in `read_lines`; and, after the last pair, if one file is longer or both are empty.
    """
    num_source = num_target = 0
    target_path = target or source
    for number, (source_line, target_line) in enumerate(zip_longest(*raw_sides(source, target)), start=1):
        source_text = None if source_line is None else decode_line(source_line, source, number)
        target_text = None if target_line is None else decode_line(target_line, target_path, number)
        num_source += source_text is not None
        num_target += target_text is not None
        if source_text is not None and target_text is not None:
            yield Pair(source_text, target_text)
    check_counts(source, target_path, num_source, num_target)


def raw_sides(source: Path, target: Path | None) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """The lines of both sides, to be read side by side, as `read_raw_lines` gives them."""
    if target is not None:
        return read_raw_lines(source), read_raw_lines(target)
    first, second = tee(split_at_tabs(source))
    return (side for side, _ in first), (side for _, side in second)


def split_at_tabs(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """What stands before and after the tab of each line, both with the line's end.

    Raises:
        DataError: a line holds no tab, or several.
    """
    for number, line in enumerate(read_raw_lines(path), start=1):
        sides = line.removesuffix(b"\n").removesuffix(b"\r").split(b"\t")
        if len(sides) != 2:
            raise DataError(
                f"{path}, line {number}: expected two columns with a tab between them, found {len(sides)}; "
                "text that holds tabs itself can be given as two files"
            )
        yield sides[0] + b"\n", sides[1] + b"\n"


class RawChunk(NamedTuple):
    """Lines of two files that follow each other, as they stand there, for another process to decode.

    Attributes:
        number: of the chunk, from 0.
        first_line: number of its first line, from 1.
        source: lines with their ends, but for the last one, which has none.
        target: as many.
    """

    number: int
    first_line: int
    source: bytes
    target: bytes


def read_chunks(source: Path, target: Path | None, num_pairs: int) -> Iterator[RawChunk]:
    """The pairs of `read_pairs`, not yet decoded, `num_pairs` at a time.

    Raises:
        DataError: as in `read_pairs`, but for lines that are not UTF-8: those are found by `decode_chunk`.
    """
    paths, sides = (source, target or source), raw_sides(source, target)
    num_read = 0
    for number in count():
        blocks = [list(islice(side, num_pairs)) for side in sides]
        num = min(map(len, blocks))
        if num:
            yield RawChunk(
                number,
                num_read + 1,
                *(b"".join(block[:num]).removesuffix(b"\n") for block in blocks),
            )
        num_read += num
        if num < num_pairs:
            break
    counts = [num_read, num_read]
    for index, (path, block, side) in enumerate(zip(paths, blocks, sides, strict=True)):
        for line in chain(block[num:], side):  # what one file has more than the other
            counts[index] += 1
            decode_line(line, path, counts[index])
    check_counts(*paths, *counts)


def decode_chunk(chunk: RawChunk, source: Path, target: Path | None) -> "list[Pair]":
    """The pairs of a chunk of these files, the second of which may be None as in `read_pairs`.

    Raises:
        DataError: a line is not UTF-8; the first one, with its file and number.
    """
    try:
        sides = [block.decode("utf-8").split("\n") for block in (chunk.source, chunk.target)]
    except UnicodeDecodeError:
        lines = zip(chunk.source.split(b"\n"), chunk.target.split(b"\n"), strict=True)
        for number, pair in enumerate(lines, start=chunk.first_line):
            for line, path in zip(pair, (source, target or source), strict=True):
                decode_line(line, path, number)
        raise
    return [Pair(source.removesuffix("\r"), target.removesuffix("\r")) for source, target in zip(*sides, strict=True)]


def check_counts(source: Path, target: Path, num_source: int, num_target: int) -> None:
    """See that two files are one corpus.

    Raises:
        DataError: one is longer than the other, or both are empty.
    """
    if num_source != num_target:
        raise DataError(
            f"expected as many lines in {source} as in {target}, found {num_source:,} and {num_target:,}; "
            "line i of one belongs to line i of the other"
        )
    if num_source == 0:
        raise DataError(f"expected a corpus, found no line in {source} and {target}; check the paths")


# ----------------------------------------------------------------------------------------------------------------------
# From pairs to clean pairs


class DropReason(Enum):
    """Why a pair was left out, in the order in which the rules are applied; the values are for people."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    LENGTH_RATIO = "length ratio"
    DUPLICATE = "duplicates"


@dataclass(frozen=True)
class CleaningRules:
    """What is left out of a training corpus; None or False turns a rule off.

    The length ratio is that of UTF-8 bytes. A Korean or Chinese character stands for two to four Latin letters and has
    three bytes, so a ratio of bytes means the same in most scripts: over 83,000 pairs of German, English and Korean,
    translations reach 3.7 (6.0 counted in characters), and the two that are none ("@@") lie above 23.
    """

    drop_empty: bool = True
    max_words: int | None = 100
    """Words (split at white space) on either side."""
    max_characters: int | None = 600
    """Characters on either side, for languages written with few spaces; about 100 English words."""
    max_length_ratio: float | None = 6.0
    """Bytes of the longer side for each byte of the shorter, of which there are taken to be at least `min_bytes`."""
    min_bytes: int = 5
    """Spares short pairs, whose ratio says little: with 6.0, nothing is dropped for it up to 30 bytes a side."""

    @property
    def reasons(self) -> tuple[DropReason, ...]:
        """Those for which a pair may be left out; that it is a duplicate is always among them."""
        is_on = {
            DropReason.EMPTY: self.drop_empty,
            DropReason.TOO_LONG: self.max_words is not None or self.max_characters is not None,
            DropReason.LENGTH_RATIO: self.max_length_ratio is not None,
            DropReason.DUPLICATE: True,
        }
        return tuple(reason for reason in DropReason if is_on[reason])


@dataclass
class CleaningReport:
    """What became of each pair; `str()` tells it in a line.

    Attributes:
        reasons: those that there were for leaving a pair out.
    """

    reasons: tuple[DropReason, ...] = tuple(DropReason)
    num_kept: int = 0
    num_dropped: Counter[DropReason] = field(default_factory=Counter)

    @property
    def num_total(self) -> int:
        return self.num_kept + self.num_dropped.total()

    def __str__(self) -> str:
        dropped = ", ".join(f"{self.num_dropped[reason]:,} {reason.value}" for reason in self.reasons)
        return f"kept {self.num_kept:,} of {self.num_total:,} pairs (dropped: {dropped})"


GOOD, ABSENT = 0, 255
"""Codes of pairs with which nothing is wrong, and of those that are no part of the corpus and not counted either."""
TRAIN, DEV, TEST = GOOD, 253, 254
"""Codes of good pairs, once dev and test have been cut out."""
_LEAST_NEW = 0.01  # share of a chunk; with less, whoever goes on generating will hardly come to an end
CODES = {reason: code for code, reason in enumerate(DropReason, start=1)}


class Sifted(NamedTuple):
    """What one look at the pairs of a chunk has found; row i of each array is pair i.

    Attributes:
        codes_N: GOOD, ABSENT, or one of CODES.
        digests_N: of whole pairs, to find those that come again.
        ranks_N: of sources, by which dev and test are chosen (see `hold_out`); none where they are not.
    """

    codes_N: Codes
    digests_N: Digests
    ranks_N: Digests


def sift(pairs: "list[Pair]", rules: CleaningRules | None, seed: int | None) -> "tuple[list[Pair], Sifted]":
    """Look at each pair alone; any chunk of a corpus may be sifted by any process.

    With rules, runs of white space (in the sense of Unicode: U+00A0, U+2028, U+3000 and the like too) become one space,
    and none is left at either end. Meant for training data: what a model is scored on is never filtered.

    Args:
        rules: None leaves the pairs as they are.
        seed: by which dev and test are cut out; None where they are not.

    Returns:
        The pairs, tidied, the bad ones too; and what was found.
    """
    tidied = pairs if rules is None else [Pair(*map(collapse_spaces, pair)) for pair in pairs]
    faults = [None if rules is None else fault(pair, rules) for pair in tidied]
    return tidied, Sifted(
        np.array([GOOD if reason is None else CODES[reason] for reason in faults], dtype=np.uint8),
        # "\n" stands in neither side.
        np.array([digest64("\n".join(pair)) for pair in tidied], dtype=np.uint64),
        np.array([] if seed is None else [rank(pair.source, seed) for pair in tidied], dtype=np.uint64),
    )


def mark_repeated(sifted: Sifted, seen: "DigestSet") -> Sifted:
    """Give the code of duplicates to good pairs that stood earlier in this chunk or in one marked before it.

    Several translations of one sentence stay. Digests of 64 bits stand for the texts; among 10 million pairs, one is
    wrongly taken for a duplicate with a chance of 3 in a million.
    """
    good = np.flatnonzero(sifted.codes_N == GOOD)
    codes_N = sifted.codes_N.copy()
    codes_N[good[~seen.add(sifted.digests_N[good])]] = CODES[DropReason.DUPLICATE]
    return sifted._replace(codes_N=codes_N)


class Distinct:
    """Lets so many pairs through that differ from all before.

    Attributes:
        num_left: pairs still to come.
    """

    def __init__(self, num_pairs: int) -> None:
        self.num_pairs = self.num_left = num_pairs
        self._seen = DigestSet()

    def take(self, digests_N: Digests) -> Flags:
        """True for each pair of a chunk that comes through (N).

        Raises:
            DataError: hardly any pair is new any more.
        """
        is_new_N = self._seen.add(digests_N)
        if is_new_N.mean() < _LEAST_NEW:
            raise DataError(
                f"expected {self.num_pairs:,} different pairs, but there is hardly a new one after "
                f"{self.num_pairs - self.num_left:,}; ask for fewer"
            )
        is_new_N &= np.cumsum(is_new_N) <= self.num_left
        self.num_left -= int(is_new_N.sum())
        return is_new_N


def take_distinct(chunks: Iterable[Sifted], num_pairs: int) -> Iterator[Sifted]:
    """Chunks up to the one with the `num_pairs`th pair that differs from all before; all other pairs become ABSENT.

    Raises:
        DataError: hardly any pair is new any more.
    """
    distinct = Distinct(num_pairs)
    for sifted in chunks:
        is_new_N = distinct.take(sifted.digests_N)
        yield sifted._replace(codes_N=np.where(is_new_N, sifted.codes_N, np.uint8(ABSENT)))
        if not distinct.num_left:
            return


def count_codes(codes_N: Codes, report: CleaningReport) -> None:
    """Add a chunk's pairs to the report."""
    num_of = np.bincount(codes_N, minlength=ABSENT + 1)
    report.num_kept += int(num_of[GOOD])
    for reason, code in CODES.items():
        report.num_dropped[reason] += int(num_of[code])


class DigestSet:
    """The digests seen so far, 8 bytes each (twice that for a moment), in sorted arrays that double in size."""

    def __init__(self) -> None:
        self._runs: list[Digests] = []

    def add(self, digests_N: Digests) -> Flags:
        """Add digests; True for each that is new, also among those before it in this array (N)."""
        order_N = np.argsort(digests_N, kind="stable")
        sorted_N = digests_N[order_N]
        is_new_N = np.append(True, sorted_N[1:] != sorted_N[:-1])[: len(sorted_N)]
        for run in self._runs:
            positions_N = np.searchsorted(run, sorted_N)
            is_new_N &= run[np.minimum(positions_N, len(run) - 1)] != sorted_N
        self._merge(sorted_N[is_new_N])
        result_N = np.empty(len(digests_N), dtype=np.bool_)
        result_N[order_N] = is_new_N
        return result_N

    def _merge(self, run: Digests) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort()
        if len(run):
            self._runs.append(run)


def fault(pair: Pair, rules: CleaningRules) -> DropReason | None:
    """What is wrong with this pair, seen alone."""
    if rules.drop_empty and not all(pair):
        return DropReason.EMPTY
    if rules.max_words is not None and max(len(side.split()) for side in pair) > rules.max_words:
        return DropReason.TOO_LONG
    if rules.max_characters is not None and max(map(len, pair)) > rules.max_characters:
        return DropReason.TOO_LONG
    shorter, longer = sorted(len(side.encode()) for side in pair)
    if rules.max_length_ratio is not None and longer > rules.max_length_ratio * max(shorter, rules.min_bytes):
        return DropReason.LENGTH_RATIO
    return None


def collapse_spaces(text: str) -> str:
    return " ".join(text.split())


def digest64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


# ----------------------------------------------------------------------------------------------------------------------
# From one corpus to three


def rank(source: str, seed: int) -> int:
    """Where a source stands in the queue for dev and test; equal ones (but for white space) stand together."""
    return digest64(f"{seed}\n{collapse_spaces(source)}")


def hold_out(ranks_N: Digests, num_dev: int, num_test: int) -> Codes:
    """Cut dev and test out of a corpus that comes without them.

    Pairs with the same source (but for white space) stay together, so no source of dev or test stands in train.
    Sources are ranked by a hash of seed and text, and dev, then test, take what fits: the choice does not depend on the
    order of the corpus, on Python's version or on the machine, and changes little when lines are added.

    Returns:
        TRAIN, DEV or TEST for each pair (N). Dev and test may stay some pairs short, where no group of equal sources
        fits any more.

    Raises:
        DataError: the corpus is too small to fill dev and test and leave something to train on.
    """
    splits_N = np.full(len(ranks_N), TRAIN, dtype=np.uint8)
    rooms = {DEV: num_dev, TEST: num_test}
    first_bits_N = (ranks_N >> np.uint64(58)).astype(np.uint8)
    for bits in range(64):  # in order of rank, a part at a time: mostly the first one holds all that is looked for
        rows = np.flatnonzero(first_bits_N == bits)
        _fill(splits_N, rows[np.argsort(ranks_N[rows], kind="stable")], ranks_N, rooms)
        if not any(rooms.values()):
            break
    is_filled = all(num == 0 or (splits_N == split).any() for split, num in ((DEV, num_dev), (TEST, num_test)))
    if not is_filled or not (splits_N == TRAIN).any() or len(ranks_N) <= num_dev + num_test:
        raise DataError(
            f"expected more than {num_dev:,} dev + {num_test:,} test pairs to cut from, found {len(ranks_N):,} with "
            f"{len(np.unique(ranks_N)):,} different sources (equal ones stay together); lower data.dev_pairs and "
            "data.test_pairs, give data.dev and data.test, or a larger corpus"
        )
    return splits_N


def _fill(splits_N: Codes, rows: npt.NDArray[np.intp], ranks_N: Digests, rooms: dict[int, int]) -> None:
    """Put groups of equal rank, in the order of `rows`, where there is room; `rooms` shrink."""
    sorted_ranks = ranks_N[rows]
    starts = np.flatnonzero(np.append(True, sorted_ranks[1:] != sorted_ranks[:-1])[: len(rows)])
    sizes = np.diff(np.append(starts, len(rows)))
    for group in np.flatnonzero(sizes <= max(rooms.values())).tolist():
        size = int(sizes[group])
        for split, room in rooms.items():
            if size <= room:
                splits_N[rows[starts[group] : starts[group] + size]] = split
                rooms[split] -= size
                break
        if not any(rooms.values()):
            return
