"""Training classifiers: resumed, summarized, fine-tuned, and with every option of theirs."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from processes import Caller
from s2s.config.model import Pooling
from s2s.decoding.text_classifier import TextClassifier
from s2s.errors import DataError, RunError
from s2s.evaluation.classification import classification_scores
from s2s.runs.checkpoint import checkpoints, load_checkpoint, weights_path, without_prefix
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config
from s2s.tasks.classification import log_scores
from s2s.tasks.train_run import train
from tiny_runs import LEARNS, TINY, compose, labelled_options, write_labelled

pytestmark = pytest.mark.slow  # every one trains for seconds


def test_a_run_tells_how_it_did(labelled: Path) -> None:
    summary = json.loads((labelled / "summary.json").read_text(encoding="utf-8"))
    test = summary["test"]
    assert test["lines"] == sum(map(sum, test["confusion"])) == 15
    assert test["labels"] == ["bad", "good"]
    assert test["accuracy"] == round(100 * (test["confusion"][0][0] + test["confusion"][1][1]) / 15, 2) > 90
    assert summary["samples"][0].keys() == {"text", "label", "given", "probability"}
    assert {"confusion.png", "reliability.png", "labels.txt", "samples.txt"} <= {
        path.name for path in labelled.iterdir()
    }
    assert (labelled / "labels.txt").read_text() == "bad\ngood\n"
    rows = [json.loads(line) for line in (labelled / "metrics.jsonl").read_text().splitlines()]
    assert {"accuracy", "f1", "loss_nats", "perplexity"} <= next(row for row in rows if row["kind"] == "dev").keys()
    assert "texts_per_s" in next(row for row in rows if row["kind"] == "train")


@pytest.mark.parametrize("labels", [("a", "b"), ("0", "1", "2")])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, labels: tuple[str, ...]) -> None:
    options = [*labelled_options(tmp_path / "corpus", labels=labels), *TINY, "subwords.sampling=true"]
    for run, stops in (("whole", [12]), ("parts", [6, 12])):
        for steps in stops:
            train(compose("train", *options, f"run={tmp_path / run}", f"training.max_steps={steps}"))
    found = []
    for run in ("whole", "parts"):
        folder = RunFolder(tmp_path / run)
        tensors, state = load_checkpoint(checkpoints(folder)[0])
        rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        for row in rows:
            row.pop("elapsed_s")
            row.pop("texts_per_s", None)
        assert state["progress"]["step"] == 12
        found.append((tensors, rows))
    (whole, whole_rows), (parts, parts_rows) = found
    assert whole_rows == parts_rows
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    assert without_prefix("model", whole).keys() >= {"to_scores.weight", "to_scores.bias"}


def test_one_file_with_tabs_is_as_good_as_two(tmp_path: Path) -> None:
    two = labelled_options(tmp_path / "corpus")
    text, label = write_labelled(tmp_path / "corpus")
    sides = zip(text.read_text().splitlines(), label.read_text().splitlines(), strict=True)
    table = tmp_path / "table.tsv"
    table.write_text("".join(f"{one}\t{other}\n" for one, other in sides), encoding="utf-8")
    one = [f"data.train=[{table}]" if option.startswith("data.train") else option for option in two]
    for name, options in (("two", two), ("one", one)):
        train(compose("train", *options, *TINY, f"run={tmp_path / name}", "training.max_steps=2"))
    assert (tmp_path / "one" / "corpus.json").read_bytes() == (tmp_path / "two" / "corpus.json").read_bytes()
    weights = [load_checkpoint(tmp_path / name / "best" / "weights.safetensors")[0] for name in ("one", "two")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_share_is_held_out(tmp_path: Path) -> None:
    """A fifth of 300 texts, all of them different."""
    table = tmp_path / "table"
    table.write_text("".join(f"글 {number}\t{number % 2}\n" for number in range(300)), encoding="utf-8")
    options = ["data=labelled", f"data.train=[{table}]", "data.dev_share=0.2", "data.test_pairs=15", *TINY]
    train(compose("train", *options, f"run={tmp_path / 'run'}", "training.max_steps=1"))
    lines = (tmp_path / "run" / "text" / "dev.source").read_text().splitlines()
    assert len(lines) == 60
    assert json.loads((tmp_path / "run" / "corpus.json").read_text())["num_train"] == 300 - 15 - 60


def test_long_texts_are_cut_and_not_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of 1 to 199 words and three more, each of them a piece."""
    caplog.set_level(logging.INFO, "s2s")
    text, label = tmp_path / "text", tmp_path / "label"
    text.write_text("".join(f"{'아주 ' * number}긴 글 {number % 7}\n" for number in range(1, 200)), encoding="utf-8")
    label.write_text("".join(f"{number % 2}\n" for number in range(1, 200)))
    options = ["data=labelled", f"data.train=[{text},{label}]", "data.dev_pairs=10", "data.test_pairs=10"]
    options += [*TINY, f"run={tmp_path / 'run'}", "training.max_pieces=9", "training.max_steps=2"]
    options.append("subwords.kind=word")
    train(compose("train", *options))
    assert "learning subwords from 179 texts" in caplog.messages
    assert "kept 199 of 199 texts (dropped: 0 empty, 0 duplicates)" in caplog.messages
    assert json.loads((tmp_path / "run" / "corpus.json").read_text())["num_train"] == 179
    kept = [(tmp_path / "run" / "text" / f"{split}.source").read_text().splitlines() for split in ("dev", "test")]
    num_dev, num_test = (sum(len(line.split()) > 9 for line in lines) for lines in kept)
    assert num_test > 0
    assert f"cut {193 - num_dev - num_test} texts to training.max_pieces=9" in caplog.messages
    assert f"\ncut {num_test} texts of the test set to training.max_pieces=9" in caplog.messages
    labeller = TextClassifier.load(tmp_path / "run")
    rows = labeller.encode(["아주 " * 30 + "끝", "아주 " * 30])
    assert len(rows[0]) > 9
    assert labeller.log_probabilities(rows)[0].tolist() == labeller.log_probabilities(rows)[1].tolist()


