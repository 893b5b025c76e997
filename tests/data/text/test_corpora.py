import errno
import gzip
import hashlib
import http.server
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.text import cleaning
from s2s.data.text import download as corpora
from s2s.data.text.cleaning import (
    DEV,
    GOOD,
    TEST,
    TRAIN,
    CleaningReport,
    CleaningRules,
    DigestSet,
    Distinct,
    DropReason,
    collapse_spaces,
    count_codes,
    digest64,
    mark_repeated,
    rank,
    sift,
)
from s2s.data.text.download import default_cache, download
from s2s.data.text.multi30k import MULTI30K, multi30k_file, multi30k_paths
from s2s.data.text.parallel_text import Pair, decode_chunk, read_chunks, read_lines, read_pairs, sha256_of
from s2s.data.text.splits import hold_out
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
    with pytest.raises(DataError, match=r"nowhere\.en: .*No such file.*check the path"):
        list(read_lines(tmp_path / "nowhere.en"))
    with pytest.raises(DataError, match="Is a directory"):
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
    with pytest.raises(DataError, match=r"no line in .*empty"):
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

    assert outcome(lambda: all_chunks(paths[0], paths[1], num_pairs)) == outcome(lambda: list(read_pairs(*paths)))


def test_a_damaged_end_is_found_after_the_chunks_before_it(tmp_path: Path) -> None:
    data = gzip.compress(b"one\n" * 1000)
    source, target = written(tmp_path / "a.gz", data[:-4]), written(tmp_path / "b.gz", data)
    with pytest.raises(DataError, match=r"a\.gz: expected a whole gzip file"):
        all_chunks(source, target, 10_000)


def test_sha256_of_a_file(tmp_path: Path) -> None:
    assert sha256_of(written(tmp_path / "a", b"abc")) == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(DataError, match=r"nowhere: expected a readable text file, got: No such file"):
        sha256_of(tmp_path / "nowhere")


# ----------------------------------------------------------------------------------------------------------------------
# Cleaning

RULES = CleaningRules(max_words=3, max_characters=20, max_length_ratio=2.0, min_bytes=2)
EVERYTHING = CleaningRules(drop_empty=False, max_words=None, max_characters=None, max_length_ratio=None)


def cleaned(
    pairs: list[Pair], rules: CleaningRules | None, *, num_in_chunk: int = 4, keeps_repeated: bool = False
) -> tuple[list[Pair], CleaningReport]:
    """Pairs that come through, chunk by chunk."""
    report, seen, kept = CleaningReport(), DigestSet(), []
    for start in range(0, len(pairs), num_in_chunk):
        tidied, sifted = sift(pairs[start : start + num_in_chunk], rules, seed=None)
        codes_N = (sifted if keeps_repeated else mark_repeated(sifted, seen)).codes_N
        count_codes(codes_N, report)
        kept += [pair for pair, code in zip(tidied, codes_N.tolist(), strict=True) if code == GOOD]
    report.num_dropped = +report.num_dropped  # without the zeros
    return kept, report


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (Pair("a b c", "d e f"), None),
        (Pair("", "a"), DropReason.EMPTY),
        (Pair("a", " \t\u3000\u2028"), DropReason.EMPTY),
        (Pair("a b c d", "e f g"), DropReason.TOO_LONG),
        (Pair("a b c", "d e f g"), DropReason.TOO_LONG),
        (Pair("x" * 20, "y" * 20), None),
        (Pair("x" * 20, "y" * 21), DropReason.TOO_LONG),
        (Pair("가" * 20, "나" * 20), None),  # 60 bytes, but 20 characters
        (Pair("abc", "abcdef"), None),
        (Pair("abc", "abcdefg"), DropReason.LENGTH_RATIO),
        (Pair("abcdefg", "abc"), DropReason.LENGTH_RATIO),
        (Pair("a", "abcd"), None),  # one byte counts as two
        (Pair("a", "abcde"), DropReason.LENGTH_RATIO),
        (Pair("가나", "one two three"), DropReason.LENGTH_RATIO),  # 6 and 13 bytes
        (Pair("가나", "one two four"), None),  # 6 and 12 bytes, though 2 and 12 characters
    ],
)
def test_one_pair(pair: Pair, reason: DropReason | None) -> None:
    kept, report = cleaned([pair], RULES)
    assert kept == ([pair] if reason is None else [])
    assert report.num_dropped == ({} if reason is None else {reason: 1})


