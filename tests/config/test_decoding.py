import pytest

from s2s.cli.classify import ClassifyConfig, GivenTexts
from s2s.cli.evaluate import EvaluateConfig
from s2s.cli.translate import TranslateConfig
from s2s.config.decoding import ScoredData
from s2s.config.options import Options, check_options
from s2s.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ScoredData(test=["a"]), r"data\.test takes .* but got 1 file"),
        (EvaluateConfig(run=["x"], data=ScoredData(test=["a"])), r"data\.test takes"),
        (GivenTexts(test=list("abc")), r"data\.test takes TEXT_FILE,LABEL_FILE, or one file"),
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


@pytest.mark.parametrize(("run", "message"), [([], r"run is empty \("), (["a", " "], "run names nothing")])
def test_what_is_no_folder_is_refused(run: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(EvaluateConfig(run=run))
