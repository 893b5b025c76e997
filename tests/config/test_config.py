import dataclasses
import enum
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2s.config.check import check
from s2s.config.commands import BenchConfig, ClassifyConfig, EvaluateConfig, GivenTexts, ScoredData, TranslateConfig
from s2s.config.data import Corpus, DataConfig, SubwordKind, SubwordsConfig, portable
from s2s.config.model import AttentionScore, Cell, ModelConfig, Tie
from s2s.config.search import LengthNormalization, OutputFormat, SearchConfig, Strategy
from s2s.config.training import (
    Config,
    Device,
    InitSubwords,
    OptimConfig,
    Optimizer,
    Precision,
    Schedule,
    StopMetric,
    TrainingConfig,
)
from s2s.errors import ConfigError, RunError
from s2s.runs.saved_config import Differences, differences, load_config, save_config

GROUPS = [DataConfig, SubwordsConfig, ModelConfig, OptimConfig, TrainingConfig, SearchConfig, Config, BenchConfig]
FILES = ["/corpora/a.ko", "/corpora/a.en.gz"]


def bounded() -> list[tuple[type, str, float, float | None]]:
    return [
        (group, item.name, item.metadata["low"], item.metadata["high"])
        for group in GROUPS
        for item in dataclasses.fields(group)
        if item.metadata.get("low") is not None
    ]


# ----------------------------------------------------------------------------------------------------------------------
# Ranges


@pytest.mark.parametrize("schema", [Config, EvaluateConfig, TranslateConfig, BenchConfig])
def test_the_defaults_are_allowed(schema: type) -> None:
    check(schema())


def test_a_message_names_option_range_and_value() -> None:
    with pytest.raises(ConfigError, match=r"^model\.hidden_size must be at least 2, but is 1$"):
        check(Config(model=ModelConfig(hidden_size=1)))
    with pytest.raises(ConfigError, match=r"^model\.dropout must be between 0 and 0\.95, but is 0\.99$"):
        check(Config(model=ModelConfig(dropout=0.99)))
    with pytest.raises(ConfigError, match=r"^seed must be at least 0, but is -3$"):
        check(Config(seed=-3))


SETTINGS_FOR_RULES: dict[str, dict[str, Any]] = {
    "hidden_size": {"bidirectional": False},
    "decay_steps": {"schedule": Schedule.cosine, "warmup_steps": 0},
    "momentum": {"optimizer": Optimizer.sgd},
    "SearchConfig.seed": {"strategy": Strategy.sample},
    "temperature": {"strategy": Strategy.sample},
    "top_p": {"strategy": Strategy.sample},
    "diversity_strength": {"diverse_groups": 5},
}
"""What makes a value at the end of an option's range a choice that makes sense."""


@pytest.mark.parametrize(("group", "name", "low", "high"), bounded(), ids=lambda item: getattr(item, "__name__", item))
def test_every_range_is_kept(group: type, name: str, low: float, high: float | None) -> None:
    """Both ends are allowed, and what lies beyond is not; the rules on combinations are another test's."""
    step = 1 if isinstance(low, int) and dataclasses.asdict(group())[name].__class__ is int else 0.001
    for value in (low - step, None if high is None else high + step, math.nan):
        if value is not None:
            with pytest.raises(ConfigError, match=rf"^{name} must be "):
                check(group(**{name: value}))
    for value in (low, high):
        if value is not None:
            settings = SETTINGS_FOR_RULES.get(name) or SETTINGS_FOR_RULES.get(f"{group.__name__}.{name}", {})
            check(group(**{name: value, **settings}))


def test_a_limit_that_is_left_out_is_no_number() -> None:
    check(TrainingConfig(max_minutes=None))
    check(ModelConfig(embedding_dropout=None))
    check(ModelConfig(embedding_dropout=0.0))
    with pytest.raises(ConfigError, match=r"^embedding_dropout must be between 0 and 0\.95, but is 1$"):
        check(ModelConfig(embedding_dropout=1))
    with pytest.raises(ConfigError, match=r"^max_minutes must be at least 0, but is -1$"):
        check(TrainingConfig(max_minutes=-1))


