"""N lines in, N lines out, in order, whatever the lines are."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes import ROOT, Caller, check_typed_lines, environment, run_command
from s2s.config.search import SearchConfig, Strategy
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.streaming.input_lines import (
    BLOCK_BYTES,
    Input,
    LineBlock,
    decode,
    open_input,
    pipe,
    read_blocks,
    split_into_buckets,
)
from s2s.errors import DataError


def lines_of(content: bytes) -> list[bytes]:
    """What `read_blocks` makes of a pipe's content."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(content)
    try:
        return [line for block in read_blocks(pipe(reader)) if block for line in block.lines]
    finally:
        os.close(reader)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8))
def test_lines_end_at_line_feeds_only(lines: list[bytes]) -> None:
    assert lines_of(b"".join(line + b"\n" for line in lines)) == lines


def test_a_last_line_needs_no_end() -> None:
    assert lines_of(b"a\nb") == [b"a", b"b"]
    assert lines_of(b"") == []


def in_drops(*drops: bytes) -> Iterator[LineBlock | None]:
    """Windows of an input of which a reader finds one drop after another, and between them nothing for now."""
    coming = deque(drops)
    is_there = [False]

    def is_ready(wait_s: float) -> bool:
        return is_there[0]

    def read(size: int) -> bytes:
        drop = coming.popleft() if coming else b""
        is_there[0] = not coming
        return drop

    return read_blocks(Input(read, is_ready, 60))


def test_what_is_there_comes_at_once_and_a_wait_is_announced() -> None:
    assert list(in_drops(b"a\nb\nc", b"d\n", b"\n")) == [
        None,
        LineBlock(1, [b"a", b"b"]),
        None,
        LineBlock(3, [b"cd"]),
        None,
        LineBlock(4, [b""]),
    ]


def test_lines_that_trickle_in_are_not_waited_for_without_end() -> None:
    """Each comes while the last one is waited for; a block is closed all the same."""
    started_s = time.monotonic()
    source = Input(lambda size: b"a\n", lambda wait_s: time.sleep(0.003) is None, 0.1)
    block = next(read_blocks(source))
    assert block is not None
    assert 0.09 < time.monotonic() - started_s < 5
    assert 1 < len(block.lines) < 100


