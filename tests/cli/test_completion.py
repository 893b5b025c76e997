"""Completion with Tab: what may follow, on paper and in each shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from processes import Caller, environment
from s2s.cli.commands import LINE_OF
from s2s.cli.completion import candidates


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs, and files of names that shells need care with; the current one."""
    for name in ("runs/demo", "runs/실행 하나"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").touch()
    (tmp_path / "corpus.ko").touch()
    (tmp_path / "corpus.en").touch()
    (tmp_path / "a (1).ko").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("before", "word", "found"),
    [
        ("", "tr", {"train ", "translate "}),
        ("", "--v", {"--version "}),
        ("nonsense", "", set()),
        ("train", "mod", {"model=", "model."}),
        ("train", "model.hid", {"model.hidden_size="}),
        ("train seed=1", "model=g", {"model=gru"}),
        ("train -m", "model=rnn,g", {"model=rnn,gru"}),
        ("train", "model.attention=d", {"model.attention=dot"}),
        ("train", "data.clean=", {"data.clean=true", "data.clean=false"}),
        ("train", "data.train=c", {"data.train=corpus.ko", "data.train=corpus.en"}),
        ("train", "data.train=corpus.ko,corpus.e", {"data.train=corpus.ko,corpus.en"}),
        ("train", "data.train=[a", {"data.train=[a (1).ko"}),
        ("train", "corp", {"corpus.ko", "corpus.en"}),
        ("train", "--mul", {"--multirun"}),
        ("memory", "cells=[rnn,l", {"cells=[rnn,lstm"}),
        ("translate", "run=ru", {"run=runs/"}),
        ("translate", "run=runs/", {"run=runs/demo", "run=runs/실행 하나"}),
        ("translate", "runs/d", {"runs/demo"}),
        ("translate", "input=~/cor", {"input=~/corpus.ko", "input=~/corpus.en"}),
        ("translate", "input=.h", {"input=.hidden"}),
        ("translate", "input=nowhere/", set()),
        ("bench", "d", {"decode", "device=", "data=", "data.", "decoding_precisions="}),
        ("bench decode", "runs/d", {"runs/demo"}),
        ("train modell=3", "model.hid", {"model.hidden_size="}),
    ],
)
def test_what_a_word_may_become(folder: Path, before: str, word: str, found: set[str]) -> None:
    assert set(candidates(before.split(), word)) == found


@pytest.mark.parametrize("name", LINE_OF)
def test_every_command_completes_its_options(folder: Path, name: str) -> None:
    found = set(candidates([name], ""))
    assert any(each.endswith("=") for each in found)
    assert not any(each.startswith("-") for each in found)


def test_scripts_for_shells(call_command: Caller) -> None:
    assert b"complete -c s2s" in call_command("-sc", "install=fish").out
    assert b"complete -e -c s2s" in call_command("-sc", "uninstall=fish").out
    ended = call_command("-sc", "install=cmd")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "bash, zsh, fish" in ended.err


@pytest.mark.parametrize(
    ("shell", "line", "printed"),
    [
        ("fish", "s2s tr", "train\ntranslate\n"),
        ("fish", "s2s translate runs/실", "runs/실행 하나\n"),
        ("bash", "s2s train model.cell=l", "lstm\n"),
        ("bash", "s2s train 'data.train=a (", "a\\ \\(1\\).ko\n"),
        ("zsh", "s2s train data.train=a\\ ", "data.train=a\\ \\(1\\).ko\n"),
        ("zsh", "s2s tr", "train \ntranslate \n"),
        ("zsh", "s2s train seed=1 ", None),
    ],
)
def test_answers_to_shells(
    folder: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch, shell: str, line: str, printed: str | None
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    ended = call_command("-sc", f"query={shell}")
    assert ended.code == 0
    if printed is not None:
        assert ended.out.decode() == printed


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment with the command `s2s`, as an installation would have it."""
    path = tmp_path / "bin" / "s2s"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nfrom s2s.cli.app import main\n\nmain()\n")
    path.chmod(0o755)
    return {**environment(), "PATH": f"{path.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("s2s tr", ["train ", "translate "]),
        ("s2s train model.cel", ["model.cell="]),
        ("s2s train model=g", ["gru"]),
        ("s2s translate run=runs/", ["runs/demo", "runs/실행\\ 하나"]),
    ],
)
def test_bash_completes_what_was_begun(folder: Path, env: dict[str, str], line: str, choices: list[str]) -> None:
    script = f"""
        eval "$(s2s -sc install=bash)"
        COMP_LINE="{line}" COMP_POINT={len(line)}
        _s2s
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, timeout=300)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == choices


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("s2s transl", "s2s translate "),
        ("s2s train model=g", "s2s train model=gru"),
        ("s2s translate runs/d", "s2s translate runs/demo"),
        ("s2s translate run=runs/실", "s2s translate run=runs/실행\\ 하나"),
        ("s2s train data.train=corpus.k", "s2s train data.train=corpus.ko"),
    ],
)
def test_zsh_completes_what_was_begun(folder: Path, env: dict[str, str], typed: str, line: str) -> None:
    """In a terminal of zsh's own making, where a key shows the line as it stands."""
    script = f"""
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'PS1= ; autoload -Uz compinit && compinit -u -d {folder}/dump; eval "$(s2s -sc install=zsh)"'
        zpty -w shell 'show() {{ print -r -- "<<$BUFFER>>"; BUFFER=; }}; zle -N show; bindkey "^X" show; print READY'
        zpty -r -m shell printed '*READY*READY*'
        zpty -n -w shell $'{typed}\t\x18'
        zpty -r -m shell printed '*<<*>>*'
        print -r -- $printed
    """
    ended = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, env=env, timeout=60)
    assert f"<<{line}>>" in ended.stdout.replace("\r", ""), ended.stdout + ended.stderr
