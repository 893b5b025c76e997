import re
import shutil
import subprocess
from pathlib import Path

import pytest

from processes import ROOT
from s2s.errors import RunError
from s2s.runs.checksums import NAME, check_files, write_checksums
from s2s.runs.folder import RunFolder

FILES = {"subwords.model": b"\x00\x01pieces", "text/dev.source": "하나 둘\n".encode(), "empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    write_checksums(tmp_path, [tmp_path / name for name in FILES])
    return tmp_path


def check(folder: Path) -> None:
    check_files(folder, [folder / name for name in FILES])


def test_sha256sum_finds_every_file_as_it_was(folder: Path) -> None:
    check(folder)
    command = shutil.which("sha256sum")
    if command is None:
        pytest.skip("there is no sha256sum here")
    ended = subprocess.run([command, "--strict", "-c", NAME], cwd=folder, check=True, capture_output=True)
    assert ended.stdout.decode() == "".join(f"{name}: OK\n" for name in sorted(FILES))


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named_with_both_ways_out(folder: Path, name: str) -> None:
    (folder / name).write_bytes(FILES[name] + b"x")
    with pytest.raises(RunError) as caught:
        check(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: changed since the run was made")
    assert "copy it again" in message
    assert f"remove {folder / NAME} to use the files as they are" in message
    assert len(message.splitlines()) == 1
    (folder / NAME).unlink()
    check(folder)


def test_a_missing_file_is_left_to_its_reader(folder: Path) -> None:
    (folder / "empty").unlink()
    check(folder)


def test_damaged_checksums_are_no_pass(folder: Path) -> None:
    """Wherever they are cut, and whatever bit is flipped."""
    whole = (folder / NAME).read_bytes()
    damaged = [whole[:length] for length in range(len(whole) - 1)]  # without the last line end nothing is missing
    for place in range(8 * (len(whole) - 1)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        damaged.append(bytes(flipped))
    for content in [*damaged, b"\n" * 200_000]:
        (folder / NAME).write_bytes(content)
        with pytest.raises(RunError, match="remove"):
            check(folder)


def test_a_run_keeps_checksums_of_all_that_training_writes_once(tiny_run: Path, labelled_run: Path) -> None:
    text = {f"text/{split}.{side}" for split in ("dev", "test") for side in ("source", "target")}
    for path, own in ((tiny_run, set()), (labelled_run, {"labels.txt"})):
        lines = (path / NAME).read_text().splitlines()
        names = {*text, "corpus.json", "subwords.model", "unseen_pieces.json", *own}
        assert {line.split("  ")[1] for line in lines} == names
        run = RunFolder(path)
        run.checked(run.corpus)


@pytest.mark.parametrize("kind", ["tiny_run", "labelled_run"])
def test_the_documented_command_writes_them_anew(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    [command] = re.findall("`(sha256sum [^`]* > [^`]*)`", (ROOT / "docs" / "training.md").read_text(encoding="utf-8"))
    folder = shutil.copytree(request.getfixturevalue(kind), tmp_path / "a run")
    names = [line[66:] for line in (folder / NAME).read_text().splitlines()]
    paths, before = [folder / name for name in names], sorted(folder.iterdir())
    for path in paths:
        path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(RunError, match="changed since the run was made"):
        check_files(folder, paths)
    subprocess.run(["sh", "-c", command], cwd=folder, check=True)
    check_files(folder, paths)
    assert [line[66:] for line in (folder / NAME).read_text().splitlines()] == names
    assert sorted(folder.iterdir()) == before
