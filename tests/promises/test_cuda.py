"""On a GPU: what a run learns and how it translates is what a CPU gives, but for rounding.

Products of fp32 are rounded there too (TF32), so losses are compared with a tolerance; where texts are compared, these
products are exact.
"""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from processes import ROOT, Caller, environment, losses
from s2s.config.decoding import DecodingPrecision
from s2s.config.model import Cell, ModelConfig
from s2s.config.search import SearchConfig, Strategy
from s2s.config.training import Device
from s2s.data.text.parallel_text import Pair
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder
from s2s.decoding.line_constraints import LineConstraints
from s2s.decoding.text_classifier import TextClassifier
from s2s.device import choose_decoding_precision, choose_device
from s2s.errors import ConfigError
from s2s.models.fused import recurrent_layer, run_layer
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.checkpoint import checkpoints
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options, labelled_options, write_corpus

pytestmark = [pytest.mark.cuda, pytest.mark.slow]

GPU = "cuda"
LINES = ["하나 둘 셋", "여섯", "", "넷 넷 다섯", "둘 하나 여섯 다섯 셋", "셋 하나 둘 여섯 다섯 넷 넷"]
NO_DROPOUT = "model.dropout=0", "training.max_steps=12"
TRAINING = {"fp32": 5e-3, "bf16": 5e-2}
"""Relative tolerance of losses by precision: products are rounded to 10 bits, or to 8."""


@pytest.fixture
def exact() -> Iterator[None]:
    """Products of fp32 without rounding."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return file_options(tmp_path_factory.mktemp("corpus"))


def trained(run: Path, *options: str) -> list[float]:
    """The losses of a run, in the order of its metrics."""
    train(compose("train", *options, f"run={run}"))
    return [loss for _, _, loss in losses(run)]


# ----------------------------------------------------------------------------------------------------------------------
# Training


@pytest.mark.parametrize("precision", TRAINING)
@pytest.mark.parametrize("is_fed", ["false", "true"])
@pytest.mark.parametrize("cell", [cell.name for cell in Cell])
def test_each_cell_learns_what_it_learns_on_a_cpu(
    cell: str, is_fed: str, precision: str, corpus: list[str], tmp_path: Path
) -> None:
    network = f"model.cell={cell}", f"model.input_feeding={is_fed}", "model.layers=2"
    options = [*corpus, *TINY, *NO_DROPOUT, *network]
    expected = trained(tmp_path / "cpu", *options)
    found = trained(tmp_path / "gpu", *options, f"device={GPU}", f"precision={precision}")
    assert found == pytest.approx(expected, rel=TRAINING[precision])


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_classifier_learns_what_it_learns_on_a_cpu(pooling: str, tmp_path: Path) -> None:
    options = [*labelled_options(tmp_path / "corpus"), *TINY, *NO_DROPOUT, f"model.pooling={pooling}"]
    expected = trained(tmp_path / "cpu", *options)
    assert trained(tmp_path / "gpu", *options, f"device={GPU}") == pytest.approx(expected, rel=TRAINING["fp32"])


@pytest.mark.parametrize("locked", ["false", "true"])
@pytest.mark.parametrize("precision", TRAINING)
def test_a_run_resumes(precision: str, locked: str, corpus: list[str], tmp_path: Path) -> None:
    """With dropout, whose random numbers come back too; others would give quite other losses."""
    dropout = "model.dropout=0.3", "model.source_word_dropout=0.1", f"model.locked_dropout={locked}"
    options = [*corpus, *TINY, *dropout, f"device={GPU}", f"precision={precision}"]
    expected = trained(tmp_path / "whole", *options, "training.max_steps=12")
    trained(tmp_path / "broken", *options, "training.max_steps=8")
    found = trained(tmp_path / "broken", *options, "training.max_steps=12")
    kept = [row for row in losses(tmp_path / "broken") if row[1] == "train" or row[0] == 12]
    assert len(found) >= len(expected)
    assert [loss for *_, loss in kept][-3:] == pytest.approx(expected[-3:], rel=1e-3)


def test_a_run_moves_between_gpu_and_cpu(corpus: list[str], tmp_path: Path) -> None:
    options = [*corpus, *TINY, "model.dropout=0"]
    expected = trained(tmp_path / "cpu", *options, "training.max_steps=12")
    trained(tmp_path / "both", *options, "training.max_steps=4", f"device={GPU}")
    trained(tmp_path / "both", *options, "training.max_steps=8")
    found = trained(tmp_path / "both", *options, "training.max_steps=12", f"device={GPU}")
    assert found[-1] == pytest.approx(expected[-1], rel=TRAINING["fp32"])


@pytest.mark.parametrize("cell", Cell)
def test_fused_layers_compute_in_fp32_under_autocast(cell: Cell) -> None:
    """Torch's own choice there is fp16, in which gradients as small as these are 0."""
    torch.manual_seed(1)
    layer = recurrent_layer(cell, 5, 7).to(GPU)
    inputs_BSI = torch.randn(3, 4, 5, device=GPU, requires_grad=True)
    with torch.autocast(GPU, dtype=torch.bfloat16):
        states_BSH, after = run_layer(layer, inputs_BSI)
    assert {states_BSH.dtype, *(tensor.dtype for tensor in after)} == {torch.float32}
    (states_BSH.sum() * 1e-12).backward()
    assert inputs_BSI.grad is not None
    assert inputs_BSI.grad.abs().max() > 0


