"""`gates`: a layer of a trained encoder, printed and drawn."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from browser import svg_texts
from processes import Caller
from s2s.analysis.gates import LayerReader
from s2s.cli.gates import gates
from s2s.data.vocabulary.subwords import Subwords
from s2s.errors import ConfigError
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options


def test_an_lstm_run_is_drawn(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    picture = tmp_path / "new" / "gates.png"
    options = [f"run={tiny_run}", "text=하나 둘 셋", "num_units=2", f"output={picture}"]
    ended = call_command("gates", *options)
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert len(result["units"]) == 12  # half of 24: one direction
    gates = [unit["mean_gate"] for unit in result["units"]]
    assert gates == sorted(gates, reverse=True)
    ranked = [unit["unit"] for unit in result["units"]]
    assert result["drawn_units"] == [*ranked[:2], *ranked[-2:]]
    assert result["pieces"][-1] == "</s>"
    for name in ("forget", "input", "output", "cell"):
        assert [len(row) for row in result[name]] == [len(result["pieces"])] * 4
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_units_direction_and_text_can_be_chosen(tiny_run: Path, call_command: Caller) -> None:
    options = [f"run={tiny_run}", "text=하나 둘 셋", "units=[5,0,11]", "lines=0", "output=null"]
    forwards, backwards = (
        json.loads(call_command("gates", *options, f"direction={name}").out) for name in ("forwards", "backwards")
    )
    assert forwards["drawn_units"] == [5, 0, 11]
    assert forwards["forget"] != backwards["forget"]
    by_unit = {unit["unit"]: unit["mean_gate"] for unit in forwards["units"]}
    drawn_mean = sum(forwards["forget"][0]) / len(forwards["pieces"])
    assert by_unit[5] == pytest.approx(drawn_mean, abs=1e-3)  # lines=0: over the text alone


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs with other cells, two layers, one direction."""
    folder = tmp_path_factory.mktemp("gates")
    options = [*file_options(folder / "corpus"), *TINY, "training.max_steps=2", "model.bidirectional=false"]
    for cell in ("gru", "rnn"):
        train(compose("train", *options, f"run={folder / cell}", f"model={cell}", "model.layers=2"))
    return {cell: folder / cell for cell in ("gru", "rnn")}


def test_a_gru_run_is_drawn(trained: dict[str, Path], tmp_path: Path, call_command: Caller) -> None:
    options = [f"run={trained['gru']}", "text=둘", "layer=2", "lines=3", f"output={tmp_path / 'g.svg'}"]
    ended = call_command("gates", *options)
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert {"update", "reset", "hidden"} < result.keys()
    assert len(result["units"]) == 24
    written = svg_texts(tmp_path / "g.svg")
    assert [written.count(name) for name in ("update gate", "reset gate", "hidden state")] == [2, 1, 1]  # the title too
    assert [written.count(piece.replace("▁", "_")) for piece in result["pieces"]] == [3] * len(result["pieces"])
    assert written[-2:] == ["GRU, encoder layer 2 reading forwards; in brackets the mean", "update gate"]
    names = [text.partition(" (")[0] for text in written]
    assert [names.count(f"unit {unit}") for unit in result["drawn_units"]] == [3] * 16


@pytest.mark.parametrize(
    ("cell", "option", "code", "message"),
    [
        ("rnn", "layer=1", 1, "no gates"),
        ("gru", "layer=3", 2, "layers 1 to 2"),
        ("gru", "direction=backwards", 2, "reads forwards only"),
        ("gru", "units=[24]", 2, "units 0 to 23"),
    ],
)
def test_what_a_run_does_not_have_is_refused(
    trained: dict[str, Path], call_command: Caller, cell: str, option: str, code: int, message: str
) -> None:
    ended = call_command("gates", f"run={trained[cell]}", "text=둘", option, "output=null")
    assert ended.code == code
    assert message in ended.err


def test_a_run_without_a_test_set_says_what_to_do(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(run / "text")
    ended = call_command("gates", f"run={run}", "text=둘", "output=null")
    assert (ended.code, "lines=0" in ended.err) == (1, True)
    assert call_command("gates", f"run={run}", "text=둘", "lines=0", "output=null").code == 0


def test_blank_lines_of_the_test_set_are_passed_over(
    tiny_run: Path, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / "SHA256SUMS").unlink()  # its test set is changed on purpose
    options = [f"run={run}", "text=둘", "lines=2", "output=null"]
    found = {}
    for name, sources in (("blank", ["", "하나", " ", "둘 셋"]), ("whole", ["하나", "둘 셋", "넷"])):
        for path, lines in zip(RunFolder(run).text("test"), (sources, ["one"] * len(sources)), strict=True):
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        ended = call_command("gates", *options)
        assert ended.code == 0, ended.err
        found[name] = json.loads(ended.out)["units"]
    assert found["blank"] == found["whole"]
    assert "over 2 lines, the largest first" in caplog.text
    for path in RunFolder(run).text("test"):
        path.write_text("\n \n", encoding="utf-8")
    ended = call_command("gates", *options)
    assert (ended.code, "test set of blank lines: add lines=0" in ended.err) == (1, True)


def test_a_gate_that_never_closes_has_no_half_life_in_json(
    tiny_run: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LayerReader.read
    monkeypatch.setattr(
        LayerReader, "read", lambda *given: {name: torch.ones_like(value) for name, value in whole(*given).items()}
    )
    ended = call_command("gates", f"run={tiny_run}", "text=둘", "lines=0", "output=null")
    assert ended.code == 0, ended.err
    units = json.loads(ended.out, parse_constant=pytest.fail)["units"]
    assert {unit["half_life"] for unit in units} == {None}


@pytest.mark.parametrize("text", ["둘, (셋)! [a]=b: {c}", 'it\'s "둘" \\', "${oc.env:HOME} \\${a}", "한글만"])
def test_a_text_may_hold_any_character(tiny_run: Path, call_command: Caller, text: str) -> None:
    ended = call_command("gates", f"run={tiny_run}", f"text={text}", "lines=0", "output=null")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["pieces"] == _pieces_of(tiny_run, text)


def _pieces_of(run: Path, text: str) -> list[str]:
    subwords = Subwords.load(run / "subwords.model")
    return [*subwords.pieces(subwords.encode([text])[0]), "</s>"]


def test_a_blank_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="text must be a sentence"):
        compose("gates", "run=x", "text= ")


@pytest.mark.slow
def test_by_default_the_picture_is_in_the_run_and_named_after_the_sentence(
    tiny_run: Path, tmp_path: Path, call_command: Caller
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    for options in (["text=하나 둘"], ["text=셋"], ["text=셋", "direction=backwards"]):
        ended = call_command("gates", f"run={run}", "lines=0", *options)
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)
    names = sorted(path.name for path in (run / "plots").iterdir())
    assert names == ["gates-셋-backwards.png", "gates-셋.png", "gates-하나-둘.png"]


def test_at_a_terminal_there_is_a_table_and_no_json(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = compose("gates", f"run={tiny_run}", 'text="하나"', "lines=0", "output=null")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    gates(config)
    assert capsys.readouterr().out == ""


def test_gates_in_korean(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    options = ["text=하나 둘", "lines=0", "language=ko", f"output={tmp_path / 'g.svg'}"]
    ended = call_command("gates", f"run={tiny_run}", *options)
    assert ended.code == 0, ended.err
    assert {"망각 게이트", "입력 게이트", "출력 게이트", "셀 상태"} <= set(svg_texts(tmp_path / "g.svg"))