def test_blocks_of_a_file_depend_on_its_content_alone(tmp_path: Path) -> None:
    lines = [b"%d %s" % (index, b"x" * (index * 37 % 101)) for index in range(20_000)]
    content = b"".join(line + b"\n" for line in lines)
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content, 1))
    (tmp_path / "packed").write_bytes(gzip.compress(content, 1))
    found = []
    for name in ("plain", "packed.gz", "packed"):
        with open_input(tmp_path / name) as source:
            found.append(list(read_blocks(source)))
    assert found[0] == found[1] == found[2]
    assert [line for block in found[0] if block for line in block.lines] == lines
    assert len(found[0]) == -(-len(content) // BLOCK_BYTES)
    assert all(block is not None and block.num_bytes <= BLOCK_BYTES for block in found[0])
    # One that begins later is cut in the same places: so it is when a job goes on.
    second = found[0][1]
    assert second is not None
    (tmp_path / "rest").write_bytes(b"".join(line + b"\n" for line in lines[second.first_line - 1 :]))
    with open_input(tmp_path / "rest") as source:
        assert [block and block.lines for block in read_blocks(source)] == [
            block and block.lines for block in found[0][1:]
        ]


def test_endless_input_without_line_ends_needs_no_memory() -> None:
    """Two GiB in one line would be noticed."""
    left = [2**31]

    def read(size: int) -> bytes:
        left[0] -= size
        return bytes(size) if left[0] > 0 else b""

    (block,) = read_blocks(Input(read, lambda _: True, 60))
    assert block is not None
    assert [len(line) for line in block.lines] == [2**20 + 1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2**21  # in KiB


def test_a_wrong_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a\nb\n")[:-9])
    for name, message in (("none", "there is no file"), ("", "is a folder"), ("cut.gz", "expected a whole gzip file")):
        with pytest.raises(DataError, match=message), open_input(tmp_path / name) as source:
            list(read_blocks(source))


def test_a_named_pipe_is_read_as_it_is_filled(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    with open_input(tmp_path / "pipe") as source:
        found = read_blocks(source)
        assert next(found) is None
        os.write(writer, b"a\nb")
        assert next(found) == LineBlock(1, [b"a"])
        os.close(writer)
        assert list(found) == [LineBlock(2, [b"b"])]


@given(lines=st.lists(st.binary(max_size=5), min_size=1, max_size=17), most=st.integers(1, 7))
def test_buckets_hold_each_line_once_the_longest_first(lines: list[bytes], most: int) -> None:
    found = split_into_buckets(LineBlock(3, lines), most)
    assert max(len(bucket.lines) for bucket in found) <= most
    assert max(len(bucket.lines) for bucket in found) - min(len(bucket.lines) for bucket in found) <= len(found)
    numbered = [pair for bucket in found for pair in zip(bucket.numbers, bucket.lines, strict=True)]
    assert sorted(numbered) == list(enumerate(lines, start=3))
    lengths = [len(line) for _, line in numbered]
    assert lengths == sorted(lengths, reverse=True)


def test_a_block_is_split_at_a_line() -> None:
    block = LineBlock(4, [b"a", b"b", b"c"])
    assert (block.last_line, block.num_bytes) == (6, 6)
    assert block.split(4) == (LineBlock(4, [b"a"]), LineBlock(5, [b"b", b"c"]))
    assert block.split(2) == (LineBlock(4, []), block)
    assert block.split(9) == (block, LineBlock(7, []))


def test_a_trailing_carriage_return_is_dropped() -> None:
    assert decode(b"a\rb\r", 1) == "a\rb"


def test_invalid_utf8_is_replaced_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert decode(b"a\xffb", 7) == "a\ufffdb"
    assert "line 7" in caplog.text


def test_a_replacement_character_that_was_there_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert decode("a\ufffdb".encode(), 7) == "a\ufffdb"
    assert caplog.text == ""


def test_a_huge_line_is_cut_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = lines_of(b"a" * 40_000)
    assert len(line) == 40_000
    assert len(decode(b"a" * (2**20 + 1), 3)) == 2**20
    assert "line 3" in caplog.text


@pytest.mark.parametrize("character", ["é", "하", "🙂"])
def test_a_character_cut_in_two_is_dropped_without_a_second_warning(
    caplog: pytest.LogCaptureFixture, character: str
) -> None:
    for num_kept in range(1, len(character.encode())):
        start = "b" * (2**20 - num_kept)
        caplog.clear()
        assert decode((start + character).encode()[: 2**20 + 1], 3) == start
        assert [record.message for record in caplog.records] == ["line 3: more than 1048576 bytes; cut"]


def test_a_cut_line_of_wrong_bytes_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    assert decode(b"\xff" + b"a" * 2**20, 3) == "\ufffd" + "a" * (2**20 - 1)
    assert "line 3: not valid UTF-8" in caplog.text


NAUGHTY = [
    "",
    " ",
    "\t\u3000 ",
    "하나 둘",
    "a\u2028b\u2029c\u0085d\x0ce\x0bf\x1cg",
    "\u200b\u200e\ufeff",
    "|||",
    "🙂" * 30,
    "ﷺ" * 50,
    "\x00\x01",
    "$(rm -rf /) `ls` ${HOME}",
    "하나 " * 400,
    "z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘",
]


@pytest.mark.slow
def test_every_line_comes_out_once_and_in_order(tiny_run: Path) -> None:
    content = "".join(f"{line}\n" for line in NAUGHTY).encode() + b"\xff\xfe\r\n" + "둘".encode()
    ended = run_command("translate", f"run={tiny_run}", "search=greedy", "search.max_source_pieces=30", stdin=content)
    assert ended.code == 0, ended.err
    lines = ended.out.decode().split("\n")
    assert lines[-1] == ""
    assert len(lines) - 1 == len(NAUGHTY) + 2
    assert lines[0] == lines[1] == lines[2] == ""
    translator = BatchTranslator.load(tiny_run, search=SearchConfig(strategy=Strategy.greedy, max_source_pieces=30))
    assert lines[: len(NAUGHTY)] == [translator.translate([line])[0] for line in NAUGHTY]
    assert "line 12: " in ended.err  # too long
    assert f"line {len(NAUGHTY) + 1}: not valid UTF-8" in ended.err


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(lines=st.lists(st.text(max_size=12), max_size=7), size=st.sampled_from([1, 3]))
def test_a_translation_does_not_depend_on_its_batch(tiny_run: Path, lines: list[str], size: int) -> None:
    search = SearchConfig(beam_size=3, max_length_offset=5)
    alone, together = (BatchTranslator.load(tiny_run, search=search, batch_size=each) for each in (1, size))
    results = together.translations(lines)
    assert len(results) == len(lines)
    for line, result in zip(lines, results, strict=True):
        expected = alone.translations([line])[0]
        assert result.texts == expected.texts
        assert "\n" not in result.texts[0]
        assert abs(result.hypotheses[0].score - expected.hypotheses[0].score) < 1e-4


def test_a_typed_line_is_answered_at_once(tiny_run: Path) -> None:
    check_typed_lines("translate", f"run={tiny_run}", "search=greedy", lines=["하나\n", "둘 셋\n"])


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(tiny_run: Path) -> None:
    command = (
        f"yes 하나 | head -20000 | {sys.executable} {ROOT}/scripts/translate.py run={tiny_run} search=greedy | head -1"
    )
    ended = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, env=environment())
    assert ended.stdout.count(b"\n") == 1
    assert ended.stderr == b""


@pytest.mark.slow
def test_signals_end_a_translation_with_their_codes(tiny_run: Path) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        command = [sys.executable, str(ROOT / "scripts/translate.py"), f"run={tiny_run}", "search=greedy"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=ROOT,
            # A shell's background jobs ignore SIGINT, and their children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("하나\n".encode())
        process.stdin.flush()
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == code
        assert b"Traceback" not in err


def test_nothing_but_results_on_stdout(call_command: Caller, tiny_run: Path) -> None:
    ended = call_command("evaluate", f"run={tiny_run}", "search.beam_size=2")
    assert len(ended.out.splitlines()) == 1
    json.loads(ended.out)