def test_out_of_memory_halves_the_batch(tmp_path: Path) -> None:
    """The whole corpus in one batch, in three quarters of the memory that it takes."""
    source, target = write_corpus(tmp_path / "large", 3000)
    options = [f"data.train=[{source},{target}]", "data.dev_pairs=20", "data.test_pairs=15", *TINY, *NO_DROPOUT]
    options += ["data=files", "model.hidden_size=512", "training.batch_tokens=200000", f"device={GPU}"]
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    expected = trained(tmp_path / "whole", *options, "training.max_steps=2")
    largest = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(largest * 0.75 / torch.cuda.get_device_properties(0).total_memory)
    try:
        found = trained(tmp_path / "halved", *options, "training.max_steps=2")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    rows = [json.loads(line) for line in (tmp_path / "halved" / "metrics.jsonl").read_text().splitlines()]
    assert "out of memory" in [row.get("event") for row in rows]
    assert found[-1] == pytest.approx(expected[-1], rel=TRAINING["fp32"])


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_ranks_learn_what_one_process_learns(corpus: list[str], tmp_path: Path) -> None:
    options = [*corpus, *TINY, *NO_DROPOUT, f"device={GPU}"]
    expected = trained(tmp_path / "one", *options)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command += [str(ROOT / "scripts/train.py"), *options, f"run={tmp_path / 'two'}"]
    env = {**environment(), "PYTHONWARNINGS": "default"}  # those of torchrun itself are not ours
    subprocess.run(command, check=True, cwd=ROOT, env=env, timeout=300)
    assert [loss for *_, loss in losses(tmp_path / "two")] == pytest.approx(expected, rel=TRAINING["fp32"])


# ----------------------------------------------------------------------------------------------------------------------
# Decoding

SEARCHES = {
    "greedy": SearchConfig(strategy=Strategy.greedy),
    "beam": SearchConfig(beam_size=4, num_best=3),
    "coverage": SearchConfig(beam_size=4, coverage_penalty=0.3),
    "diverse": SearchConfig(beam_size=4, diverse_groups=2, num_best=4),
    "rules": SearchConfig(beam_size=4, no_repeat_ngram=2, min_length=3, avoid=["six"]),
    "must": SearchConfig(beam_size=4, must=["two"]),
    "sample": SearchConfig(strategy=Strategy.sample, num_best=3),
    "nucleus": SearchConfig(strategy=Strategy.sample, top_p=0.9),
    "likeliest": SearchConfig(strategy=Strategy.sample, top_k=5),
}


def translations(run: Path, device: str, search: SearchConfig, **options: str) -> list[list[tuple[str, float]]]:
    """Text and score of each hypothesis of each line."""
    translator = BatchTranslator.load(run, search=search, device=device, **options)  # type: ignore[arg-type]
    constraints = [LineConstraints(prefix="one" if number == 1 else "") for number in range(len(LINES))]
    torch.set_float32_matmul_precision("highest")  # `load` chose TF32
    return [
        [(text, hypothesis.score) for text, hypothesis in zip(each.texts, each.hypotheses, strict=True)]
        for each in translator.translations(LINES, constraints=constraints, keep_attention=True)
    ]


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", SEARCHES)
def test_each_search_finds_what_it_finds_on_a_cpu(name: str, tiny_run: Path) -> None:
    found, expected = (translations(tiny_run, device, SEARCHES[name]) for device in (GPU, "cpu"))
    for found_K, expected_K in zip(found, expected, strict=True):
        assert [text for text, _ in found_K] == [text for text, _ in expected_K]
        assert [score for _, score in found_K] == pytest.approx([score for _, score in expected_K], abs=1e-4)


