"""A file of translations is complete or absent, whatever happens while it is made."""

import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.decoding.streaming.input_lines import LineBlock
from s2s.decoding.streaming.resumable_output import ResumableOutput, join
from s2s.errors import OutputError

SETTINGS = {"weights": "12ab", "search.beam_size": 5}
BLOCKS = [LineBlock(1, [b"a", b"b"]), LineBlock(3, [b"c"]), LineBlock(4, [b"d", b"e", b"f"]), LineBlock(7, [b"g"])]


def translated(block: LineBlock) -> bytes:
    return b"".join(b"<%d:%s>\n" % (block.first_line + n, line) for n, line in enumerate(block.lines))


WHOLE = b"<1:a>\n<2:b>\n<3:c>\n<4:d>\n<5:e>\n<6:f>\n<7:g>\n"


class StoppedError(Exception):
    """Stands for a kill; all that `add` has returned from is on the disk."""


def work(
    output: Path,
    *,
    blocks: Sequence[LineBlock | None] = BLOCKS,
    most: int = 99,
    rank: int = 0,
    size: int = 1,
    settings: dict[str, Any] = SETTINGS,
) -> list[int]:
    """Do at most so many blocks; the numbers of their first lines, or an error if there were more."""
    done = []
    with ResumableOutput.open(output, rank, size, settings) as shard:
        for block in shard.remaining(blocks):
            if block is None:
                continue
            if len(done) == most:
                raise StoppedError
            shard.add(block, translated(block))
            done.append(block.first_line)
        assert shard.whole_input is not None
        assert shard.whole_input[0] == 7
    return done


def test_an_output_is_absent_until_it_is_complete(tmp_path: Path) -> None:
    output = tmp_path / "folder" / "out.txt"
    assert work(output, blocks=[None, *BLOCKS, None]) == [1, 3, 4, 7]
    assert not output.exists()
    join(output, 1)
    assert output.read_bytes() == WHOLE
    assert list(output.parent.iterdir()) == [output]


def test_a_stopped_job_goes_on_after_the_last_whole_window(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    output = tmp_path / "out.txt"
    with pytest.raises(StoppedError):
        work(output, most=2)
    assert "done up to line 3; the same command goes on" in caplog.text
    assert work(output) == [4, 7]
    assert "going on after line 3" in caplog.text
    join(output, 1)
    assert output.read_bytes() == WHOLE


def test_windows_may_be_others_when_a_job_goes_on(tmp_path: Path) -> None:
    """Those of a pipe depend on time."""
    output = tmp_path / "out.txt"
    with pytest.raises(StoppedError):
        work(output, most=2)
    others = [LineBlock(1, [b"a"]), LineBlock(2, [b"b", b"c", b"d", b"e"]), LineBlock(6, [b"f", b"g"])]
    assert work(output, blocks=others) == [4, 6]
    join(output, 1)
    assert output.read_bytes() == WHOLE


@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 80), st.integers(0, 400)), max_size=4))
def test_whatever_is_cut_off_is_done_again(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int, int]]
) -> None:
    """A power cut leaves any part of what was written last; what came before had been flushed."""
    output = tmp_path_factory.mktemp("cut") / "out.txt"
    for most, lost_content, lost_journal in cuts:
        with suppress(StoppedError):
            work(output, most=most)
        for suffix, lost in ((".part", lost_content), (".journal", lost_journal)):
            path = output.with_name(f"out.txt.0-of-1{suffix}")
            path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - lost)])
    work(output)
    join(output, 1)
    assert output.read_bytes() == WHOLE


@pytest.mark.parametrize("size", [2, 3, 5])
def test_ranks_take_turns_and_what_they_did_is_joined_in_order(tmp_path: Path, size: int) -> None:
    output = tmp_path / "out.txt"
    with pytest.raises(StoppedError):
        work(output, rank=0, size=size, most=0)
    with pytest.raises(StoppedError):
        work(output, rank=1, size=size, most=0)
    done = [work(output, rank=rank, size=size) for rank in range(size)]
    (tmp_path / "out.txt.77.0badcafe.part").write_text("half joi")
    firsts = [block.first_line for block in BLOCKS]
    assert done == [firsts[rank::size] for rank in range(size)]
    join(output, size)
    assert output.read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [output]


