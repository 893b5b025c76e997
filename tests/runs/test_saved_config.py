"""Options saved by earlier versions."""

from pathlib import Path

import pytest

from s2s.config.model import Cell, ModelConfig
from s2s.config.training import Config
from s2s.errors import RunError
from s2s.runs.saved_config import load_config

RETIRED = """\
model:
  cell: gru
resume:
  reset_optimizer: true
search:
  format: json
  columns: [prefix]
  alignments: true
  workers: 3
  batch_size: 7
"""


def test_options_of_earlier_versions_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(RETIRED, encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == Config(model=ModelConfig(cell=Cell.gru))


@pytest.mark.parametrize("text", ["training:\n  resume: 3\n", "search: 3\n", "resumed: 3\n", "search:\n  form: json\n"])
def test_other_unknown_options_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="expected the options of an s2s run"):
        load_config(tmp_path / "config.yaml")