def test_korean_labels_stand_under_each_other(caplog: pytest.LogCaptureFixture) -> None:
    """A Korean letter takes two columns."""
    caplog.set_level(logging.INFO, "s2s")
    log_probabilities_NC = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], dtype=np.float32))
    log_scores(classification_scores(log_probabilities_NC, np.array([0, 1, 1])), ["ok", "나쁨"])
    assert caplog.messages[1:] == [
        "  label     F1  as ok  as 나쁨",
        "  ok     66.67      1        0",
        "  나쁨   66.67      1        1",
    ]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_an_unknown_label_is_seen_before_training(tmp_path: Path, split: str) -> None:
    text, label = tmp_path / "given", tmp_path / "given.label"
    text.write_text("하나\n둘\n셋\n", encoding="utf-8")
    label.write_text("good\nbad\nugly\n", encoding="utf-8")
    run = tmp_path / "run"
    options = [*labelled_options(tmp_path / "corpus"), *TINY, f"run={run}", f"data.{split}=[{text},{label}]"]
    with pytest.raises(DataError, match=r"given\.label, line 3: expected one of the labels bad, good, found 'ugly'"):
        train(compose("train", *options))
    assert not (run / "metrics.jsonl").exists()


def test_a_label_that_another_run_has_not_learnt_is_named_with_its_text(labelled: Path, tmp_path: Path) -> None:
    options = [*labelled_options(tmp_path, labels=("good", "ugly")), *LEARNS, f"init_from={labelled}"]
    with pytest.raises(DataError, match=r"data\.train, at the text '.+': expected .* bad, good, found 'ugly'"):
        train(compose("train", *options, f"run={tmp_path / 'run'}"))


@pytest.mark.parametrize("clean", ["true", "false"])
def test_a_rare_label_may_be_cut_out_of_the_training_text(tmp_path: Path, clean: str) -> None:
    """Each of 40 texts has a label of its own, so those of dev and test are in no training text."""
    table = tmp_path / "table"
    table.write_text("".join(f"글 {number}\t{number:02}\n" for number in range(40)), encoding="utf-8")
    options = [f"data.train=[{table}]", "data.dev_pairs=9", "data.test_pairs=5", f"data.clean={clean}", *TINY]
    train(compose("train", "data=labelled", *options, f"run={tmp_path / 'run'}", "training.max_steps=1"))
    labels = (tmp_path / "run" / "labels.txt").read_text().splitlines()
    assert labels == [f"{number:02}" for number in range(40)]


