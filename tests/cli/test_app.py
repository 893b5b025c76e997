"""The command `s2s` itself: its list of commands, its help, its answer to every mistake."""

import argparse
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

import s2s
from processes import ROOT, Caller, environment
from s2s import workers
from s2s.cli.commands import COMMANDS, LINE_OF, command_of
from s2s.cli.option_table import option_fields
from tiny_runs import TINY, compose, file_options

IN_A_LIGHT_PROCESS = """
import contextlib, resource, sys
sys.argv = ["s2s", *sys.argv[1:]]
from s2s.cli.app import main
with contextlib.suppress(SystemExit):
    main()
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{used.ru_utime + used.ru_stime:.3f}", *{"torch", "numpy", "hydra"} & {*sys.modules}, file=sys.stderr)
"""


def test_commands_are_listed_by_purpose() -> None:
    listed = run_module()
    assert listed.returncode == 0
    assert listed.stdout == run_module("--help").stdout == run_module("-h").stdout
    for purpose, lines in COMMANDS.items():
        assert f"\n{purpose}:\n" in listed.stdout
        for name, line in lines.items():
            assert f"  {name:11} {line}\n" in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 100


def run_module(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "s2s", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=300)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["trian", "seed=1"],
        ["train", "model.hiden_size=3"],
        ["train", "model=lstmm"],
        ["-sc", "query=bash"],
    ],
)
def test_what_needs_no_model_is_answered_without_pytorch(arguments: list[str]) -> None:
    imported, used_s = imported_and_used(arguments)
    assert imported == set()
    assert used_s < 0.3


@pytest.mark.parametrize("name", LINE_OF)
def test_help_is_answered_without_pytorch(name: str) -> None:
    imported, used_s = imported_and_used([name, "--help"])
    assert imported == set()
    assert used_s < 0.3


def imported_and_used(arguments: list[str]) -> tuple[set[str], float]:
    """Which of the large libraries a command imports, and how many seconds of processor time it takes."""
    command = [sys.executable, "-c", IN_A_LIGHT_PROCESS, *arguments]
    env = {**environment(), "COMP_LINE": "s2s train model.attention=d"}
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)
    used_s, *imported = ended.stderr.splitlines()[-1].split()
    return set(imported), float(used_s)


def test_the_version_counts_the_cores_of_a_container(call_command: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_quota", lambda file: 1)
    assert call_command("--version").out.decode().splitlines()[3].startswith("processor: 1 core,")


def test_the_version(call_command: Caller) -> None:
    for arguments in (["--version"], ["-V"], ["-v"], ["train", "--version"]):
        ended = call_command(*arguments)
        assert ended.code == 0
        lines = ended.out.decode().splitlines()
        assert lines[0] == f"s2s {s2s.__version__}"
        assert [line.split()[0] for line in lines] == ["s2s", "Python", "torch", "processor:"]
        assert torch.__version__.partition("+")[0] in lines[2]
        assert re.match(r"processor: \d+ cores?", lines[3])


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("trian", "trian: did you mean train?"),
        ("wings", "wings: no such command; see s2s --help"),
        ("s2s-train", "s2s-train: did you mean train?"),
    ],
)
def test_a_misspelt_command(call_command: Caller, typed: str, answer: str) -> None:
    ended = call_command(typed, "seed=1")
    assert (ended.code, ended.out, ended.err) == (2, b"", f"error: {answer}\n")


@pytest.mark.parametrize("name", LINE_OF)
def test_the_help_of_every_command(call_command: Caller, name: str) -> None:
    ended = call_command(name, "--help")
    text = ended.out.decode()
    assert (ended.code, ended.err) == (0, "")
    assert text.startswith(f"s2s {name}: {LINE_OF[name]}\n\nusage: s2s {name} ")
    assert "\n\nexamples:\n  s2s " in text
    options = [option for option, item in option_fields(command_of(name).options) if "doc" in item.metadata]
    described = re.findall(r"^  ([a-z_.]+\w)(?: |$)", text.partition("\noptions")[2], re.MULTILINE)
    assert sorted(described) == sorted(options)  # each once
    assert max(map(len, text.splitlines())) <= 100
    assert call_command(name, "modle=x", "-h").out.decode() == text