# ----------------------------------------------------------------------------------------------------------------------
# Combinations


CONTRADICTIONS: list[tuple[Any, str]] = [
    (DataConfig(corpus=Corpus.files), r"data=files needs data\.train=\[SOURCE_FILE,TARGET_FILE\]; nothing was given"),
    (DataConfig(train=FILES), "belong to data=files and data=labelled, not to data=phrasebook"),
    (DataConfig(corpus=Corpus.multi30k, dev=FILES), "belong to data=files and data=labelled, not to data=multi30k"),
    (DataConfig(test=FILES), "belong to data=files and data=labelled"),
    (
        DataConfig(corpus=Corpus.labelled),
        r"data=labelled needs data\.train=\[TEXT_FILE,LABEL_FILE\]; nothing was given",
    ),
    (
        DataConfig(corpus=Corpus.labelled, train=list("abc")),
        r"must be \[TEXT_FILE,LABEL_FILE\], or \[FILE\] with a tab",
    ),
    (DataConfig(corpus=Corpus.files, train=FILES, dev=[*FILES, "c"]), r"data\.dev must be .* but has 3 entries"),
    (DataConfig(corpus=Corpus.files, train=FILES, test=list("abc")), r"data\.test must be .* but has 3 entries"),
    (GivenTexts(test=list("abc")), r"data\.test must be \[TEXT_FILE,LABEL_FILE\], or \[FILE\]"),
    (ClassifyConfig(run="r", output="o"), "output=o is for the pictures of data.test, which is not given"),
    (
        DataConfig(corpus=Corpus.multi30k, source_language="de", target_language="de"),
        r"data\.source_language and data\.target_language are both de",
    ),
    (ScoredData(test=["a"]), r"data\.test must be .* but has 1 entries"),
    (ModelConfig(hidden_size=7), r"model\.hidden_size must be even .* but is 7; .* model\.bidirectional=false"),
    (ModelConfig(input_feeding=True, attention=AttentionScore.none), r"model\.attention=none lacks"),
    (ModelConfig(scale_attention=True, attention=AttentionScore.general), r"model\.attention=dot, not general"),
    (ModelConfig(scale_attention=True, attention=AttentionScore.none), r"model\.attention=dot, not none"),
    (OptimConfig(decay_steps=500), r"optim\.decay_steps=500 belongs to optim\.schedule=cosine, not inverse_sqrt"),
    (OptimConfig(schedule=Schedule.plateau, decay_steps=500), r"optim\.schedule=cosine, not plateau"),
    (
        OptimConfig(schedule=Schedule.cosine, warmup_steps=30, decay_steps=30),
        r"optim\.decay_steps=30 must be greater than optim\.warmup_steps=30",
    ),
    (OptimConfig(momentum=0.5), r"optim\.momentum=0\.5 belongs to optim\.optimizer=sgd; adam has optim\.adam_beta1"),
    (OptimConfig(Optimizer.adamw, momentum=0.0), r"optim\.momentum=0 belongs to optim\.optimizer=sgd; adamw has"),
    (Config(init_subwords=InitSubwords.new), r"init_subwords=new belongs to init_from=RUN, which is not given"),
    (
        SearchConfig(strategy=Strategy.greedy, num_best=2, format=OutputFormat.moses),
        r"search\.num_best=2 needs search=beam",
    ),
    (SearchConfig(num_best=6, format=OutputFormat.moses), r"search\.num_best=6 needs search\.beam_size"),
    (SearchConfig(num_best=2), r"search\.num_best=2 .* add search\.format=moses"),
    (SearchConfig(temperature=0.5), r"search\.temperature=0\.5 belongs to search=sample, not to search=beam"),
    (
        SearchConfig(strategy=Strategy.greedy, top_k=7),
        r"search\.top_k=7 belongs to search=sample, not to search=greedy",
    ),
    (SearchConfig(top_p=0.9), r"search\.top_p=0\.9 belongs to search=sample"),
    (SearchConfig(seed=3), r"search\.seed=3 belongs to search=sample"),
    (SearchConfig(strategy=Strategy.greedy, must=["a", "b"]), r"search\.must=\[a,b\] needs a beam"),
    (SearchConfig(strategy=Strategy.sample, must=["a"]), r"search\.must=\[a\] needs a beam"),
    (SearchConfig(strategy=Strategy.sample, diverse_groups=5), r"search\.diverse_groups=5 needs a beam"),
    (SearchConfig(strategy=Strategy.greedy, word_reward=0.5), r"search\.word_reward=0\.5 ranks hypotheses"),
    (SearchConfig(strategy=Strategy.greedy, coverage_penalty=0.2), r"search\.coverage_penalty=0\.2 ranks hypotheses"),
    (
        SearchConfig(length_normalization=LengthNormalization.none, length_penalty=0.6),
        r"search\.length_penalty=0\.6 is an exponent, which search\.length_normalization=none lacks",
    ),
    (SearchConfig(min_length=7, max_length=5), r"search\.min_length=7 is more than search\.max_length=5"),
    (SearchConfig(min_length_factor=2.5), r"search\.min_length_factor=2\.5 is more than search\.max_length_factor=2"),
    (SearchConfig(diversity_strength=0.7), r"search\.diversity_strength=0\.7 is for search\.diverse_groups of 2"),
    (SearchConfig(diverse_groups=2), r"search\.beam_size=5 cannot be divided into search\.diverse_groups=2 equal"),
    (SearchConfig(diverse_groups=5, must=["a"]), r"search\.must and search\.diverse_groups divide the beam"),
    (SearchConfig(avoid=["a", " "]), r"search\.avoid must be \[WORD,WORD\], but has a blank word"),
    (SearchConfig(must=[""]), r"search\.must must be \[WORD,WORD\], but has a blank word"),
    (SearchConfig(must=["a", "b "], avoid=["c", "b"]), r"b must not occur \(search\.avoid\) and must occur"),
    (Config(model=ModelConfig(tie=Tie.all), subwords=SubwordsConfig(shared=False)), r"model\.tie=all needs one vocab"),
    (
        BenchConfig(model=ModelConfig(tie=Tie.all), subwords=SubwordsConfig(shared=False)),
        r"model\.tie=all needs one vocab",
    ),
]


