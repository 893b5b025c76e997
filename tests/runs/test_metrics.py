import math
from pathlib import Path

import pytest

from s2s.errors import RunError
from s2s.runs.metrics import append_metrics, read_metrics, truncate_metrics

ROWS = [
    {"step": step, "kind": kind, "loss_nats": 9 / step, "elapsed_s": 0.5 * step}
    for step, kind in [(2, "train"), (4, "train"), (4, "dev"), (6, "train")]
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for row in ROWS:
        append_metrics(tmp_path / "metrics.jsonl", row)
    return tmp_path / "metrics.jsonl"


def test_records_come_back(path: Path) -> None:
    assert read_metrics(path) == ROWS
    append_metrics(path, {"step": 7, "kind": "event", "event": "out of memory", "size": math.inf})
    assert read_metrics(path)[-1] == {"step": 7, "kind": "event", "event": "out of memory", "size": None}


def test_an_unfinished_line_does_not_count(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"step": 8, "ki')
    assert read_metrics(path) == ROWS
    truncate_metrics(path, 6)
    assert path.read_bytes().endswith(b"}\n")
    assert read_metrics(path) == ROWS


def test_later_records_are_dropped(path: Path) -> None:
    truncate_metrics(path, 4)
    assert read_metrics(path) == ROWS[:3]


def test_what_a_power_cut_leaves_is_dropped(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(50) + b"\n" + bytes(7))
    truncate_metrics(path, 6)
    assert read_metrics(path) == ROWS


NO_RECORDS = (
    "",
    "{",
    "3",
    "[]",
    "{}",
    "[" * 100_000,
    "\udc80",
    '{"step": "2", "kind": "dev"}',
    '{"step": 2, "kind": "dev"}',
    '{"step": 2, "kind": "train", "loss_nats": 1e999, "elapsed_s": 1}',
    '{"step": 2, "kind": "x", "y": [1]}',
)


@pytest.mark.parametrize("line", NO_RECORDS)
def test_a_damaged_line_is_named(path: Path, line: str) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[1] = line.encode(errors="surrogateescape")
    path.write_bytes(b"\n".join(lines))
    where = "metrics.jsonl: expected" if line == "\udc80" else "metrics.jsonl, line 2: expected"
    for read in (read_metrics, lambda path: truncate_metrics(path, 6)):
        with pytest.raises(RunError, match=where) as caught:
            read(path)
        assert "remove it" in str(caught.value)
        assert len(str(caught.value)) < 500
        assert "\n" not in str(caught.value)