def test_help_says_range_default_and_choices(call_command: Caller) -> None:
    text = " ".join(call_command("train", "--help").out.decode().split())
    for part in (
        "usage: s2s train [FILE ...] OPTION=VALUE ... [FLAG ...] examples: s2s train s2s train corpus.ko corpus.en",
        "model=lstm The LSTM (Hochreiter and Schmidhuber 1997): a cell state, guarded by gates, carries what is to be",
        "data=phrasebook The built-in Korean-English corpus, learnt well within four minutes on two cores; sets",
        "experiment=multi30k Multi30k English-German within ten minutes on two cores experiment=sentiment",
        "model.dropout share of embeddings, layer outputs and attentional states dropped; null: fits the text (0 to",
        "data.clean drop bad training pairs; dev and test are never filtered (default true)",
        "(dot, general, additive, none; default dot)",
        "options of optim: how weights move: optim.optimizer",
        "-h, --help show this and exit",
    ):
        assert part in text
    assert "text sentence that its encoder reads (must be given)" in " ".join(
        call_command("gates", "-h").out.decode().split()
    )


def test_help_comes_in_other_ways(call_command: Caller) -> None:
    assert call_command("help").out == call_command("--help").out
    assert call_command("help", "train").out == call_command("train", "-h", "data").out


@pytest.mark.parametrize("name", LINE_OF)
def test_every_example_can_be_composed(name: str) -> None:
    for example in command_of(name).examples:
        arguments = shlex.split(re.sub(r" [<>] \S+", "", example))
        compose(name, *(argument for argument in arguments if argument != "-m"), is_sweep="-m" in arguments)


# ----------------------------------------------------------------------------------------------------------------------
# Mistakes