@pytest.mark.parametrize(("options", "message"), CONTRADICTIONS, ids=lambda item: str(item)[:60])
def test_contradictions_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check(options)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "options",
    [
        DataConfig(corpus=Corpus.files, train=FILES, dev=FILES, test=FILES),
        DataConfig(corpus=Corpus.multi30k, source_language="fr", target_language="cs"),
        ScoredData(test=FILES),
        ModelConfig(hidden_size=7, bidirectional=False),
        ModelConfig(input_feeding=True, attention=AttentionScore.additive),
        ModelConfig(scale_attention=True, attention=AttentionScore.dot),
        ModelConfig(input_feeding=True, locked_dropout=True),
        OptimConfig(schedule=Schedule.cosine, warmup_steps=30, decay_steps=31),
        OptimConfig(schedule=Schedule.cosine),
        OptimConfig(Optimizer.sgd, momentum=0.0),
        OptimConfig(Optimizer.adamw, weight_decay=0.1),
        Config(init_from="runs/other", init_subwords=InitSubwords.new),
        SearchConfig(num_best=5, beam_size=5, format=OutputFormat.moses),
        SearchConfig(strategy=Strategy.greedy, beam_size=1, format=OutputFormat.moses),
        SearchConfig(
            Strategy.sample, num_best=9, format=OutputFormat.moses, temperature=0.5, top_k=5, top_p=0.9, seed=2
        ),
        SearchConfig(beam_size=6, diverse_groups=3, diversity_strength=0.7),
        SearchConfig(length_normalization=LengthNormalization.none, word_reward=0.5, coverage_penalty=0.2),
        SearchConfig(min_length=5, max_length=5, min_length_factor=2.0, no_repeat_ngram=3),
        SearchConfig(must=["a", "b c"], avoid=["c"]),
        Config(model=ModelConfig(tie=Tie.all)),
    ],
    ids=str,
)
def test_what_makes_sense_is_allowed(options: Any) -> None:
    check(options)


