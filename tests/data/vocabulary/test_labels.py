"""Labels to ids and back."""

from pathlib import Path

import pytest

from s2s.data.vocabulary.labels import Labels
from s2s.errors import DataError, RunError


def test_labels_are_numbered_by_name() -> None:
    labels = Labels.of(["pos", "neg", " pos", "no  idea"])
    assert (labels.names, len(labels)) == (["neg", "no idea", "pos"], 3)
    assert labels.ids(["pos ", "no idea", "neg", "neg"], str) == [2, 1, 0, 0]


def test_labels_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(Labels.of(["나쁨", "좋음"]).model)
    assert Labels.load(path).all_pieces() == ["나쁨", "좋음"]


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(DataError, match=r"text 1: expected one of the labels 0, 1, found '2'"):
        Labels.of(["0", "1"]).ids(["0", "2", "3"], "text {}".format)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (["1", "1"], "from 2 to 1000 different labels, found 1"),
        ([str(number) for number in range(1001)], "found 1,001; the text comes first and the label second"),
        (["0", " "], "found a blank one"),
    ],
)
def test_what_cannot_be_labels(found: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Labels.of(found)


@pytest.mark.parametrize("content", [b"", b"one\n", b"\xff\n0\n", None])
def test_a_damaged_file_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match="expected the labels of a run"):
        Labels.load(path)