def test_white_space_is_collapsed() -> None:
    kept, _ = cleaned([Pair("  a \t b\u00a0", "\u2028c\u3000\u3000d\r")], RULES)
    assert kept == [("a b", "c d")]


def test_duplicates_are_whole_pairs_after_tidying() -> None:
    pairs = [Pair("a", "b"), Pair("a", "c"), Pair(" a", "b "), Pair("b", "a"), Pair("a", "b")]
    kept, report = cleaned(pairs, RULES)
    assert kept == [("a", "b"), ("a", "c"), ("b", "a")]
    assert report.num_dropped == {DropReason.DUPLICATE: 2}


def test_the_border_between_the_sides_counts() -> None:
    assert len(cleaned([Pair("ab", "c"), Pair("a", "bc")], RULES)[0]) == 2


def test_report() -> None:
    pairs = [Pair("a", "b")] * 1001 + [Pair("", "")] * 2 + [Pair("a b c d", "e")] * 3 + [Pair("a", "abcde")] * 4
    _, report = cleaned(pairs, RULES)
    assert report.num_total == len(pairs) == 1010
    assert str(report) == "kept 1 of 1,010 pairs (dropped: 2 empty, 3 too long, 4 length ratio, 1,000 duplicates)"


def test_the_report_is_silent_about_rules_that_are_off() -> None:
    assert str(CleaningReport(RULES.reasons)).count(",") == 3
    few = CleaningRules(max_words=None, max_characters=None, max_length_ratio=None)
    assert str(CleaningReport(few.reasons, num_kept=5)) == "kept 5 of 5 pairs (dropped: 0 empty, 0 duplicates)"
    assert EVERYTHING.reasons == (DropReason.DUPLICATE,)
    assert CleaningRules(max_words=None, drop_empty=False, max_length_ratio=None).reasons[0] is DropReason.TOO_LONG


def test_every_rule_can_be_turned_off() -> None:
    pairs = [Pair("", "x"), Pair("a " * 999 + "b", "x" * 9999), Pair("", "x")]
    assert cleaned(pairs, EVERYTHING, keeps_repeated=True)[0] == pairs
    spaced = [Pair(" a  b", "c")]
    assert cleaned(spaced, None)[0] == spaced


def test_the_defaults_spare_translations() -> None:
    pairs = [
        Pair("확실해?", "Are you sure about that?"),  # 1 : 6 in characters
        Pair("네", "Yes, that is quite right."),
        Pair(
            "티켓 양도받으면 안됩니다", "No matter how much you want to come, you shouldn’t accept transferred tickets."
        ),
    ]
    assert cleaned(pairs, CleaningRules())[0] == pairs
    assert cleaned([Pair("Young girls weave corn stalks into elaborate designs.", "@@")], CleaningRules())[0] == []


TEXTS = st.text(st.sampled_from("ab가 \t\u2028"), max_size=9)


@given(st.lists(st.builds(Pair, TEXTS, TEXTS)), st.sampled_from([RULES, EVERYTHING, CleaningRules()]))
def test_cleaning_twice_is_cleaning_once(pairs: list[Pair], rules: CleaningRules) -> None:
    once, report = cleaned(pairs, rules)
    assert report.num_total == len(pairs)
    assert report.num_kept == len(once)
    again, second_report = cleaned(once, rules)
    assert again == once
    assert second_report.num_dropped.total() == 0


@given(st.lists(st.builds(Pair, TEXTS, TEXTS)), st.integers(1, 9))
def test_chunks_of_any_size_are_cleaned_alike(pairs: list[Pair], num_in_chunk: int) -> None:
    """Against a set of the texts themselves."""
    expected, seen = [], set()
    for pair in (Pair(*map(collapse_spaces, pair)) for pair in pairs):
        if cleaning.fault(pair, RULES) is None and pair not in seen:
            expected.append(pair)
            seen.add(pair)
    assert cleaned(pairs, RULES, num_in_chunk=num_in_chunk)[0] == expected


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=30), max_size=30))
def test_a_digest_is_new_once(chunks: list[list[int]]) -> None:
    digests, seen = DigestSet(), set()
    for chunk in chunks:
        expected = [digest not in seen and digest not in chunk[:position] for position, digest in enumerate(chunk)]
        assert digests.add(np.array(chunk, dtype=np.uint64)).tolist() == expected
        seen |= set(chunk)