def test_a_rank_goes_on_with_its_own_windows(tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    with pytest.raises(StoppedError):
        work(output, rank=1, size=2, most=1)
    assert work(output, rank=1, size=2) == [7]
    assert work(output, rank=0, size=2) == [1, 4]
    join(output, 2)
    assert output.read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {**SETTINGS, "search.beam_size": 7}}, r"search.beam_size: 5 -> 7"),
        ({"settings": {"weights": "12ab"}}, r"search.beam_size: 5 -> None"),
        ({"blocks": [LineBlock(1, [b"a", b"b", b"C", b"d"])]}, "another input, whose first 3 lines were not these"),
        ({"blocks": BLOCKS[:1]}, "another input, whose first 3 lines were not these"),
        ({"blocks": []}, "another input, whose first 3 lines were not these"),
        ({"size": 2}, "begun by 1 processes, not 2"),
    ],
)
def test_what_differs_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    output = tmp_path / "out.txt"
    with pytest.raises(StoppedError):
        work(output, most=2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=message):
        work(output, **changes)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert work(output) == [4, 7]


def test_an_output_that_is_there_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    output.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        work(output)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_two_processes_do_not_make_the_same_output(tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    with (
        ResumableOutput.open(output, 0, 1, SETTINGS),
        pytest.raises(OutputError, match="is being written by another process"),
    ):
        work(output)


@pytest.mark.parametrize("journal", [b"{}\n[]\n", b"no JSON\n", b'{"weights": 1}\n{"last_line": 3}\n'])
def test_a_damaged_journal_is_told(tmp_path: Path, journal: bytes) -> None:
    (tmp_path / "out.txt.0-of-1.part").write_bytes(b"<1:a>\n")
    (tmp_path / "out.txt.0-of-1.journal").write_bytes(journal)
    with pytest.raises(OutputError, match="no journal of s2s translate, or damaged"):
        work(tmp_path / "out.txt", settings={})


def test_going_on_never_writes_again_what_the_journal_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill, or a full disk, in the moment when a job goes on."""
    output = tmp_path / "out.txt"
    with pytest.raises(StoppedError):
        work(output, most=2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def stop(*arguments: Any) -> None:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr("s2s.decoding.streaming.resumable_output._append", stop)
        with pytest.raises(StoppedError):
            work(output)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert work(output) == [4, 7]


def test_files_of_outputs_with_longer_names_are_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "out"
    others = [
        "out.txt.0-of-2.part",
        "out.0-of-2.part.bak",
        "out.1.12.0badcafe.part",
        "out.1.0badcafe.partial",
        "out.1.OBADCAFE.part",
    ]
    for name in others:
        (tmp_path / name).write_text("of another")
    work(output)
    join(output, 1)
    assert output.read_bytes() == WHOLE
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out", *others])


def test_an_output_made_while_the_lock_was_waited_for_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process renames the very file that this one has opened."""
    output = tmp_path / "out.txt"

    def lock_late(handle: int) -> bool:
        os.write(handle, WHOLE)
        os.replace(tmp_path / "out.txt.0-of-1.part", output)
        return True

    monkeypatch.setattr("s2s.decoding.streaming.resumable_output.lock", lock_late)
    with pytest.raises(OutputError, match="exists already"):
        work(output)
    assert output.read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("has_part", [False, True])
def test_the_journal_of_an_empty_part_is_ignored(tmp_path: Path, has_part: bool) -> None:
    """Left by a process that was killed after the shard had become the output, which has been removed since."""
    output = tmp_path / "out.txt"
    work(output, settings={"weights": "other"})
    shard = tmp_path / "out.txt.0-of-1.part"
    shard.unlink()
    if has_part:
        shard.touch()
    assert work(output) == [1, 3, 4, 7]
    join(output, 1)
    assert output.read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [output]


def test_a_kill_between_join_and_its_cleaning_leaves_no_part_that_looks_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each rank the journal goes first."""
    output = tmp_path / "out.txt"
    for rank in (0, 1):
        work(output, rank=rank, size=2)
    unlink, gone = Path.unlink, []

    def note(path: Path, missing_ok: bool = False) -> None:
        gone.append(path.name)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", note)
    join(output, 2)
    assert [name for name in gone if "-of-2" in name] == [
        f"out.txt.{rank}-of-2.{suffix}" for rank in (0, 1) for suffix in ("journal", "part")
    ]


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("s2s.decoding.streaming.resumable_output.lock", lambda handle: False)
    assert work(tmp_path / "out.txt") == [1, 3, 4, 7]
    assert "out.txt.0-of-1.part cannot be locked here; ensure that no other command writes " in caplog.text


def test_a_journal_can_be_read_by_people(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        work(tmp_path / "out.txt", most=1)
    lines = (tmp_path / "out.txt.0-of-1.journal").read_text().splitlines()
    # The digest is what `printf 'a\nb\n' | sha256sum` prints.
    sha256 = "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"
    assert [json.loads(line) for line in lines] == [SETTINGS, {"last_line": 2, "sha256": sha256, "num_bytes": 12}]
