import dataclasses
import enum
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2s.config.data import Corpus, DataConfig, SubwordKind, SubwordsConfig, portable
from s2s.config.model import AttentionScore, Cell, ModelConfig, Tie
from s2s.config.optim import OptimConfig, Schedule
from s2s.config.search import SearchConfig, Strategy
from s2s.config.training import Config, Device, Precision, StopMetric, TrainingConfig
from s2s.errors import RunError
from s2s.runs.saved_config import Differences, differences, load_config, save_config

FILES = ["/corpora/a.ko", "/corpora/a.en.gz"]
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
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9).filter(
        lambda t: "/" not in t and t.strip()
    )
)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_file_names_of_any_kind_come_back(tmp_path: Path, text: str) -> None:
    name = Path(text).name or "x"
    config = Config(data=DataConfig(corpus=Corpus.files, train=[name, "b"]))
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml").data.train == [name, "b"]


@pytest.mark.parametrize(
    "name", ["${x}.ko", "${oc.env:HOME}", "${x", "${", "$x", "\\${x}", "???", "1e3", "12:30", "no"]
)
def test_nothing_in_a_saved_config_is_looked_up(tmp_path: Path, name: str) -> None:
    data = DataConfig(corpus=Corpus.files, train=[name, "b"], source_language=name, root=name)
    config = Config(data=data, search=SearchConfig(avoid=[name]), init_from=name)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize("text", ["3e-3", "0.003", "3.0e-3", "'0.003'", "+.3e-2"])
def test_a_number_may_be_written_as_people_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(f"optim:\n  learning_rate: {text}\n", encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == Config(optim=OptimConfig(learning_rate=0.003))


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


def test_options_that_are_not_there_take_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model:\n  cell: gru\n", encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == Config(model=ModelConfig(cell=Cell.gru))


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
    "an option that stands twice": b"seed: 1\nmodel:\n  layers: 1\nseed: 2\n",
    "an option that is looked up": b"seed: ${training.keep}\n",
    "a list of numbers for files": b"data:\n  train: [1, 2]\n",
    "a date": b"seed: 2020-02-02\n",
    "no such date": b"seed: 2020-99-99\n",
    "a list as a name": b"? [1]\n: 2\n",
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


LAUGHTER = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghijklm", "bcdefghijklmn", strict=True)
)
FLOODS = {
    "aliases within aliases": LAUGHTER,
    "an anchor": "seed: &here 1\n",
    "an alias": "model:\n  layers: &here 2\ndata: *here\n",
    "flow nested deeply": "seed: " + "[" * 50_000,
    "blocks nested deeply": "".join(f"{' ' * depth}a:\n" for depth in range(200)),
    "mappings nested deeply": "{a: " * 20_000,
    "a long file": "# " + "x" * 200_000 + "\nseed: 1\n",
    "many digits": f"seed: {'9' * 5000}\n",
    "more digits than a float has": f"seed: {'9' * 400}\n",
    "a hexadecimal number of many digits": f"seed: 0x{'9' * 9000}\n",
    "a number to the base of 60": f"seed: 1{':1' * 45_000}\n",
    "many options": "{" + ",".join(f"a{number}" for number in range(12_000)) + "}\n",
    "a text for a number": f"seed: {'x' * 90_000}\n",
    "an option of a long name": f"? {'x' * 90_000}\n: 3\n",
    "a size of many digits": f"model:\n  hidden_size: {'9' * 400}\n",
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_file_made_to_hang_or_flood_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(FLOODS[name], encoding="utf-8")
    started_s = time.process_time()
    with pytest.raises(RunError) as caught:
        load_config(path)
    assert time.process_time() - started_s < 2
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


def test_a_cut_file_passes_for_none_with_fewer_options(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    save_config(UNUSUAL, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError):
            load_config(path)


def test_a_flipped_bit_changes_no_option(tmp_path: Path) -> None:
    """It is refused, or, in the words of the first line, changes nothing."""
    path = tmp_path / "config.yaml"
    save_config(UNUSUAL, path)
    whole = path.read_bytes()
    num_refused = 0
    places = range(0, 8 * len(whole), 37)
    for place in places:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert load_config(path) == portable_config(UNUSUAL)
        except RunError:
            num_refused += 1
    assert num_refused >= 0.99 * len(places)


def portable_config(config: Config) -> Config:
    """As it comes back."""
    return dataclasses.replace(config, run="", data=portable(config.data))


def test_a_file_changed_by_hand_is_told_of_with_the_way_to_accept_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    save_config(Config(), path)
    text = path.read_text().replace("\nseed: 1\n", "\nseed: 2\n")
    path.write_text(text)
    with pytest.raises(
        RunError, match=r"changed since the run was made.*copy it again.*remove its first line"
    ) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)
    first, _, rest = text.partition("\n")
    assert "remove this line if you change them" in first
    path.write_text(rest)
    assert load_config(path) == Config(seed=2)


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