def test_so_many_distinct_ones_on_paper() -> None:
    distinct = Distinct(4)
    assert distinct.take(np.array([7, 7, 3], dtype=np.uint64)).tolist() == [True, False, True]
    assert distinct.take(np.array([3, 5, 6, 9], dtype=np.uint64)).tolist() == [False, True, True, False]
    assert distinct.num_left == 0
    short = Distinct(9)
    short.take(np.array([7], dtype=np.uint64))
    with pytest.raises(DataError, match="expected 9 different pairs, but there is hardly a new one after 1; ask for"):
        short.take(np.array([7], dtype=np.uint64))


# ----------------------------------------------------------------------------------------------------------------------
# Holding out


def split(pairs: list[Pair], num_dev: int, num_test: int, seed: int) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Train, dev and test."""
    ranks_N = np.array([rank(pair.source, seed) for pair in pairs], dtype=np.uint64)
    codes = hold_out(ranks_N, num_dev, num_test).tolist()
    assert len(codes) == len(pairs)
    train, dev, test = (
        [pair for pair, code in zip(pairs, codes, strict=True) if code == which] for which in (TRAIN, DEV, TEST)
    )
    return train, dev, test


def split_by_the_book(pairs: list[Pair], num_dev: int, num_test: int, seed: int) -> tuple[list[Pair], ...]:
    """The same with texts in dictionaries."""
    groups: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        groups.setdefault(collapse_spaces(pair.source), []).append(index)
    splits: tuple[list[int], ...] = [], [], []
    rooms = num_dev, num_test, len(pairs)
    for source in sorted(groups, key=lambda text: digest64(f"{seed}\n{text}")):
        which = next(k for k in (0, 1, 2) if len(splits[k]) + len(groups[source]) <= rooms[k])
        splits[which].extend(groups[source])
    dev, test, train = ([pairs[index] for index in sorted(indices)] for indices in splits)
    return train, dev, test


@given(
    st.lists(st.builds(Pair, st.sampled_from(["a", "b", "c", "d", "e", " e", "f  g", "f g"]), TEXTS), max_size=25),
    st.integers(0, 6),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_digests_split_as_texts_do(pairs: list[Pair], num_dev: int, num_test: int, seed: int) -> None:
    try:
        found = split(pairs, num_dev, num_test, seed)
    except DataError:
        return
    assert found == split_by_the_book(pairs, num_dev, num_test, seed)


def test_a_large_corpus_is_split_as_a_small_one() -> None:
    generator = np.random.default_rng(3)
    pairs = [Pair(f"source {int(n)}", str(k)) for k, n in enumerate(generator.integers(0, 4000, 5000))]
    for sizes in ((70, 50), (1700, 0), (0, 999), (2111, 1999)):
        assert split(pairs, *sizes, seed=1) == split_by_the_book(pairs, *sizes, seed=1)


@given(st.lists(st.builds(Pair, st.sampled_from("abcdefg"), TEXTS), max_size=15), st.integers(0, 3), st.integers(0, 2))
def test_hold_out_partitions(pairs: list[Pair], num_dev: int, num_test: int) -> None:
    try:
        train, dev, test = split(pairs, num_dev, num_test, seed=1)
    except DataError:
        # A corpus in which every source is different is split whenever it is large enough.
        assert len({p.source for p in pairs}) < len(pairs) or len(pairs) <= num_dev + num_test
        return
    groups = Counter(pair.source for pair in pairs)
    if max(groups.values()) == 1:
        assert (len(dev), len(test)) == (num_dev, num_test)
    assert 0 <= num_dev - len(dev) < max(2, num_dev)
    assert 0 <= num_test - len(test) < max(2, num_test)
    assert sorted(train + dev + test) == sorted(pairs)
    num_sources = sum(len({pair.source for pair in part}) for part in (train, dev, test))
    assert num_sources == len({pair.source for pair in pairs})  # none is in two splits


NUMBERED = [Pair(f"source {n}", f"target {n}") for n in range(30)]


def test_hold_out_keeps_the_order_of_the_corpus() -> None:
    for part in split(NUMBERED, 7, 5, seed=3):
        assert part == sorted(part, key=NUMBERED.index)


def test_hold_out_depends_on_the_seed_and_not_on_the_order() -> None:
    train, dev, test = split(NUMBERED, 7, 5, seed=3)
    assert split(NUMBERED, 7, 5, seed=3) == (train, dev, test)
    assert split(NUMBERED[::-1], 7, 5, seed=3) == (train[::-1], dev[::-1], test[::-1])
    assert split(NUMBERED, 7, 5, seed=4)[1] != dev


def test_a_source_in_two_spellings_of_its_spaces_is_one_source() -> None:
    pairs = [Pair("a b", "1"), Pair(" a  b ", "2"), Pair("c", "3")]
    for seed in range(9):
        train, dev, _ = split(pairs, 1, 0, seed)
        assert (train, dev) == (pairs[:2], pairs[2:])


@pytest.mark.parametrize("num_pairs", [0, 1, 5])
def test_too_small_to_split(num_pairs: int) -> None:
    with pytest.raises(DataError, match=f"more than 3 dev . 2 test pairs to cut from, found {num_pairs} with"):
        split(NUMBERED[:num_pairs], 3, 2, seed=1)
    assert len(split(NUMBERED[:6], 3, 2, seed=1)[0]) == 1


# ----------------------------------------------------------------------------------------------------------------------
# Downloads

BODY = b"one\ntwo\n" * 20_000  # more than one chunk
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Answer:
    status: int = 200
    body: bytes = BODY
    num_claimed: int | None = len(BODY)
    """Content-Length; None sends none."""


@dataclass
class Server:
    """Gives the answers in order and the last one again and again; keeps the paths that were asked for."""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    paths: list[str] = field(default_factory=list)


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    script = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.paths.append(self.path)
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(answer.status)
            if answer.num_claimed is not None:
                self.send_header("Content-Length", str(answer.num_claimed))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Handler) as httpd:
        script.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield script
        httpd.shutdown()
        thread.join()


def fetch(server: Server, destination: Path, **options: float) -> Path:
    return download(f"{server.url}/corpus.gz", SHA256, destination, timeout_s=5, backoff_s=0.001, **options)  # type: ignore[arg-type]


def test_download_makes_its_folder_and_leaves_nothing_else(server: Server, tmp_path: Path) -> None:
    destination = tmp_path / "new" / "folder" / "corpus"
    assert fetch(server, destination) == destination
    assert destination.read_bytes() == BODY
    assert list(destination.parent.iterdir()) == [destination]


def test_download_is_silent_away_from_a_terminal(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(server, tmp_path / "corpus")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "failure",
    [
        Answer(status=503, body=b"", num_claimed=0),
        Answer(status=429, body=b"", num_claimed=0),
        Answer(body=BODY[:-1]),
        Answer(body=b""),
    ],
)
def test_download_tries_again(server: Server, tmp_path: Path, failure: Answer) -> None:
    server.answers = [failure, failure, Answer()]
    assert fetch(server, tmp_path / "corpus").read_bytes() == BODY
    assert len(server.paths) == 3


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Answer(status=503, body=b"", num_claimed=0), "HTTP 503 Service Unavailable .try 3 of 3."),
        (Answer(body=BODY[:1000]), "got 1,000 of 160,000 bytes .try 3 of 3."),
        (Answer(status=404, body=b"", num_claimed=0), "HTTP 404 Not Found .try 1 of 3."),
        (Answer(body=b"<html>Log in</html>", num_claimed=None), f"expected sha256 {SHA256}, got .*.try 1 of 3."),
    ],
)
def test_download_gives_up(server: Server, tmp_path: Path, failure: Answer, message: str) -> None:
    server.answers = [failure]
    with pytest.raises(DataError, match=f"corpus.gz: {message}") as caught:
        fetch(server, tmp_path / "corpus", num_tries=3)
    assert server.url in str(caught.value)
    assert f"put corpus into {tmp_path} by hand" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert len(server.paths) == (3 if "3 of 3" in message else 1)


def test_download_without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = "http://127.0.0.1:1/corpus"  # port 1 is reserved: nobody listens
    with pytest.raises(DataError, match=r"corpus: .*Connection refused \(try 2 of 2\)"):
        download(url, SHA256, tmp_path / "corpus", num_tries=2, backoff_s=0.001)
    with pytest.raises(DataError, match=r"not a usable address.*try 1 of 2"):
        download("no address", SHA256, tmp_path / "corpus", num_tries=2)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/corpus"
    with listener, pytest.raises(DataError, match=r"timed out.*try 2 of 2"):
        download(url, SHA256, tmp_path / "corpus", num_tries=2, timeout_s=0.05, backoff_s=0.001)


def test_waits_double(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits_s: list[float] = []
    monkeypatch.setattr(corpora.time, "sleep", waits_s.append)
    server.answers = [Answer(status=500, body=b"", num_claimed=0)]
    with pytest.raises(DataError, match="try 4 of 4"):
        download(server.url, SHA256, tmp_path / "corpus", backoff_s=0.5)
    assert waits_s == [0.5, 1.0, 2.0]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    destination = written(tmp_path / "corpus", BODY)
    fetch(server, destination)
    assert server.paths == []


def test_what_is_there_and_wrong_is_replaced(server: Server, tmp_path: Path) -> None:
    destination = written(tmp_path / "corpus", BODY[:99])
    fetch(server, destination)
    assert destination.read_bytes() == BODY


def test_what_is_there_survives_a_failure(server: Server, tmp_path: Path) -> None:
    destination = written(tmp_path / "corpus", b"old")
    server.answers = [Answer(body=BODY[:1000])]
    with pytest.raises(DataError, match="got 1,000"):
        fetch(server, destination, num_tries=1)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_folder_in_the_way(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    with pytest.raises(DataError, match=r"could not write .*corpus: Is a directory\nMake room, .*S2S_CACHE"):
        fetch(server, tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_full_disk_and_an_interrupt_leave_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with(error: BaseException) -> None:
        def fail(_: int) -> None:
            raise error

        monkeypatch.setattr(corpora.os, "fsync", fail)

    fail_with(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DataError, match=r"could not write .*corpus: No space left on device\nMake room"):
        fetch(server, tmp_path / "corpus")
    fail_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path / "corpus")
    assert list(tmp_path.iterdir()) == []
    assert len(server.paths) == 2  # neither is tried again


def test_several_at_once(server: Server, tmp_path: Path) -> None:
    threads = [threading.Thread(target=fetch, args=(server, tmp_path / "corpus")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [BODY]


# ----------------------------------------------------------------------------------------------------------------------
# Multi30k


def test_the_table_is_complete() -> None:
    languages, splits = ("en", "de", "fr", "cs"), ("train", "val", "test_2016_flickr")
    assert set(MULTI30K) == {multi30k_file(language, split) for language in languages for split in splits}
    assert len(set(MULTI30K.values())) == 12
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in MULTI30K.values())


def test_multi30k_from_a_folder(tmp_path: Path) -> None:
    english = written(tmp_path / "train.en.gz", gzip.compress(b"one\n"))
    german = written(tmp_path / "train.de", b"eins\n")
    written(tmp_path / "val.de", b"zwei\n")
    written(tmp_path / "README.md", b"")
    assert multi30k_paths(tmp_path, tmp_path, "train", "en", "de") == (english, german)
    with pytest.raises(
        DataError, match=r"expected train\.fr\.gz or train\.fr in .*, found languages de, en; splits train, val"
    ):
        multi30k_paths(tmp_path, tmp_path, "train", "en", "fr")


def test_multi30k_from_an_empty_or_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no file named like train\.en\.gz"):
        multi30k_paths(tmp_path, tmp_path, "val", "en", "de")
    with pytest.raises(DataError, match="found no such folder"):
        multi30k_paths(tmp_path / "nowhere", tmp_path, "val", "en", "de")


def test_multi30k_from_the_network(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("val.en.gz", "val.de.gz"):
        monkeypatch.setitem(MULTI30K, name, SHA256)
    paths = multi30k_paths(None, tmp_path, "val", "en", "de", base_url=f"{server.url}/raw")
    assert paths == (tmp_path / "multi30k" / "val.en.gz", tmp_path / "multi30k" / "val.de.gz")
    assert server.paths == ["/raw/val.en.gz", "/raw/val.de.gz"]


def test_multi30k_has_no_korean(tmp_path: Path) -> None:
    message = r"got train\.ko\.gz; it has languages cs, de, en, fr; splits test_2016_flickr, train, val"
    with pytest.raises(DataError, match=message):
        multi30k_paths(None, tmp_path, "train", "ko", "en", base_url="http://127.0.0.1:1")


def test_default_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("S2S_CACHE", "/mine")
    assert default_cache() == Path("/mine")
    monkeypatch.setenv("S2S_CACHE", "")
    assert default_cache() == Path("/xdg/s2s")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path("/home/me/.cache/s2s")
