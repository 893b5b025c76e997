import gzip
import hashlib
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.text.parallel_text import Pair, decode_chunk, read_chunks, read_lines, read_pairs, sha256_of
from s2s.errors import DataError

# Everything at which str.splitlines() or a text file in universal-newline mode would end a line, but for "\n".
SEPARATORS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# ----------------------------------------------------------------------------------------------------------------------
# Lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"one", ["one"]),
        (b"one\n", ["one"]),
        (b"one\n\n", ["one", ""]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\r\r\ntwo\r", ["one\r", "two"]),
        (b"o\rne\n", ["o\rne"]),
        (b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n", ["one", "\ufefftwo"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\n", [""]),
        ("쇠고기\n".encode(), ["쇠고기"]),
        (b"a\0b\n", ["a\0b"]),
    ],
)
@pytest.mark.parametrize("is_gzip", [False, True])
def test_lines(tmp_path: Path, data: bytes, lines: list[str], is_gzip: bool) -> None:
    path = written(tmp_path / "corpus", gzip.compress(data) if is_gzip else data)
    assert list(read_lines(path)) == lines


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    text = SEPARATORS.join("abcd") + "."
    path = written(tmp_path / "corpus", f"{text}\n{text}".encode())
    assert list(read_lines(path)) == [text, text]


@settings(deadline=None)  # writes files
@given(st.lists(st.text(st.sampled_from(SEPARATORS + "a 가😀\t\0")), max_size=7), st.booleans())
def test_lines_come_back(tmp_path_factory: pytest.TempPathFactory, lines: list[str], is_gzip: bool) -> None:
    data = "".join(line + "\r\n" for line in lines).encode()
    path = written(tmp_path_factory.getbasetemp() / "roundtrip", gzip.compress(data, 1) if is_gzip else data)
    assert list(read_lines(path)) == lines


def test_gzip_files_that_follow_each_other_are_one_text(tmp_path: Path) -> None:
    path = written(tmp_path / "corpus.gz", gzip.compress(b"one\ntw") + gzip.compress(b"o\n"))
    assert list(read_lines(path)) == ["one", "two"]


def test_lines_are_streamed(tmp_path: Path) -> None:
    path = written(tmp_path / "corpus", b"one\ntwo\n\xff\n")
    lines = read_lines(path)
    assert [next(lines), next(lines)] == ["one", "two"]  # the third, which is malformed, has not been looked at
    lines.close()


@pytest.mark.parametrize(
    ("line", "byte", "position"),
    [
        (b"ab\xff", "0xff", 3),
        (b"\xc0\xaf", "0xc0", 1),  # "/" in two bytes
        (b"a\xed\xa0\x80", "0xed", 2),  # half of a surrogate pair
        (b"\xea\xb0", "0xea", 1),  # a Korean syllable cut short
        ("caf\u00e9".encode("latin-1"), "0xe9", 4),
    ],
)
@pytest.mark.parametrize("is_gzip", [False, True])
def test_invalid_utf8(tmp_path: Path, line: bytes, byte: str, position: int, is_gzip: bool) -> None:
    data = "one\ntwo\u2028\n".encode() + line + b"\nfour\n"
    path = written(tmp_path / "corpus", gzip.compress(data) if is_gzip else data)
    with pytest.raises(DataError, match=rf"corpus, line 3: expected UTF-8, found {byte} at byte {position} of"):
        list(read_lines(path))


