import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tasks
from s2s.data.cache import Cache
from s2s.errors import DataError

KEY = {"text": "abc", "seed": 1}


def writing(text: str = "content") -> Callable[[Path], dict[str, Any]]:
    """A builder."""

    def build(folder: Path) -> dict[str, Any]:
        (folder / "sub").mkdir()
        (folder / "a").write_text(text)
        (folder / "sub" / "b").write_text("more")
        return {"said": text}

    return build


def never(folder: Path) -> dict[str, Any]:
    raise AssertionError("built again")


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock")


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "cache")
    first = cache.entry("text", KEY, writing())
    assert first.facts == {"said": "content"}
    assert first.path.name.startswith("text-")
    assert (first.path / "a").read_text() == "content"
    assert cache.entry("text", dict(reversed(KEY.items())), never) == first
    assert names(cache.root) == [first.path.name]


def test_another_key_is_another_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    keys = [KEY, {**KEY, "seed": 2}, {**KEY, "seed": "1"}, {"text": "abc"}, {**KEY, "more": None}]
    entries = {cache.entry("text", key, writing()).path.name for key in keys}
    entries.add(cache.entry("ids", KEY, writing()).path.name)
    assert len(entries) == len(keys) + 1


FILES = ["a", "sub/b", "manifest.json"]
DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"}"),
    "of the same size": lambda path: path.write_bytes(b"?" * path.stat().st_size),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def assert_made_anew(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """The entry is built again, once, with a warning of one line."""
    caplog.clear()
    again = cache.entry("text", KEY, writing("new one"))
    assert again.facts == {"said": "new one"}
    assert (again.path / "a").read_text() == "new one"
    assert (again.path / "sub" / "b").read_text() == "more"
    assert names(cache.root) == [again.path.name]
    (message,) = caplog.messages
    assert message.startswith(f"warning: {again.path}: damaged in the cache (")
    assert "\n" not in message
    assert cache.entry("text", KEY, never) == again


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_built_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: str
) -> None:
    cache = Cache(tmp_path)
    DAMAGES[damage](cache.entry("text", KEY, writing()).path / name)
    assert_made_anew(cache, caplog)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """But for white space of the manifest, which means nothing."""
    cache = Cache(tmp_path)
    path = cache.entry("text", KEY, writing()).path / name
    whole = path.read_bytes()
    meaning = json.loads(whole) if name == "manifest.json" else None
    for place in range(0, 8 * len(whole), 7):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            is_same = meaning is not None and json.loads(flipped) == meaning
        except ValueError:
            is_same = False
        if is_same:
            assert cache.entry("text", KEY, never).facts == {"said": "content"}
        else:
            assert cache.entry("text", KEY, writing()).facts == {"said": "content"}
            assert "damaged in the cache" in caplog.text
            caplog.clear()
            assert path.read_bytes() == whole


