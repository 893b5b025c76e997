"""The bar of a file: how many lines there are, and where there is none."""

import gzip
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from s2s.decoding.streaming.line_bar import line_bar


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal_for(monkeypatch: pytest.MonkeyPatch, stdout: IO[str]) -> Terminal:
    """Make stderr a terminal, and put a file in the place of stdout; not a fixture, after which pytest resets both."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", stdout)
    return terminal


@pytest.fixture
def nowhere() -> Iterator[IO[str]]:
    """What is no terminal and no pipe."""
    with Path(os.devnull).open("w") as file:
        yield file


@pytest.mark.parametrize("name", ["in.txt", "in.gz"])
@pytest.mark.parametrize(("content", "num_lines"), [(b"a\n\nb\n", 3), (b"a\n\nb\nc", 4), (b"a\x0cb\xff\n", 1)])
def test_lines_are_counted_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: IO[str], name: str, content: bytes, num_lines: int
) -> None:
    terminal = terminal_for(monkeypatch, nowhere)
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name == "in.gz" else content)
    with line_bar("translating", path, has_output=True) as on_lines:
        on_lines(num_lines)
    assert "translating: 100%" in terminal.getvalue()
    assert f"{num_lines}/{num_lines}" in terminal.getvalue()


def test_lines_that_were_done_before_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: IO[str]) -> None:
    terminal = terminal_for(monkeypatch, nowhere)
    (tmp_path / "in.txt").write_bytes(b"a\n" * 8)
    with line_bar("translating", tmp_path / "in.txt", has_output=True, num_done=6) as on_lines:
        assert "75%" in terminal.getvalue()
        on_lines(2)
    assert "8/8" in terminal.getvalue()


def test_redirected_input_counts_from_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: IO[str]
) -> None:
    terminal = terminal_for(monkeypatch, nowhere)
    path = tmp_path / "in.txt"
    path.write_bytes(b"a\nb\nc\n")
    with path.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        os.lseek(file.fileno(), 2, os.SEEK_SET)
        with line_bar("translating", None, has_output=False) as on_lines:
            assert os.read(file.fileno(), 9) == b"b\nc\n"
            on_lines(2)
    assert "2/2" in terminal.getvalue()


def test_there_is_none_for_pipes_and_damaged_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: IO[str]
) -> None:
    terminal = terminal_for(monkeypatch, nowhere)
    (tmp_path / "in.gz").write_bytes(gzip.compress(b"a\n" * 1000)[:-4])
    (tmp_path / "in.txt").write_bytes(b"a\n")
    os.mkfifo(tmp_path / "fifo")
    ends = os.pipe()
    with os.fdopen(ends[0], "rb") as pipe, os.fdopen(ends[1], "w") as other_end:
        for path in (tmp_path / "in.gz", tmp_path / "none", tmp_path / "fifo"):
            with line_bar("translating", path, has_output=True) as on_lines:
                on_lines(1)
        monkeypatch.setattr(sys, "stdin", pipe)
        with line_bar("translating", None, has_output=True):
            pass
        monkeypatch.setattr(sys, "stdout", other_end)  # perhaps of a pager
        with line_bar("translating", tmp_path / "in.txt", has_output=False):
            pass
    assert terminal.getvalue() == ""


def test_there_is_none_where_stderr_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.txt").write_bytes(b"a\n")
    with line_bar("translating", tmp_path / "in.txt", has_output=True) as on_lines:
        on_lines(1)
    assert capsys.readouterr().err == ""
