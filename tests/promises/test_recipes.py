"""What a new part takes: each recipe of docs/architecture.md is carried out in a copy of the package, and then used.

The copy is imported in place of the package by the commands and tests that are run here.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from processes import ROOT, environment
from tiny_runs import TINY, file_options

pytestmark = pytest.mark.slow

Changes = dict[str, dict[str, str]]
"""For each file of the package: lines, and what is inserted before each."""

SCORE: Changes = {
    "config/model.py": {
        '    none = "none"\n\n\nclass Pooling': '    bounded = "bounded"\n',
    },
    "models/attention.py": {
        "class NoAttention(": '''\
class BoundedAttention(GeneralAttention):
    """tanh(q . W h)."""

    formula = "tanh(q . W h) (W: learnt)"

    def compare(self, query_BTH: Tensor, keys_BSA: Tensor) -> Tensor:
        """A dot product that is kept between -1 and 1."""
        return torch.tanh(super().compare(query_BTH, keys_BSA))


''',
        "    AttentionScore.none: NoAttention": "    AttentionScore.bounded: BoundedAttention,\n",
    },
}
CELL: Changes = {
    "config/model.py": {
        "\n\nclass AttentionScore(": '    mgu = "mgu"\n',
    },
    "models/cells.py": {
        "CELLS:": '''\
class MGUCell(RecurrentCell):
    """The GRU with one gate for both (Zhou et al. 2016, "minimal gated unit")."""

    num_gates = 2

    @staticmethod
    def next_state(from_input_BG: Tensor, from_hidden_BG: Tensor, state: State) -> State:
        """Keep what the gate does not replace."""
        (from_input, candidate_from_input), (from_hidden, candidate_from_hidden) = (
            products_BG.chunk(2, dim=1) for products_BG in (from_input_BG, from_hidden_BG)
        )
        gate = torch.sigmoid(from_input + from_hidden)
        candidate = torch.tanh(candidate_from_input + gate * candidate_from_hidden)
        return (torch.lerp(state[0], candidate, gate),)


''',
        "Cell.rnn: RNNCell, ": "Cell.mgu: MGUCell, ",
    },
}
RULE: Changes = {
    "config/search.py": {
        "    avoid: list[str]": '    no_doubles: bool = option(False, "no piece directly follows itself")\n',
    },
    "decoding/search/rules.py": {
        "@dataclass(frozen=True)\nclass Avoid:": '''\
class NoDoubles:
    """No token directly follows itself."""

    def __call__(self, log_probabilities_BKV: Tensor, tokens_BKT: Tensor, sentence_B: Tensor) -> None:
        if tokens_BKT.shape[2]:
            log_probabilities_BKV.scatter_(2, tokens_BKT[:, :, -1:], -math.inf)


''',
        "    rules += map(Avoid, avoided)\n": """\
    if search.no_doubles:
        rules.append(NoDoubles())
""",
    },
}
COMMANDS = """
import json, sys
from s2s.cli.app import main
for command in json.loads(sys.argv[1]):
    sys.argv = ["s2s", *command]
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
"""


def changed_package(folder: Path, changes: Changes) -> None:
    """Copy the package into a folder, and carry out a recipe there."""
    shutil.copytree(ROOT / "s2s", folder / "s2s", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "conf", folder / "s2s" / "conf")
    for name, insertions in changes.items():
        path = folder / "s2s" / name
        text = path.read_text(encoding="utf-8")
        for before, inserted in insertions.items():
            assert text.count(before) == 1, f"{name}: {before!r}"
            text = text.replace(before, inserted + before)
        path.write_text(text, encoding="utf-8")


def run_python(folder: Path, *arguments: str) -> str:
    """Run Python with the package of a folder; returns what it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        input="하나 둘\n",
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(folder)},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def train_and_use(folder: Path, *choices: str, then: Sequence[Sequence[str]] = ()) -> str:
    """Train, translate, and run other commands; returns what they printed."""
    run = f"run={folder / 'run'}"
    train = ["train", *file_options(folder / "corpus"), *TINY, *choices, run, "training.max_steps=4"]
    return run_python(folder, "-c", COMMANDS, json.dumps([train, ["translate", run], *([*each, run] for each in then)]))


def run_tests(folder: Path, name: str, *files: str) -> None:
    """Run those tests for every score, or for every cell, that bear the name of the new one."""
    places = [str(ROOT / "tests" / file) for file in files]
    pytest_options = ["-c", str(ROOT / "pyproject.toml"), "-n", "0", "-p", "no:cacheprovider", "-k", name]
    printed = run_python(folder, "-m", "pytest", *pytest_options, *places)
    assert " passed" in printed, printed


def test_a_new_attention_score_touches_two_files(tmp_path: Path) -> None:
    assert len(SCORE) == 2
    changed_package(tmp_path, SCORE)
    printed = train_and_use(
        tmp_path,
        "model.attention=bounded",
        "model.input_feeding=true",
        then=[
            ["attention", "text=하나 둘", "step=1"],
            ["export", f"output={tmp_path / 'export'}", "format=onnx"],
        ],
    )
    assert "2. The score of each h: tanh(q . W h) (W: learnt)\n" in printed
    assert (tmp_path / "export" / "decoder.onnx").exists()
    run_tests(tmp_path, "bounded", "models/test_attention.py", "models/test_decoder.py")


def test_a_new_cell_touches_two_files(tmp_path: Path) -> None:
    """A third, fused.py, makes it faster in training, if torch has a fused layer of the cell."""
    assert len(CELL) == 2
    changed_package(tmp_path, CELL)
    train_and_use(tmp_path, "model.cell=mgu", "model.layers=2")
    run_tests(tmp_path, "mgu", "models/test_step_by_step.py", "decoding/test_packed_model.py")


def test_a_new_search_rule_touches_two_files(tmp_path: Path) -> None:
    assert len(RULE) == 2
    changed_package(tmp_path, RULE)
    (tmp_path / "input").write_text("하나 둘 셋\n넷 넷\n", encoding="utf-8")
    translate = ["translate", f"input={tmp_path / 'input'}", "search.min_length=9", "format=json"]
    printed = train_and_use(tmp_path, then=[translate, [*translate, "search.no_doubles=true"]])
    objects = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    has_doubles = [
        any(piece == following for piece, following in pairwise(each["hypotheses"][0]["pieces"])) for each in objects
    ]
    assert has_doubles == [True, True, False, False]
