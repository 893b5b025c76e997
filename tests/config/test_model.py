import pytest

from s2s.config.model import AttentionScore, ModelConfig
from s2s.config.options import check_options
from s2s.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelConfig(hidden_size=7), r"model\.hidden_size must be even .* but is 7; .* model\.bidirectional=false"),
        (ModelConfig(input_feeding=True, attention=AttentionScore.none), r"model\.attention=none lacks"),
        (ModelConfig(scale_attention=True, attention=AttentionScore.general), r"model\.attention=dot, not to general"),
        (ModelConfig(scale_attention=True, attention=AttentionScore.none), r"model\.attention=dot, not to none"),
    ],
    ids=lambda item: str(item)[:60],
)
def test_contradictions_are_refused(options: ModelConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(options, "model.")


@pytest.mark.parametrize(
    "options",
    [
        ModelConfig(hidden_size=7, bidirectional=False),
        ModelConfig(input_feeding=True, attention=AttentionScore.additive),
        ModelConfig(scale_attention=True, attention=AttentionScore.dot),
        ModelConfig(input_feeding=True, locked_dropout=True),
    ],
    ids=str,
)
def test_what_makes_sense_is_allowed(options: ModelConfig) -> None:
    check_options(options, "model.")


def test_a_rate_that_is_left_out_is_no_number() -> None:
    check_options(ModelConfig(embedding_dropout=None))
    check_options(ModelConfig(embedding_dropout=0.0))
    assert ModelConfig(dropout=0.3, layer_dropout=0.0).dropout_rates == (0.3, 0.0, 0.3)