def test_a_classifier_starts_from_another(labelled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "s2s")
    options = [*labelled_options(tmp_path / "corpus"), *LEARNS, f"init_from={labelled}", "training.max_steps=1"]
    train(compose("train", *options, f"run={tmp_path / 'run'}", "optim.learning_rate=1e-6"))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["test"]["accuracy"] > 90
    train(compose("train", *options, f"run={tmp_path / 'new'}", "init_subwords=new", "optim.learning_rate=1e-6"))
    assert "which knows 2 of 2 labels" in caplog.text
    assert json.loads((tmp_path / "new" / "summary.json").read_text())["test"]["accuracy"] > 90


def test_what_a_classifier_cannot_start_from(labelled: Path, tiny_run: Path, tmp_path: Path) -> None:
    options = [*LEARNS, f"run={tmp_path / 'run'}", "training.max_steps=1"]
    with pytest.raises(RunError, match="was trained with task=translate, which is not task=classify"):
        train(compose("train", *labelled_options(tmp_path / "corpus"), *options, f"init_from={tiny_run}"))
    other = labelled_options(tmp_path / "other", labels=("no", "yes"))
    with pytest.raises(RunError, match="has the labels bad, good, and this text has others"):
        train(compose("train", *other, *options, f"init_from={labelled}", "init_subwords=new"))


def test_options_of_the_other_task_are_refused(tmp_path: Path, call_command: Caller) -> None:
    for options, message in (
        (["task=classify"], "task=classify and data=labelled belong together, but task=classify and data=phrasebook"),
        ([*labelled_options(tmp_path), "model.tie=output"], "model.tie belongs to task=translate"),
        (["model.pooling=max"], "model.pooling belongs to task=classify"),
        (["training.stop_metric=f1"], "training.stop_metric=f1 does not belong to task=translate"),
        ([*labelled_options(tmp_path), "training.stop_metric=bleu"], "which has loss, perplexity, accuracy, f1"),
        (
            [*labelled_options(tmp_path), "model.pooling=attention", "model.attention=none"],
            "model.pooling=attention needs model.attention=dot, general or additive",
        ),
        (
            [*labelled_options(tmp_path), "subwords.kind=word", "subwords.sampling=true"],
            "subwords.sampling=true belongs to subwords.kind=unigram or bpe, not to word",
        ),
        (["data=labelled"], "data=labelled needs data.train=TEXT_FILE,LABEL_FILE"),
        (["data=labelled", "data.train=[a,b,c]"], "but got 3 files"),
        (["data.dev_share=0.2"], "data.dev_share cuts a dev set out of files of your own"),
    ):
        ended = call_command("train", f"run={tmp_path / 'run'}", *options)
        assert ended.code == 2, options
        assert message in ended.err


@pytest.mark.parametrize(
    "options",
    [
        ["model.pooling=mean", "model=gru", "subwords.kind=word"],
        ["model.pooling=max", "model=rnn", "subwords.kind=bpe"],
        ["model.pooling=attention", "model.attention=additive", "model.layers=2", "model.residual=true"],
        ["model.bidirectional=false", "model.source_word_dropout=0.2", "optim.label_smoothing=0.1"],
        ["training.stop_metric=f1", "training.accumulate=2", "optim=plateau", "model.locked_dropout=true"],
    ],
    ids=" ".join,
)
def test_options_train(options: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    corpus = labelled_options(tmp_path, labels=("a", "b", "c"))
    train(compose("train", *corpus, *TINY, f"run={run}", "training.max_steps=3", *options))
    assert load_config(run / "config.yaml").task.name == "classify"
    assert len(json.loads((run / "summary.json").read_text())["test"]["confusion"]) == 3


def test_each_pooling_is_another_model(tmp_path: Path) -> None:
    """From the same seed the four begin with other losses, and attention has weights of its own."""
    losses, names = set(), {}
    for pooling in Pooling:
        run = RunFolder(tmp_path / pooling.name)
        options = [*labelled_options(tmp_path / "corpus"), *TINY, f"run={run.path}", "training.max_steps=1"]
        train(compose("train", *options, f"model.pooling={pooling.name}"))
        losses.add(json.loads(run.summary.read_text())["test"]["loss_nats"])
        names[pooling] = {name for name in load_checkpoint(weights_path(run))[0] if "attention" in name}
    assert len(losses) == 4
    assert [pooling for pooling in Pooling if names[pooling]] == [Pooling.attention]