MISTAKES = {
    # unknown names
    "train model.hiden_size=3": "model.hiden_size: did you mean model.hidden_size?",
    "train modell=gru": "modell: did you mean model?",
    "train hidden_size=3": "hidden_size: did you mean model.hidden_size?",
    "train wings=2": "wings: no such option; s2s train --help lists them",
    "train model@x=gru": "model@x: did you mean model?",
    "train data.train.0=a": "data.train.0: did you mean data.train?",
    "train training={max_step:5}": "training.max_step: did you mean training.max_steps?",
    "translate seed=3": "seed: did you mean search.seed?",
    "train search.beam=3": "search.beam: did you mean search.beam_size?",
    "train lr=3": "lr: did you mean optim.learning_rate?",
    "train optim.lr=3": "optim.lr: did you mean optim.learning_rate?",
    "train epochs=3": "epochs: did you mean training.max_epochs?",
    "train model.batch_tokens=3": "model.batch_tokens: did you mean training.batch_tokens?",
    "gather runs=runs": "runs: did you mean run?",
    # options are only ever set
    "train +x=1": "+x=1: expected OPTION=VALUE; s2s train --help lists the options",
    "train ++x=1": "++x=1: expected OPTION=VALUE; s2s train --help lists the options",
    "train +foo.bar=3": "+foo.bar=3: expected OPTION=VALUE; s2s train --help lists the options",
    "train ++seed=2": "++seed=2: options have no + before their name; write seed=2",
    "train +lr=5": "+lr=5: options have no + before their name; write optim.learning_rate=5",
    "train +search.beam=3": "+search.beam=3: options have no + before their name; write search.beam_size=3",
    "train ~x": "~x: expected OPTION=VALUE; s2s train --help lists the options",
    "train ~seed": "~seed: options have no ~ before their name; write seed=VALUE",
    "train ~model=lstm": "~model=lstm: options have no ~ before their name; write model=lstm",
    "train +hydra.verbose=true": "+hydra.verbose=true: expected OPTION=VALUE; s2s train --help lists the options",
    # another grammar
    "train --seed 3": "--seed: options have no dashes before their name; write seed=3",
    "train -m --seed=3 model=gru": "--seed=3: options have no dashes before their name; write seed=3",
    "train --hidden-size 3": "--hidden-size: options have no dashes before their name; write model.hidden_size=3",
    "train --experimental-rerun a.pickle": "--experimental-rerun: options have no dashes before their name; ",
    "translate --run runs/x": "--run: options have no dashes before their name; write run=runs/x",
    "translate run=x search greedy": "search: expected OPTION=VALUE; did you mean search=greedy?",
    "translate runs/x run=runs/y": "run is given twice: runs/y and runs/x; leave one of them out",
    "average runs/x runs/y": "run is given twice: runs/x and runs/y; leave one of them out",
    "memory rnn": "rnn: expected OPTION=VALUE; s2s memory --help lists the options",
    "train gru": "gru: did you mean model=gru?",
    "train =3": "=3: expected OPTION=VALUE; s2s train --help lists the options",
    "train --cfg jobb": "argument -c/--cfg: invalid choice: 'jobb' (choose from ",
    "train --config-dir nowhere": "--config-dir nowhere: expected a folder",
    # values
    "train model=lstmm": "model=lstmm: expected one of gru, lstm, rnn (did you mean lstm?)",
    "train model=3": "model=3: expected one of gru, lstm, rnn",
    "train model=": "model=: expected one of gru, lstm, rnn",
    "train experiment=null": "experiment=null: expected one of ",
    "train model.cell=lstmm": "model.cell: expected one of rnn, lstm, gru (did you mean lstm?), got lstmm",
    "train model.hidden_size=big": "model.hidden_size: expected a whole number or null, got big",
    "train optim.learning_rate=null": "optim.learning_rate: expected a number, got null",
    "train model.bidirectional=maybe": "model.bidirectional: expected true or false, got maybe",
    "train training.max_epochs=x": "training.max_epochs: expected a whole number or null, got x",
    "train device=gpu": "device: expected one of auto, cpu, cuda (did you mean cuda?), got gpu",
    "memory cells=[rnn,foo]": "cells: expected one of rnn, lstm, gru, got foo",
    "train training=5": "training=5: training is a group of options, such as training.batch_tokens=VALUE",
    "evaluate data=multi30k": "data=multi30k: data is a group of options, such as data.test=VALUE",
    "train seed=${foo}": "seed: expected a whole number, got ${foo}",
    "train seed=${seed}": "seed: ",
    "bench decod": "measure: expected one of train, decode (did you mean decode?), got decod",
    "train seed=1e30": "seed: expected a whole number, got 1e30",
    f"train search.beam_size={'9' * 400}": "search.beam_size must be between 1 and 10,000, but is a number of 400 ",
    f"train training.keep={'9' * 5000}": f"training.keep: expected a whole number, got {'9' * 60}...",
    "train subwords.vocabulary_size=2147483648": "subwords.vocabulary_size must be between 8 and 1,000,000, but",
    "train optim.plateau_factor=0.3": "optim.plateau_factor=0.3 belongs to optim.schedule=plateau, not to",
    "train subwords.sampling_alpha=0.3": "subwords.sampling_alpha=0.3 belongs to subwords.sampling=true",
    # what is missing
    "translate search=greedy": "run is missing (folder of a trained run",
    "phrasebook": "output is missing (folder for the files ",
    "report runs/x output=null": "output: expected a text, got null",
    # the grammar of values
    "train model=[": "model=[: expected one of gru, lstm, rnn",
    "train -m model=[rnn,lstm]": "model=[rnn,lstm]: expected one of gru, lstm, rnn",
    "train a b c": "data.train takes SOURCE_FILE,TARGET_FILE, or one file with a tab between the two, but got 3 files",
    "train run=": "run= is empty: expected the name of a run",
    "tr": "tr: did you mean train?",
    "train seed=f(3)": "seed: expected a whole number, got f(3)",
    "train seed=1,2": "seed=1,2 has several values, but takes one: add -m to run a job for each",
    "train model=gru,rnn": "model=gru,rnn has several values, but takes one: add -m to run a job for each",
    "train training={max_steps": "training={max_steps: the value cannot be read",
    # sweeps, before the first job
    "train -m seed=1,2 model=gru,lstmm": "model=lstmm: expected one of gru, lstm, rnn (did you mean lstm?)",
    "train -m seed=1,x": "seed: expected a whole number, got x",
    "train -m data.train=a,b": "-m, but no option has several values: data.train takes a list; for a job each write ",
    # Hydra's own options
    "train hydra/launcher=jobllib": "hydra/launcher=jobllib: expected one of basic, ",
    "train hydra.launcher.n_jobs=[": "hydra.launcher.n_jobs=[: the value cannot be read",
    "train hydra/launcher=3": "hydra/launcher=3: expected the name of a choice",
    "train hydra.lancher.n_jobs=3": "hydra.lancher: no such option of the launcher or the sweep; ",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_answered_in_a_line(
    call_command: Caller, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call_command(*typed.split())
    assert ended.code == 2
    assert ended.out == b""
    assert ended.err.startswith(f"error: {MISTAKES[typed]}")
    assert ended.err.count("\n") == 1
    assert not any(
        word in ended.err for word in ("Launching", "Hydra", "hydra.cc", "ListConfig", "LexerNo", "Traceback")
    )


def test_flags_and_options_come_in_any_order(call_command: Caller) -> None:
    shown = [
        yaml.safe_load(call_command("train", *arguments.split()).out)
        for arguments in ("--cfg job seed=5 model=gru", "seed=5 --cfg job model=gru", "seed=5 model=gru -c job")
    ]
    assert shown[0] == shown[1] == shown[2]
    assert (shown[0]["seed"], shown[0]["model"]["cell"]) == (5, "gru")
    assert call_command("train", "--cfg", "job", "-p", "model.layers").out == b"1\n"
    assert call_command("train", "--cfg", "job", "-p", "modell").code == 2


@pytest.mark.slow
def test_what_hydra_puts_together_can_be_shown() -> None:
    shown = run_module("translate", "--info", "defaults")
    assert shown.returncode == 0
    assert "search/beam" in shown.stdout


def test_choices_of_ones_own(tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nmodel:\n  layers: 3\n")
    (tmp_path / "experiment" / "wrong.yaml").write_text("# @package _global_\nmodel:\n  layer: 3\n")
    shown = call_command("train", "-cd", str(tmp_path), "experiment=mine", "--cfg", "job", "-p", "model.layers")
    assert shown.out == b"3\n"
    ended = call_command("train", "-cd", str(tmp_path), "experiment=wrong")
    assert ended.code == 2
    assert ended.err == "error: experiment/wrong.yaml: model.layer: did you mean model.layers?\n"
    (tmp_path / "experiment" / "wrong.yaml").write_text("# @package _global_\nmodel:\n  cell: lstmm\n")
    ended = call_command("train", "-cd", str(tmp_path), "experiment=wrong")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "model.cell: expected one of rnn, lstm, gru (did you mean lstm?), got lstmm" in ended.err
    (tmp_path / "experiment" / "wrong.yaml").write_text("model: [")
    ended = call_command("train", "-cd", str(tmp_path), "experiment=wrong")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "wrong.yaml" in ended.err


# ----------------------------------------------------------------------------------------------------------------------
# Python 3.14


@pytest.mark.slow
def test_help_that_is_no_string_is_refused_from_python_3_14_on(
    call_command: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the check that argparse makes from Python 3.14 on, Hydra's own parser fails and s2s does not."""
    unchecked = argparse._ActionsContainer.add_argument

    def add_argument(self: argparse._ActionsContainer, *names: str, **settings: object) -> argparse.Action:
        action = unchecked(self, *names, **settings)
        if action.help:
            try:
                argparse.HelpFormatter("s2s")._expand_help(action)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError("badly formed help string") from error
        return action

    monkeypatch.setattr(argparse._ActionsContainer, "add_argument", add_argument)
    from hydra._internal.utils import get_args_parser

    with pytest.raises(ValueError, match="badly formed help string"):
        get_args_parser()
    assert call_command("train", "--help").code == 0
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=1", f"run={tmp_path / 'run'}"]
    ended = call_command("train", *options)
    assert ended.code == 0, ended.err
    assert call_command("train", "-m", "model=rnn,gru", *options[:-1], f"run={tmp_path / 'sweep'}").code == 0


@pytest.mark.parametrize("name", LINE_OF)
def test_a_command_is_documented(name: str) -> None:
    command = command_of(name)
    assert command.run.__name__ == name
    assert command.run.__doc__


# ----------------------------------------------------------------------------------------------------------------------
# Ctrl-C

WHILE_IMPORTING = """
import sys
import time
from s2s.cli.app import main
sys.argv = ["s2s", "translate", sys.argv[1]]
print("begun", flush=True)
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment_s", [0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.6, 0.9, 1.3, 1.8, 2.5])
def test_ctrl_c_while_modules_are_imported(tiny_run: Path, moment_s: float) -> None:
    """Before that, Python itself begins, and says what it likes."""
    command = [sys.executable, "-c", WHILE_IMPORTING, str(tiny_run)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(moment_s)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "interrupted\n")