def test_a_file_that_does_not_belong_there_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A chunk more would be read as text."""
    cache = Cache(tmp_path)
    (cache.entry("text", KEY, writing()).path / "train.00002").write_text("of another corpus")
    assert_made_anew(cache, caplog)


def test_another_entry_under_its_name_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path)
    path, other = cache.entry("text", KEY, writing()).path, cache.entry("text", {"seed": 2}, writing("other")).path
    shutil.rmtree(path)
    other.rename(path)
    assert_made_anew(cache, caplog)


def test_a_file_under_its_name_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path)
    path = cache.entry("text", KEY, writing()).path
    shutil.rmtree(path)
    path.write_text("not a folder")
    assert_made_anew(cache, caplog)


def test_what_another_process_has_just_checked_is_not_read_again(tmp_path: Path) -> None:
    path = Cache(tmp_path).entry("text", KEY, writing()).path
    DAMAGES["zeros"](path / "a")
    assert Cache(tmp_path, is_checked=False).entry("text", KEY, never).path == path
    DAMAGES["cut"](path / "a")
    assert Cache(tmp_path, is_checked=False).entry("text", KEY, writing("again")).facts == {"said": "again"}


def test_a_manifest_of_another_kind_is_no_manifest(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = cache.entry("text", KEY, writing()).path / "manifest.json"
    contents = ("[]", "{}", "3", '{"sizes": 3, "facts": {}}', '{"sizes": {"a": "7"}, "facts": {}}', "[" * 100_000)
    for content in contents:
        path.write_text(content)
        assert cache.entry("text", KEY, writing("again")).facts == {"said": "again"}


def test_a_failed_builder_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "a").write_text("half")
        raise DataError("not UTF-8")

    with pytest.raises(DataError, match="not UTF-8"):
        Cache(tmp_path).entry("text", KEY, fail)
    assert names(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file/cache: expected a folder .*Not a directory\n.*data\.cache=.*S2S_CACHE="):
        Cache(tmp_path / "file" / "cache").entry("text", KEY, writing())

    def fill(folder: Path) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"No space left on device\nMake room, or choose another folder"):
        Cache(tmp_path).entry("text", KEY, fill)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(122, "Disk quota exceeded"), r"expected a folder .*got: Disk quota exceeded\nMake room"),
        (OSError(2, "No such file or directory", "x/train.00001"), r"^x/train\.00001: vanished .*same command again$"),
        (OSError(5, "Input/output error", "x/dev"), r"^x/dev: expected a file of the cache .*got: Input/output error$"),
        (OSError(24, "Too many open files"), r"expected a file of the cache .*got: Too many open files$"),
    ],
)
def test_errors_of_files_tell_their_cause(tmp_path: Path, error: OSError, message: str) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        raise error

    with pytest.raises(DataError, match=message):
        Cache(tmp_path).entry("text", KEY, fail)
    with pytest.raises(DataError, match=message), Cache(tmp_path).checked():
        raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["manifest.json", "a"])
def test_an_entry_that_cannot_be_looked_at_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cache = Cache(tmp_path)
    path = cache.entry("text", KEY, writing()).path
    before = Path.stat, Path.read_text

    def failing(which: int) -> Callable[..., Any]:
        def look(file: Path, **options: Any) -> Any:
            if file == path / name:
                raise OSError(5, "Input/output error", str(file))
            return before[which](file, **options)

        return look

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", failing(0))
        patch.setattr(Path, "read_text", failing(1))
        with pytest.raises(DataError, match=f"{name}: expected a file of the cache .*got: Input/output error"):
            cache.entry("text", KEY, never)
    assert cache.entry("text", KEY, never).path == path


def test_a_folder_that_is_being_built_is_left_alone_without_its_lock(tmp_path: Path) -> None:
    """As on a file system whose locks are local to a machine, or when someone cleans up."""
    elsewhere = tmp_path / "text-0.another-machine.1.abcd.part"
    elsewhere.mkdir()

    def build(folder: Path) -> dict[str, Any]:
        for lock in tmp_path.glob("*.lock"):
            lock.unlink()
        Cache(tmp_path).entry("text", {"another": "text"}, writing())
        Cache(tmp_path).entry("text", KEY, writing("the faster one"))
        assert folder.exists()
        return writing("the slower one")(folder)

    entry = Cache(tmp_path).entry("text", KEY, build)
    assert entry.facts == {"said": "the faster one"}
    assert sorted(file.name for file in entry.path.iterdir()) == ["a", "manifest.json", "sub"]
    assert elsewhere.exists()
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize("comes_again", [True, False])
def test_a_folder_that_was_removed_is_no_entry(tmp_path: Path, comes_again: bool) -> None:
    def build(folder: Path) -> dict[str, Any]:
        shutil.rmtree(folder)
        if comes_again:
            folder.mkdir()
            (folder / "a").write_text("the rest")
        return {}

    with pytest.raises(DataError, match=r"\.part: vanished from the cache .*give the same command again"):
        Cache(tmp_path).entry("text", KEY, build)
    assert names(tmp_path) == []


def test_two_at_once_build_once(tmp_path: Path) -> None:
    num_built = []

    def slow(folder: Path) -> dict[str, Any]:
        num_built.append(1)
        time.sleep(0.3)
        return writing()(folder)

    entries = []
    threads = [
        threading.Thread(target=lambda: entries.append(Cache(tmp_path).entry("text", KEY, slow))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(num_built) == 1
    assert len(entries) == 4
    assert {entry.path.name for entry in entries} == set(names(tmp_path))


def test_without_locks_the_second_one_uses_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    other = tmp_path / "ids-of-another-process.1.abcd.part"
    other.mkdir()

    def build(folder: Path) -> dict[str, Any]:
        Cache(tmp_path).entry("text", KEY, writing("the faster one"))
        return writing("the slower one")(folder)

    assert Cache(tmp_path).entry("text", KEY, build).facts == {"said": "the faster one"}
    assert other.exists()  # its owner may be alive


def test_a_killed_builder_leaves_no_lock_and_nothing_to_read(tmp_path: Path) -> None:
    root, started = tmp_path / "cache", tmp_path / "started"
    process = multiprocessing.get_context("spawn").Process(target=tasks.build_and_wait, args=(str(root), str(started)))
    process.start()
    while not started.exists():
        assert process.is_alive()
        time.sleep(0.02)
    other = Cache(root).entry("text", {"another": "text"}, writing())  # does not wait, and leaves the builder alone
    assert [name for name in names(root) if name.endswith(".part")]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    # Whoever builds next, whatever it is, cleans up.
    third = Cache(root).entry("text", {"a third": "text"}, writing())
    assert names(root) == sorted([other.path.name, third.path.name])
    entry = Cache(root).entry("text", KEY, writing())
    assert json.loads((entry.path / "manifest.json").read_text())["sizes"] == {"a": 7, "sub/b": 4}
