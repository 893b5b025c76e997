import math
from typing import Any

import pytest

from s2s.cli.classify import ClassifyConfig, GivenTexts
from s2s.cli.evaluate import EvaluateConfig
from s2s.cli.translate import TranslateConfig
from s2s.config.decoding import ScoredData, folder_list
from s2s.config.options import Options, check_options
from s2s.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ScoredData(test=["a"]), r"data\.test must be .* but has 1 entries"),
        (EvaluateConfig(run="x", data=ScoredData(test=["a"])), r"data\.test must be"),
        (GivenTexts(test=list("abc")), r"data\.test must be \[TEXT_FILE,LABEL_FILE\], or \[FILE\]"),
        (ClassifyConfig(run="r", output="o"), "output=o is for the pictures of data.test, which is not given"),
    ],
    ids=lambda item: str(item)[:60],
)
def test_contradictions_are_refused(options: Options, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(options)


@pytest.mark.parametrize("options", [ScoredData(test=["a", "b"]), EvaluateConfig(), TranslateConfig()])
def test_what_makes_sense_is_allowed(options: Options) -> None:
    check_options(options)


def test_a_folder_may_have_the_name_of_a_number() -> None:
    assert folder_list("run", "a") == ["a"]
    assert folder_list("run", ["a", 2025, math.inf]) == ["a", "2025", "inf"]
    check_options(EvaluateConfig(run=math.nan))


@pytest.mark.parametrize("given", ["", [], None, ["a", ""], {"a": 1}])
def test_what_is_no_folder_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"^run must be a folder or \[FOLDER,FOLDER\], but is "):
        folder_list("run", given)