def test_rules_reach_the_groups_of_a_whole_config() -> None:
    with pytest.raises(ConfigError, match=r"model\.hidden_size must be even"):
        check(Config(model=ModelConfig(hidden_size=9)))
    with pytest.raises(ConfigError, match=r"data\.test must be"):
        check(EvaluateConfig(run="x", data=ScoredData(test=["a"])))


# ----------------------------------------------------------------------------------------------------------------------
# Files


UNUSUAL = Config(
    seed=7,
    device=Device.cpu,
    precision=Precision.bf16,
    data=DataConfig(corpus=Corpus.files, train=["a.ko", "a.en"], dev_pairs=3, max_length_ratio=2.5, clean=False),
    subwords=SubwordsConfig(kind=SubwordKind.bpe, shared=False, character_coverage=1.0),
    model=ModelConfig(cell=Cell.gru, layers=3, attention=AttentionScore.additive, tie=Tie.none, dropout=0.0),
    optim=OptimConfig(schedule=Schedule.plateau, learning_rate=3e-7),
    training=TrainingConfig(max_minutes=1.5, stop_metric=StopMetric.loss),
    search=SearchConfig(strategy=Strategy.greedy),
)


@pytest.mark.parametrize("config", [Config(), UNUSUAL], ids=["defaults", "unusual"])
def test_options_come_back(tmp_path: Path, config: Config) -> None:
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9).filter(lambda t: "/" not in t)
)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_file_names_of_any_kind_come_back(tmp_path: Path, text: str) -> None:
    name = Path(text).name or "x"
    if "${" in name:
        return  # an interpolation of OmegaConf's
    config = Config(data=DataConfig(corpus=Corpus.files, train=[name, "b"]))
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml").data.train == [name, "b"]


