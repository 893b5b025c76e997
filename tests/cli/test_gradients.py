"""`gradients`: of new models and of trained runs, printed and drawn."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from browser import svg_texts
from processes import Caller
from s2s.analysis.gradient_report import lies_upon, spread
from s2s.errors import ConfigError
from tiny_runs import compose

SMALL = ("lengths=[3,12]", "batches=2", "batch_size=3", "hidden_size=8", "steps=2")


@pytest.mark.slow
def test_the_command_draws_and_prints(tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    picture = tmp_path / "new" / "g.svg"
    ended = call_command("gradients", *SMALL, "scale=1.5", "seed=2", "max_grad_norm=0.5", f"output={picture}")
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)["rows"]
    assert [row["name"] for row in rows] == ["rnn"] * 8 + ["lstm"] * 8 + ["gru"] * 8  # four situations, two lengths
    assert rows[0]["steps_back"] == [0, 1, 2]
    assert rows[1]["steps_back"] == [0, 1, 2, 5, 10, 11]
    assert {"hidden", "cell", "bound", "clipped"} & rows[8].keys() == {"hidden", "cell", "clipped"}
    for row in rows:
        for low, middle, high in zip(*(row["hidden"][name] for name in ("low", "median", "high")), strict=True):
            assert 0 <= low <= middle <= high
    assert "after 2 steps of training" in caplog.text
    written = svg_texts(picture)
    for title in ("at first: torch's own weights", "after 2 steps of training from orthogonal weights"):
        assert title in written
    assert {"RNN, hidden state", "RNN, bound", "LSTM, cell state", "GRU, hidden state"} <= set(written)


@pytest.mark.slow
@pytest.mark.parametrize("options", [["scale=0"], ["scale=1e-30", "lengths=[12,400]"]])
def test_gradients_that_are_0_are_drawn(options: list[str], tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("gradients", *SMALL, *options, f"output={tmp_path / 'g.svg'}")
    assert ended.code == 0, ended.err
    assert svg_texts(tmp_path / "g.svg").count("RNN, hidden state") == 1


def test_a_clipped_curve_that_lies_upon_the_other_is_not_drawn() -> None:
    hidden_NS = np.array([[1.0, 0.5, 0.25, 0.0]])
    assert lies_upon(0.75 * hidden_NS, hidden_NS)
    assert not lies_upon(0.25 * hidden_NS, hidden_NS)
    assert lies_upon(0 * hidden_NS, 0 * hidden_NS)


def test_an_exported_run_has_no_text_to_be_measured_on(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(run / "text")
    ended = call_command("gradients", f"run={run}", "output=null")
    assert (ended.code, "measure the run that it was exported from" in ended.err) == (1, True)
    assert "data.test" not in ended.err


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(call_command: Caller) -> None:
    first, second = (call_command("gradients", *SMALL, "seed=3", "output=null") for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.err
    assert first.out == second.out
    assert len(json.loads(first.out)["rows"]) == 24


def test_what_no_double_can_hold_is_null() -> None:
    found = spread(np.array([[1.23456, np.inf], [3.0, np.inf]]))
    assert found == {"median": [2.12, None], "low": [1.23, None], "high": [3.0, None]}


def test_trained_runs_are_measured_on_their_own_text(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    options = "lengths=[5,20]", "batches=2", "batch_size=3"
    other = shutil.copytree(tiny_run, tmp_path / "other")
    ended = call_command("gradients", f"run=[{tiny_run},{other}]", *options, f"output={tmp_path / 'g.png'}")
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)["rows"]
    assert [row["length"] for row in rows] == [5, 20, 5, 20]
    assert rows[0]["hidden"]["median"][0] == pytest.approx(1.0)
    ended = call_command("gradients", f"run={tiny_run}", "lengths=[500]", "output=null")
    assert ended.code == 1
    assert "expected text of at least 500 pieces" in ended.err


@pytest.mark.parametrize(
    "option",
    [
        "lengths=[10,3]",
        "lengths=[3,3]",
        "lengths=[]",
        "lengths=[1,10]",
        "lengths=[501]",
        "scale=5",
        "batches=0",
    ],
)
def test_impossible_options_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=option.split("=")[0]):
        compose("gradients", option)


def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_measured(call_command: Caller) -> None:
    ended = call_command("gradients", "output=g.gif")
    assert ended.code == 2
    assert ".png, .svg, .pdf" in ended.err
