"""A new command takes a file of its own, its script, and a line of the table."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT, environment

TOY = '''"""`s2s toy`: a greeting."""

import enum
from dataclasses import dataclass

from s2s.cli.commands import Command
from s2s.config.options import Options, option


class Tone(enum.Enum):
    """How to greet."""

    hello = "hello"
    good_morning = "good_morning"


@dataclass
class ToyConfig(Options):
    """Options of `toy`."""

    name: str = option("???", "whom to greet")
    tone: Tone = option(Tone.hello, "hello or good_morning")
    times: int = option(1, "greetings", low=1, high=9)


def toy(config: ToyConfig) -> None:
    """Greet somebody."""
    for _ in range(config.times):
        print(f"{config.tone.name} {config.name}")


COMMAND = Command(toy, ToyConfig, bare=("name",), examples=("name=Suji",))
'''


@pytest.mark.slow
def test_a_command_is_a_file_a_script_and_a_line(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "s2s", tmp_path / "s2s", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "conf", tmp_path / "s2s" / "conf")  # as a wheel has it
    (tmp_path / "s2s" / "cli" / "toy.py").write_text(TOY)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "toy.py").write_text('from s2s.cli.app import main\n\nmain("toy")\n')
    table = tmp_path / "s2s" / "cli" / "commands.py"
    before, data, after = table.read_text().partition('    "Data": {\n')
    table.write_text(before + data + '        "toy": "greet somebody",\n' + after)

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        env = {**environment(), "PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, cwd=tmp_path, env=env, timeout=300
        )

    assert "  toy         greet somebody\n" in run("-m", "s2s").stdout
    assert run("-m", "s2s", "toy", "name=Suji", "times=2").stdout == "hello Suji\nhello Suji\n"
    assert run("scripts/toy.py", "name=Suji", "tone=good_morning").stdout == "good_morning Suji\n"
    text = run("-m", "s2s", "toy", "--help").stdout
    assert text.startswith("s2s toy: greet somebody\n")
    assert "greetings (1 to 9; default 1)" in text
    assert "examples:\n  s2s toy name=Suji\n" in text
    assert run("-m", "s2s", "toy", "수지").stdout == "hello 수지\n"
    for words, answer in {
        "tiems=2": "tiems: did you mean times?",
        "name=Suji tone=hallo": "tone: expected one of hello, good_morning (did you mean hello?), got hallo",
        "name=Suji times=0": "times must be between 1 and 9, but is 0",
        "": "name is missing (whom to greet); for example: s2s toy name=Suji",
    }.items():
        ended = run("-m", "s2s", "toy", *words.split())
        assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"error: {answer}\n")
