"""`score`, and how it and `align` read sentence pairs: N pairs in, N lines out, in order."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT, Caller, check_typed_lines, environment, run_command
from s2s.cli.score import ScoreFormat, format_score
from s2s.data.text.parallel_text import Pair
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder, ForcedScore
from s2s.decoding.streaming import input_pairs as pairs_module
from s2s.decoding.streaming.input_pairs import read_pair_blocks
from s2s.errors import DataError
from tiny_runs import filled

ROWS = [
    ("하나 둘", "two one"),
    ("", ""),
    (" ", "\u3000"),
    ("", "one"),
    ("셋", ""),
    ("a\u2028b\u0085c", "d\x0ce\x0bf"),
    ("🙂" * 30, "ﷺ" * 20),
    ("하나 " * 600, "one " * 700),
    ("둘", "two"),
]


def scores_of(run: Path, rows: list[tuple[str, str]]) -> list[str]:
    decoder = ForcedDecoder(BatchTranslator.load(run))
    return [f"{decoder.scores([Pair(*row)])[0].log_probability:.6f}" for row in rows]


def write_sides(folder: Path, rows: list[tuple[str, str]]) -> str:
    """The pairs as two files, and the option that names them."""
    for name, side in zip(("a.source", "a.target"), zip(*rows, strict=True), strict=True):
        (folder / name).write_bytes("".join(f"{line}\n" for line in side).encode())
    return f"data.test=[{folder}/a.source,{folder}/a.target]"


@pytest.mark.slow
def test_every_pair_of_standard_input_is_scored_once_and_in_order(tiny_run: Path) -> None:
    content = "".join(f"{source}\t{target}\n" for source, target in ROWS).encode()
    ended = run_command("score", f"run={tiny_run}", stdin=content + b"\n\xff\tone\r\n" + "셋\tone".encode())
    assert ended.code == 0, ended.err
    lines = ended.out.decode().split("\n")
    assert lines[-1] == ""
    rows = [*ROWS, ("", ""), ("\ufffd", "one"), ("셋", "one")]
    for line, expected in zip(lines[:-1], scores_of(tiny_run, rows), strict=True):
        assert float(line) == pytest.approx(float(expected), abs=1e-4, rel=1e-6)
    assert lines[1:4] == ["0.000000", "0.000000", "-inf"]
    assert "line 8: " in ended.err  # too long
    assert "line 11: not valid UTF-8" in ended.err


def test_files_are_scored_alike(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    rows = [*ROWS, ("a\tb", "one\ttwo")]  # which standard input cannot hold
    ended = call_command("score", f"run={tiny_run}", write_sides(tmp_path, rows), "batch_tokens=50")
    assert ended.code == 0, ended.err
    for line, expected in zip(ended.out.decode().splitlines(), scores_of(tiny_run, rows), strict=True):
        assert float(line) == pytest.approx(float(expected), abs=1e-4, rel=1e-6)


def test_files_are_read_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "_BLOCK_PAIRS", 2)
    source, target = tmp_path / "a.ko.gz", tmp_path / "a.en"
    with gzip.open(source, "wb") as file:
        file.write(b"a\nb \xff\nc\r\n")
    target.write_bytes(b"1\n2\n3")
    windows = list(read_pair_blocks([str(source), str(target)]))
    assert windows == [(1, [Pair("a", "1"), Pair("b \ufffd", "2")]), (3, [Pair("c", "3")])]
    target.write_bytes(b"1\n2\n")
    with pytest.raises(DataError, match=r"a\.ko\.gz as in .*a\.en, found 3 and 2"):
        list(read_pair_blocks([str(source), str(target)]))


def test_json_holds_every_piece(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    rows = [("하나 둘", "two one"), ("", ""), ("하나", "☃"), ("하나", "")]
    ended = call_command("score", f"run={tiny_run}", write_sides(tmp_path, rows), "format=json")
    assert ended.code == 0, ended.err
    first, nothing, unknown, end = (json.loads(line) for line in ended.out.decode().splitlines())
    assert "".join(first["pieces"]) == "▁two▁one</s>"
    assert len(first["log_probabilities"]) == len(first["pieces"])
    assert sum(first["log_probabilities"]) == pytest.approx(first["log_probability"], abs=1e-4)
    assert first["mean"] == pytest.approx(first["log_probability"] / len(first["pieces"]), abs=1e-5)
    assert nothing == {"log_probability": 0.0, "mean": 0.0, "pieces": [], "log_probabilities": []}
    assert unknown["log_probability"] is unknown["mean"] is unknown["log_probabilities"][1] is None
    assert end["pieces"] == ["</s>"]


def test_lines_on_paper(tiny_run: Path) -> None:
    subwords = BatchTranslator.load(tiny_run).target
    ids = tuple(subwords.encode(["one"])[0])
    whole = ForcedScore(ids, (-0.5,) * len(ids) + (-0.25,))
    assert format_score(whole, subwords, ScoreFormat.text) == f"{-0.5 * len(ids) - 0.25:.6f}"
    cut = ForcedScore(ids, (-0.5,) * len(ids))
    assert json.loads(format_score(cut, subwords, ScoreFormat.json)) == {
        "log_probability": -0.5 * len(ids),
        "mean": -0.5,
        "pieces": subwords.pieces(ids),
        "log_probabilities": [-0.5] * len(ids),
    }


@pytest.mark.slow
def test_a_translation_has_the_score_that_translate_reports(
    tiny_run: Path, tmp_path: Path, call_command: Caller
) -> None:
    """Through text, where it is cut into the same pieces again."""
    sources = ["하나 둘", "셋 넷 다섯", "여섯", "둘 둘 둘"]
    ended = run_command(
        "translate", f"run={tiny_run}", "search=greedy", "format=moses", stdin="\n".join(sources).encode()
    )
    fields = [line.split(" ||| ") for line in ended.out.decode().splitlines()]
    rows = list(zip(sources, (text for _, text, _, _ in fields), strict=True))
    scored = call_command("score", f"run={tiny_run}", "format=json", write_sides(tmp_path, rows))
    compared = 0
    for (_, _, features, _), line in zip(fields, scored.out.decode().splitlines(), strict=True):
        _, log_probability, _, num_pieces = features.split()
        result = json.loads(line)
        if len(result["pieces"]) - 1 == int(num_pieces):
            compared += 1
            with_end, without_end = (sum(result["log_probabilities"][:end]) for end in (None, -1))
            assert min(abs(float(log_probability) - value) for value in (with_end, without_end)) < 1e-4
    assert compared


def from_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[Pair]]]:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(content)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        return list(read_pair_blocks([]))


def test_standard_input_has_a_tab_between_the_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = from_standard_input("가\ta\r\n \n\tb\n다\t\n\t\t\n라\td".encode(), monkeypatch)
    sides = [("가", "a"), ("", ""), ("", "b"), ("다", ""), ("", ""), ("라", "d")]
    assert windows == [(1, [Pair(*each) for each in sides])]
    assert from_standard_input(b"", monkeypatch) == []


@pytest.mark.parametrize(("line", "num_tabs"), [("a b", 0), ("a\tb\tc", 2)])
def test_other_lines_than_pairs_are_refused_by_number(
    line: str, num_tabs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=f"line 3: expected a source, a tab and a target, got {num_tabs} tabs"):
        from_standard_input(f"하나\tone\n\n{line}\n".encode(), monkeypatch)


@pytest.mark.slow
def test_a_typed_pair_is_answered_at_once(tiny_run: Path) -> None:
    check_typed_lines("score", f"run={tiny_run}", lines=["하나\tone\n", "둘 셋\tthree two\n"])


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(tiny_run: Path) -> None:
    command = f"yes '하나\tone' | head -9000 | {sys.executable} {ROOT}/scripts/score.py run={tiny_run} | head -1"
    ended = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, env=environment())
    assert ended.stdout.count(b"\n") == 1
    assert ended.stderr == b""


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, ["run"]),
        (["run={tmp}/none"], 1, ["does not exist"]),
        (["run={run}", "data.test=[one]"], 2, ["data.test", "1 file"]),
        (["run={run}", "data.test=[{tmp}/no.ko,{tmp}/no.en]"], 1, ["no.ko"]),
        (["run={run}", "format=moses"], 2, ["format"]),
        (["run={run}", "max_pieces=0"], 2, ["max_pieces must be between 1 and"]),
    ],
)
def test_mistakes_end_with_a_code_and_a_short_message(
    call_command: Caller, tiny_run: Path, tmp_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    ended = call_command("score", *filled(options, tmp=tmp_path, run=tiny_run))
    assert ended.code == code, ended.err
    assert ended.out == b""
    assert all(word in ended.err for word in words)


def test_out_of_memory_names_the_option_of_every_command(
    tiny_run: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*arguments: object, **options: object) -> BatchTranslator:
        raise MemoryError

    monkeypatch.setattr("s2s.decoding.batch_translator.BatchTranslator.load", load)
    ended = call_command("score", f"run={tiny_run}")
    assert ended.code == 1
    assert "out of memory; lower batch_size or batch_tokens, whichever this command has" in ended.err


def test_files_of_different_length_are_refused_before_anything_is_written(
    tiny_run: Path, tmp_path: Path, call_command: Caller
) -> None:
    (tmp_path / "a").write_text("하나\n둘\n셋\n", encoding="utf-8")
    (tmp_path / "b").write_text("one\ntwo\n", encoding="utf-8")
    ended = call_command("score", f"run={tiny_run}", f"data.test=[{tmp_path / 'a'},{tmp_path / 'b'}]")
    assert (ended.code, ended.out) == (1, b"")
    assert "found 3 and 2; line i of one belongs to line i of the other" in ended.err
