import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2s.files import new_folder, replacing, write_bytes, write_json, write_lines, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_comes_with_its_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "한국어.txt", "안녕\n")
    assert (tmp_path / "a" / "b" / "한국어.txt").read_bytes() == "안녕\n".encode()
    assert names(tmp_path / "a" / "b") == ["한국어.txt"]


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["kept"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["kept"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["kept"]


def test_file_and_folder_are_flushed_around_the_renaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was renamed but not flushed may be empty after a power cut."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watch_fsync(handle: int) -> None:
        calls.append("flush folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "flush file")
        fsync(handle)

    def watch_replace(before: Path, after: Path) -> None:
        calls.append("rename")
        replace(before, after)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(os, "replace", watch_replace)
    write_bytes(tmp_path / "kept", b"new")
    assert calls == ["flush file", "rename", "flush folder"]


def test_writers_side_by_side_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "kept"

    def write_many(letter: str) -> None:
        for _ in range(20):
            write_text(path, letter * 5000)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write_many, "abc"))
    assert path.read_text() in {letter * 5000 for letter in "abc"}
    assert names(tmp_path) == ["kept"]


def test_two_writers_of_one_process_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"  # the last one done
    assert names(tmp_path) == ["kept"]


def test_a_new_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "new") as folder:
        write_text(folder / "b" / "text", "안녕")
        assert not (tmp_path / "a" / "new").exists()
    assert (tmp_path / "a" / "new" / "b" / "text").read_text() == "안녕"
    assert names(tmp_path / "a") == ["new"]


def test_a_new_folder_may_take_the_place_of_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with new_folder(tmp_path / "new") as folder:
        write_text(folder / "text", "안녕")
    assert names(tmp_path / "new") == ["text"]


def test_an_exception_leaves_no_folder(tmp_path: Path) -> None:
    def write_half() -> None:
        with new_folder(tmp_path / "new") as folder:
            write_text(folder / "half", "")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert names(tmp_path) == []


def test_a_new_folder_takes_no_place_that_is_taken(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "old", "kept")
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "new") as folder:
        write_text(folder / "text", "")
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new") == ["old"]


@given(lines=st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=7)))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_come_back(tmp_path: Path, lines: list[str]) -> None:
    write_lines(tmp_path / "lines", lines)
    assert (tmp_path / "lines").read_bytes().decode().split("\n") == [*lines, ""]


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "facts.json", {"text": "책을", "count": 3})
    text = (tmp_path / "facts.json").read_text(encoding="utf-8")
    assert "책을" in text
    assert text.endswith("}\n")
    assert json.loads(text) == {"text": "책을", "count": 3}