def test_utf16_is_not_utf8(tmp_path: Path) -> None:
    path = written(tmp_path / "corpus", "one\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"line 1: .* convert the file"):
        list(read_lines(path))


@pytest.mark.parametrize(
    "data",
    [  # packed at no time, so that all processes that share out the tests give them the same names
        gzip.compress(b"one\n" * 99, mtime=0)[:-9],  # cut short
        gzip.compress(b"one\n" * 99, mtime=0)[:-5] + b"12345",  # wrong checksum
        gzip.compress(b"one\n", mtime=0)[:10] + b"\xff\xff\xff",  # no deflate stream
        b"plain text",  # under a name in .gz
    ],
)
def test_damaged_gzip(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path / "corpus.gz", data)
    with pytest.raises(DataError, match=r"corpus\.gz: expected a whole gzip file"):
        list(read_lines(path))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*nowhere\.en: check its name and folder"):
        list(read_lines(tmp_path / "nowhere.en"))
    with pytest.raises(DataError, match="is a folder: give the name of a text file in it"):
        list(read_lines(tmp_path))


# ----------------------------------------------------------------------------------------------------------------------
# Pairs


def test_pairs(tmp_path: Path) -> None:
    source = written(tmp_path / "corpus.ko", "하나\n둘\n".encode())
    target = written(tmp_path / "corpus.en.gz", gzip.compress(b"one\ntwo"))
    assert list(read_pairs(source, target)) == [("하나", "one"), ("둘", "two")]


def test_unequal_line_counts_are_counted_to_the_end(tmp_path: Path) -> None:
    long, short = written(tmp_path / "long", b"a\n" * 1234), written(tmp_path / "short", b"a\n" * 5)
    with pytest.raises(DataError, match=r"long as in .*short, found 1,234 and 5;"):
        list(read_pairs(long, short))
    with pytest.raises(DataError, match=r"short as in .*long, found 5 and 1,234;"):
        list(read_pairs(short, long))


def test_empty_corpus(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty", b"")
    with pytest.raises(DataError, match=r"no line of text in .*empty"):
        list(read_pairs(empty, empty))


def test_one_file_may_hold_both_sides(tmp_path: Path) -> None:
    """Ends of lines are those of any text file."""
    path = written(tmp_path / "pairs.tsv.gz", gzip.compress("\ufeff하나\tone\r\n\ttwo\nthree\t3".encode()))
    expected = [("하나", "one"), ("", "two"), ("three", "3")]
    assert list(read_pairs(path, None)) == expected
    for num_pairs in (1, 2, 3, 4):
        assert all_chunks(path, None, num_pairs) == expected


@pytest.mark.parametrize(("line", "num"), [(b"one", 1), (b"one\ttwo\tthree", 3), (b"", 1)])
def test_lines_without_two_columns_are_named(tmp_path: Path, line: bytes, num: int) -> None:
    path = written(tmp_path / "pairs.tsv", b"a\tb\n" + line + b"\nc\td\n")
    for read in (lambda: list(read_pairs(path, None)), lambda: all_chunks(path, None, 9)):
        with pytest.raises(DataError, match=rf"pairs\.tsv, line 2: expected two columns .* found {num}"):
            read()


def all_chunks(source: Path, target: Path | None, num_pairs: int) -> list[Pair]:
    return [pair for chunk in read_chunks(source, target, num_pairs) for pair in decode_chunk(chunk, source, target)]


LINES = st.lists(st.sampled_from([b"a", b"", "가나".encode(), b"\r", b"\xff", b"\xef\xbb\xbf", b"b\x0cc"]), max_size=7)


def read_line_by_line(source: Path, target: Path) -> list[Pair]:
    """What `read_pairs` promises, of whole files."""
    pairs = list(zip_longest(read_lines(source), read_lines(target)))
    num_source, num_target = (
        (sum(side is not None for side in sides) for sides in zip(*pairs, strict=True)) if pairs else (0, 0)
    )
    if num_source != num_target:
        raise DataError(
            f"expected as many lines in {source} as in {target}, found {num_source:,} and {num_target:,}; "
            "line i of one belongs to line i of the other"
        )
    if not pairs:
        raise DataError(f"expected a corpus, but there is no line of text in {source} and {target}; check the paths")
    return [Pair(source, target) for source, target in pairs]


@settings(deadline=None)  # writes files
@given(LINES, LINES, st.integers(1, 8), st.booleans(), st.booleans())
def test_chunks_hold_the_same_pairs_and_the_same_errors(
    tmp_path_factory: pytest.TempPathFactory,
    source_lines: list[bytes],
    target_lines: list[bytes],
    num_pairs: int,
    ends: bool,
    is_gzip: bool,
) -> None:
    paths = []
    for name, lines in (("chunks.a", source_lines), ("chunks.b", target_lines)):
        data = b"\n".join(lines) + b"\n" * ends
        path = tmp_path_factory.getbasetemp() / name
        paths.append(written(path, gzip.compress(data, 1) if is_gzip else data))

    def outcome(read: Callable[[], list[Pair]]) -> list[Pair] | str:
        try:
            return read()
        except DataError as error:
            return str(error)

    expected = outcome(lambda: read_line_by_line(paths[0], paths[1]))
    assert outcome(lambda: all_chunks(paths[0], paths[1], num_pairs)) == expected
    assert outcome(lambda: list(read_pairs(*paths))) == expected


def test_a_damaged_end_is_found_after_the_chunks_before_it(tmp_path: Path) -> None:
    data = gzip.compress(b"one\n" * 1000)
    source, target = written(tmp_path / "a.gz", data[:-4]), written(tmp_path / "b.gz", data)
    with pytest.raises(DataError, match=r"a\.gz: expected a whole gzip file"):
        all_chunks(source, target, 10_000)


def test_sha256_of_a_file(tmp_path: Path) -> None:
    assert sha256_of(written(tmp_path / "a", b"abc")) == hashlib.sha256(b"abc").hexdigest()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*nowhere: check its name and folder"):
        sha256_of(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a folder: give the name of a text file in it"):
        sha256_of(tmp_path)
    with pytest.raises(DataError, match=r"a/b cannot be read \(Not a directory\): give a text file that you may read"):
        sha256_of(written(tmp_path / "a", b"") / "b")


@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, is_gzip: bool) -> None:
    """Its bytes are hashed as they are read, in whatever form they are stored."""
    data = b"".join(b"line %d\n" % number for number in range(50_000))
    path = written(tmp_path / "corpus", gzip.compress(data, 1) if is_gzip else data)
    sha256 = sha256_of(path)
    assert len([chunk for chunk in read_chunks(path, path, 20_000, [sha256, sha256])]) == 3
    with pytest.raises(DataError, match="corpus changed while it was read; give the command again"):
        list(read_chunks(path, path, 20_000, [sha256, "0" * 64]))
    tabs = written(tmp_path / "pairs.tsv", b"a\tb\n" * 3)
    assert len(list(read_chunks(tabs, None, 3, [sha256_of(tabs)]))) == 1
    with pytest.raises(DataError, match=r"pairs\.tsv changed"):
        list(read_chunks(tabs, None, 3, [sha256]))
