"""`bench`: speeds as shares of what the machine can do."""

import json
from pathlib import Path

import pytest

from s2s.analysis import decoding_speed, training_speed
from s2s.cli.arguments import overrides_of
from s2s.cli.bench import bench
from s2s.cli.commands import command_of
from s2s.data.prepare import prepare
from tiny_runs import TINY, compose, file_options


@pytest.mark.slow
def test_bench_prints_shares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_speed, "SETTLE_S", 0.1)
    options = "precisions=[fp32]", "cells=[gru,lstm]", "input_feeding=[true]", "steps=2", "rounds=1", "busy=true"
    bench(compose("bench", *file_options(tmp_path), *TINY, *options))
    result = json.loads(capsys.readouterr().out)
    assert [(row["cell"], row["input_feeding"]) for row in result["rows"]] == [("gru", True), ("lstm", True)]
    for row in result["rows"]:
        assert 0 <= row["share_of_rate"] == row["share_of_fp32_rate"] < 2
        assert 0 <= row["padding_target"] < 0.2
        assert row["target_tokens_per_s_beside_busy"] > 0
        assert 0.1 < row["peak_memory_gb"] < 20


def test_the_task_of_bench_and_the_run_may_come_bare() -> None:
    for arguments, overrides in {
        "train steps=3": ["measure=train", "steps=3"],
        "decode run=x": ["measure=decode", "run=x"],
        "decode x": ["measure=decode", "run=x"],
        "steps=3": ["steps=3"],
    }.items():
        assert sorted(overrides_of(arguments.split(), "bench", command_of("bench"))) == overrides


@pytest.mark.slow
def test_bench_of_decoding_prints_shares(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_speed, "SETTLE_S", 0.1)
    options = "batch_sizes=[3]", "decoding_precisions=[fp32]", "processes=[1,2]", "lines=7", "rounds=1", "busy=true"
    bench(compose("bench", "measure=decode", f"run={tiny_run}", *options))
    result = json.loads(capsys.readouterr().out)
    found = [(row["strategy"], row["processes"], row["batch_size"], row["lines"]) for row in result["rows"]]
    assert found == [(name, num, 3, 7) for name in ("greedy", "beam") for num in (1, 2)]
    for row in result["rows"]:
        assert row["lines_per_s"] > 0
        assert row["seconds_beside_busy"] > 0
        assert 0 <= row["share_of_rate"] < 1


@pytest.mark.slow
def test_bench_of_an_untrained_model_says_as_many_pieces_as_it_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "batch_sizes=[64]", "decoding_precisions=[fp32]", "strategies=[greedy]", "processes=[1]", "rounds=1"
    config = compose("bench", "measure=decode", "untrained=true", *file_options(tmp_path), *TINY, *options)
    bench(config)
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    prepared = prepare(config.data, config.subwords, seed=config.seed, max_pieces=config.training.max_pieces)
    num_pieces = sum(len(ids) + 1 for ids in prepared.source.encode([pair.source for pair in prepared.test]))
    assert num_pieces <= row["target_tokens"] <= num_pieces + 2 * row["lines"]