@pytest.mark.usefixtures("exact")
def test_bf16_scores_are_near(tiny_run: Path) -> None:
    found, expected = (translations(tiny_run, GPU, SEARCHES["beam"], precision=kind) for kind in ("bf16", "fp32"))
    for found_K, expected_K in zip(found, expected, strict=True):
        assert [score for _, score in found_K] == pytest.approx([score for _, score in expected_K], abs=0.1)


def test_int8_is_refused() -> None:
    with pytest.raises(ConfigError, match="no products of 8-bit integers on a GPU"):
        choose_decoding_precision(DecodingPrecision.int8, choose_device(Device(GPU)))


@pytest.mark.usefixtures("exact")
def test_given_translations_have_the_same_scores_and_attention(tiny_run: Path) -> None:
    pairs = [Pair(source, "one two six") for source in LINES if source]
    scores, weights = [], []
    for device in (GPU, "cpu"):
        decoder = ForcedDecoder(BatchTranslator.load(tiny_run, device=device))
        torch.set_float32_matmul_precision("highest")
        scores.append([score.token_log_probabilities for score in decoder.scores(pairs)])
        weights.append(dict(decoder.attention([[4, 5, 6], [7]], [[8], [9, 4]])))
    for found, expected in zip(*scores, strict=True):
        assert found == pytest.approx(expected, abs=1e-2)  # cuDNN's layers round as they like
    for row, weights_TS in weights[0].items():
        assert weights_TS == pytest.approx(weights[1][row], abs=1e-2)


def test_texts_have_the_same_classes(labelled: Path) -> None:
    rows = TextClassifier.load(labelled, device="cpu").encode(LINES)
    found, expected = (TextClassifier.load(labelled, device=each).log_probabilities(rows) for each in (GPU, "cpu"))
    assert found == pytest.approx(expected, abs=2e-2)


def test_the_command_translates(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    source = tmp_path / "in.ko"
    source.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    texts = []
    for device in (GPU, "cpu"):
        output = tmp_path / f"{device}.en"
        options = [f"run={tiny_run}", f"input={source}", f"output={output}", f"device={device}", "alignments=true"]
        ended = call_command("translate", *options)
        assert ended.code == 0, ended.err
        texts.append(output.read_text(encoding="utf-8").splitlines())
    assert len(texts[0]) == len(texts[1]) == len(LINES)


# ----------------------------------------------------------------------------------------------------------------------
# What leaves the GPU


def test_a_run_of_a_gpu_is_exported_and_read_on_a_cpu(corpus: list[str], tmp_path: Path, call_command: Caller) -> None:
    run = tmp_path / "run"
    trained(run, *corpus, *TINY, *NO_DROPOUT, f"device={GPU}")
    expected = BatchTranslator.load(run, device="cpu").translate(LINES)
    ended = call_command("export", f"run={run}", f"output={tmp_path / 'model'}")
    assert ended.code == 0, ended.err
    assert BatchTranslator.load(tmp_path / "model", device="cpu").translate(LINES) == expected
    assert len(checkpoints(RunFolder(run))) >= 1
    ended = call_command("export", f"run={run}", f"output={tmp_path / 'graphs'}", "format=onnx")
    assert ended.code == 0, ended.err


def test_models_are_the_same_on_both() -> None:
    """Built on the CPU, and moved: a seed gives the same weights everywhere."""
    models = []
    for device in (GPU, "cpu"):
        torch.manual_seed(3)
        models.append(build_seq2seq(dataclasses.replace(ModelConfig(), hidden_size=6), 11, 13).to(device))
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one.cpu(), other)


def test_bench_measures(corpus: list[str], tiny_run: Path, call_command: Caller) -> None:
    options = "cells=[gru]", "steps=2", "rounds=1", f"device={GPU}"
    ended = call_command("bench", "train", *corpus, *(option for option in TINY if "device" not in option), *options)
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)["rows"]
    assert [(row["input_feeding"], row["precision"]) for row in rows] == [
        (is_fed, precision) for is_fed in (False, True) for precision in ("fp32", "bf16")
    ]
    assert all(row["target_tokens_per_s"] > 0 for row in rows)
    options = "batch_sizes=[3]", "decoding_precisions=[fp32,bf16]", "lines=7", "rounds=1", f"device={GPU}"
    ended = call_command("bench", "decode", f"run={tiny_run}", *options)
    assert ended.code == 0, ended.err
    assert len(json.loads(ended.out)["rows"]) == 4