def test_a_saved_config_names_no_place_on_this_machine(tmp_path: Path) -> None:
    data = DataConfig(corpus=Corpus.files, train=FILES, test=FILES, cache="/home/somebody/cache", root="/data/multi30k")
    save_config(Config(run="/home/somebody/runs/1", data=data), tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert "/" not in text
    kept = load_config(tmp_path / "config.yaml")
    assert kept.run == ""
    assert kept.data == portable(data)
    assert kept.data.train == ["a.ko", "a.en.gz"]
    assert (kept.data.cache, kept.data.root) == (None, "multi30k")


def test_portable_is_done_after_once_and_leaves_the_rest() -> None:
    data = DataConfig(corpus=Corpus.files, train=FILES, dev=["../x", "./y"], max_words=33)
    assert portable(portable(data)) == portable(data)
    assert dataclasses.replace(portable(data), train=FILES, dev=["../x", "./y"]) == data
    assert portable(DataConfig()) == DataConfig()


def test_options_that_are_not_there_take_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model:\n  cell: gru\n", encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == Config(model=ModelConfig(cell=Cell.gru))


FOREIGN = {
    "unknown option": b"model:\n  wings: 2\n",
    "unknown group": b"wings: 2\n",
    "unknown choice": b"model:\n  cell: transformer\n",
    "wrong type": b"model:\n  layers: many\n",
    "fraction for a whole number": b"model:\n  layers: 1.5\n",
    "a value for a group": b"model: 3\n",
    "a list": b"- 1\n- 2\n",
    "a word": b"hello\n",
    "no YAML": b"model: [1, 2\n",
    "a tab": b"\tmodel: 1\n",
    "not UTF-8": b"seed: \xff\xfe\n",
    "zeros": b"\0" * 50,
    "names code": b"model:\n  _target_: os.system\n",
    "YAML that runs code": b"seed: !!python/object/apply:os.getcwd []\n",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(RunError, match="expected the options of an s2s run") as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml")
    with pytest.raises(RunError, match="cannot be read"):
        load_config(tmp_path)


# ----------------------------------------------------------------------------------------------------------------------
# Differences


def other_value(value: Any) -> Any:
    """Some value of the same type that is not this one."""
    match value:
        case enum.Enum():
            return next(member for member in type(value) if member is not value)
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value / 2 or 0.5
        case None:
            return 1.0
        case str():
            return f"{value}x"
        case list():
            return ["p", "q"]
    raise AssertionError(value)


def every_option(config: Any, prefix: str = "") -> list[str]:
    names = []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        is_group = dataclasses.is_dataclass(value)
        names += every_option(value, f"{prefix}{item.name}.") if is_group else [prefix + item.name]
    return names


def changed(config: Any, name: str) -> Any:
    head, _, rest = name.partition(".")
    value = getattr(config, head)
    if rest:
        return dataclasses.replace(config, **{head: changed(value, rest)})
    new = "p" if name in ("root", "cache") else other_value(value)
    return dataclasses.replace(config, **{head: new})


PATHS = {"run", "data.train", "data.dev", "data.test", "data.root", "data.cache"}
LIMITS = {"max_steps", "max_epochs", "max_minutes", "max_bad_steps", "patience"}
REPORTS = {"log_every", "validate_every", "save_every", "keep", "reset_optimizer", "tensorboard"}
MAY_CHANGE = {"device", "precision", *(f"training.{name}" for name in LIMITS | REPORTS)}


@pytest.mark.parametrize("name", every_option(Config()))
def test_each_difference_is_named(name: str) -> None:
    new = changed(Config(), name)
    assert new != Config()
    found = differences(Config(), new)
    refused, allowed = ([line.split(":")[0] for line in lines] for lines in (found.refused, found.allowed))
    may_change = name in MAY_CHANGE or name.startswith("search.")
    assert allowed == ([name] if may_change else [])
    assert refused == ([] if may_change or name in PATHS else [name])


def test_an_optimizer_that_begins_anew_may_have_other_options() -> None:
    new = Config(
        optim=OptimConfig(learning_rate=1.0),
        seed=2,
        training=TrainingConfig(reset_optimizer=True),
        precision=Precision.fp32,
    )
    found = differences(Config(), new)
    assert found.refused == ["seed: 1 -> 2"]
    assert found.allowed == [
        "precision: auto -> fp32",
        "optim.learning_rate: 0.002 -> 1.0",
        "training.reset_optimizer: False -> True",
    ]


def test_differences_on_paper() -> None:
    old = Config(model=ModelConfig(cell=Cell.lstm, layers=2), data=DataConfig(corpus=Corpus.files, train=FILES))
    new = Config(
        model=ModelConfig(cell=Cell.gru, layers=3), data=DataConfig(corpus=Corpus.files, train=["/else/a.ko", "b"])
    )
    assert differences(old, old) == Differences([], [])
    assert differences(old, new).refused == [
        "model.cell: lstm -> gru",
        "model.layers: 2 -> 3",
    ]


def test_a_run_starts_from_another_at_its_beginning_or_never() -> None:
    with_it, without = Config(init_from="/here/old"), Config()
    assert differences(with_it, Config(init_from="elsewhere/new")) == Differences([], [])
    assert differences(without, with_it) == Differences(["init_from: None -> /here/old"], [])
    assert differences(with_it, without) == Differences(["init_from: /here/old -> None"], [])


def test_a_moved_corpus_is_no_difference(tmp_path: Path) -> None:
    old = Config(data=DataConfig(corpus=Corpus.files, train=["/here/a.ko", "/here/a.en"]))
    save_config(old, tmp_path / "config.yaml")
    new = Config(data=DataConfig(corpus=Corpus.files, train=["/there/a.ko", "/there/a.en"]))
    assert differences(load_config(tmp_path / "config.yaml"), new) == Differences([], [])
