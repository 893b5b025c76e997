"""N lines in, N lines out, in order, whatever the lines are."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, Caller, environment, run_command
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s import Translator
from s2s.cli.translate import decode, format_translation, read_windows
from s2s.config import OutputFormat, SearchConfig, Strategy
from s2s.decoding.search import Hypothesis
from s2s.decoding.translator import Translation


def windows(content: bytes) -> list[bytes]:
    """What `read_windows` makes of a pipe's content."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(content)
    try:
        return [line for window in read_windows(reader) for line in window]
    finally:
        os.close(reader)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8))
def test_lines_end_at_line_feeds_only(lines: list[bytes]) -> None:
    assert windows(b"".join(line + b"\n" for line in lines)) == lines


def test_a_last_line_needs_no_end() -> None:
    assert windows(b"a\nb") == [b"a", b"b"]
    assert windows(b"") == []


def test_a_trailing_carriage_return_is_dropped() -> None:
    assert decode(b"a\rb\r", 1) == "a\rb"


def test_invalid_utf8_is_replaced_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert decode(b"a\xffb", 7) == "a\ufffdb"
    assert "line 7" in caplog.text


def test_a_replacement_character_that_was_there_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert decode("a\ufffdb".encode(), 7) == "a\ufffdb"
    assert caplog.text == ""


def test_a_huge_line_is_cut_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = windows(b"a" * 40_000)
    assert len(line) == 40_000
    assert len(decode(b"a" * (2**20 + 1), 3)) == 2**20
    assert "line 3" in caplog.text


def test_moses_lines_keep_their_fields() -> None:
    item = Translation(("a ||||| b || c",), (Hypothesis((5, 6), -2.0, -1.0, (-0.5, -1.0, -0.5)),))
    assert format_translation(item, 4, OutputFormat.moses) == [
        "4 ||| a | | | | | b || c ||| LogProb= -2.000000 Pieces= 2 ||| -1.000000"
    ]
    assert format_translation(item, 4, OutputFormat.text) == ["a ||||| b || c"]


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


def test_every_line_comes_out_once_and_in_order(tiny_run: Path) -> None:
    content = "".join(f"{line}\n" for line in NAUGHTY).encode() + b"\xff\xfe\r\n" + "둘".encode()
    ended = run_command("translate", f"run={tiny_run}", "search=greedy", "search.max_source_pieces=30", stdin=content)
    assert ended.code == 0, ended.err
    lines = ended.out.decode().split("\n")
    assert lines[-1] == ""
    assert len(lines) - 1 == len(NAUGHTY) + 2
    assert lines[0] == lines[1] == lines[2] == ""
    translator = Translator.load(tiny_run, search=SearchConfig(strategy=Strategy.greedy, max_source_pieces=30))
    assert lines[: len(NAUGHTY)] == [translator.translate([line])[0] for line in NAUGHTY]
    assert "line 12: " in ended.err  # too long
    assert f"line {len(NAUGHTY) + 1}: not valid UTF-8" in ended.err


@settings(deadline=None, max_examples=15)
@given(lines=st.lists(st.text(max_size=12), max_size=7), size=st.sampled_from([1, 3]))
def test_a_translation_does_not_depend_on_its_batch(tiny_run: Path, lines: list[str], size: int) -> None:
    alone = Translator.load(tiny_run, search=SearchConfig(batch_size=1, beam_size=3, max_length_offset=5))
    together = Translator.load(tiny_run, search=SearchConfig(batch_size=size, beam_size=3, max_length_offset=5))
    results = together.translations(lines)
    assert len(results) == len(lines)
    for line, result in zip(lines, results, strict=True):
        expected = alone.translations([line])[0]
        assert result.texts == expected.texts
        assert "\n" not in result.texts[0]
        assert abs(result.hypotheses[0].score - expected.hypotheses[0].score) < 1e-4


def test_a_typed_line_is_answered_at_once(tiny_run: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/translate.py"), f"run={tiny_run}", "search=greedy"]
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
    os.close(slave)
    assert process.stdout is not None
    for text in ("하나\n", "둘 셋\n"):
        os.write(master, text.encode())
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready
        assert os.read(process.stdout.fileno(), 1000).endswith(b"\n")
        assert process.poll() is None
    os.write(master, b"\x04")
    assert process.wait(timeout=30) == 0
    process.stdout.close()
    os.close(master)


def test_a_closed_pipe_ends_quietly(tiny_run: Path) -> None:
    command = (
        f"yes 하나 | head -20000 | {sys.executable} {ROOT}/scripts/translate.py run={tiny_run} search=greedy | head -1"
    )
    ended = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, env=environment())
    assert ended.stdout.count(b"\n") == 1
    assert ended.stderr == b""


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
