"""`evaluate`: one run or several, on their own test set, on files, or on one of sacrebleu's."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from processes import Caller, environment, run_command
from s2s.cli.evaluate import EvaluateConfig
from s2s.config.decoding import ScoredData
from s2s.config.options import check_options
from s2s.errors import ConfigError
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options

FEW = ("significance.bootstrap_samples=100", "significance.randomization_samples=200")


@pytest.fixture(scope="module")
def runs(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs with the same test set: one of them has other subwords, one is a copy of the first."""
    folder = tmp_path_factory.mktemp("runs")
    options = [*file_options(folder / "corpus"), *TINY, f"run={folder / 'other'}", "subwords.vocabulary_size=45"]
    train(compose("train", *options, "subwords.shared=false", "training.max_steps=8"))
    shutil.copytree(tiny_run, folder / "copy")
    return [tiny_run, folder / "other", folder / "copy"]


def named(paths: list[Path]) -> str:
    return f"run=[{','.join(map(str, paths))}]"


def read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def test_runs_are_compared_to_the_first(
    runs: list[Path], call_command: Caller, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO")
    ended = call_command("evaluate", named(runs), *FEW, f"output={tmp_path}", "search=greedy")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["lines"], result["search"]) == (15, "greedy")
    first, other, copy = result["runs"]
    assert [row["run"] for row in result["runs"]] == [str(path) for path in runs]
    for metric in ("bleu", "chrf", "ter"):
        assert "p_value" not in first["bootstrap"][metric]
        assert 0 < other["bootstrap"][metric]["p_value"] <= 1
        assert 0 < other["randomization"][metric]["p_value"] <= 1
        assert copy["randomization"][metric]["p_value"] == copy["bootstrap"][metric]["p_value"] == 1
        assert "|bs:100|seed:12345|" in other["bootstrap"][metric]["signature"]
        assert "|ar:200|seed:12345|" in other["randomization"][metric]["signature"]
        assert copy[metric] == first[metric]
    for number, path in enumerate(runs, start=1):
        assert len(read_lines(tmp_path / f"{number}-{path.name}" / "test.source.greedy.txt")) == 15
    assert "p, randomization" in caplog.text
    assert "BLEU without regard to case" in caplog.text


@pytest.mark.slow
def test_the_seed_and_the_place_of_translations(runs: list[Path], call_command: Caller) -> None:
    options = [named(runs[:2]), *FEW, "search=greedy"]
    results = [json.loads(call_command("evaluate", *options, f"significance.seed={seed}").out) for seed in (7, 7, 8)]
    means = [[row["bootstrap"]["chrf"]["mean"] for row in result["runs"]] for result in results]
    assert means[0] == means[1] != means[2]
    assert all((path / "evaluation" / "test.source.greedy.txt").is_file() for path in runs[:2])


def test_a_single_run_has_intervals_where_they_are_asked_for(runs: list[Path], call_command: Caller) -> None:
    plain = json.loads(call_command("evaluate", f"run={runs[0]}").out)
    sure = json.loads(call_command("evaluate", named(runs[:1]), "significance.confidence=true", *FEW).out)
    for search in ("greedy", "beam"):
        assert "bootstrap" not in plain[search]
        assert plain[search]["chrf"] == sure[search]["chrf"]
        significance = sure[search]["bootstrap"]["chrf"]
        assert significance.keys() == {"mean", "ci", "signature"}
        assert (
            significance["mean"] - significance["ci"] < sure[search]["chrf"] < significance["mean"] + significance["ci"]
        )
        assert plain[search]["lowercased_bleu_signature"].startswith("nrefs:1|case:lc|")


def test_a_single_run_is_judged_by_greedy_and_by_the_search_that_was_chosen(
    runs: list[Path], call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    options = f"run={runs[0]}", "search=sample", "search.num_best=4", "search.mbr=chrf"
    first, again = (json.loads(call_command("evaluate", *options).out) for _ in range(2))
    assert {"greedy", "sample"} <= first.keys()
    assert first["sample"]["chrf"] == again["sample"]["chrf"]
    alone = json.loads(call_command("evaluate", f"run={runs[0]}", "search.must=[two]").out)
    assert "greedy" not in alone
    assert "search=greedy is left out: search.must=two belongs to search.strategy=beam" in caplog.text
    texts = read_lines(runs[0] / "evaluation" / "test.source.beam.txt")
    assert all("two" in text.split() for text in texts)
    ended = call_command("evaluate", f"run={runs[0]}", "search.num_best=2")
    assert (ended.code, "search.num_best=2: one translation of each line is scored" in ended.err) == (2, True)


def test_different_test_sets_need_a_common_one(runs: list[Path], call_command: Caller, tmp_path: Path) -> None:
    shutil.copytree(runs[0], tmp_path / "run")
    (tmp_path / "run" / "SHA256SUMS").unlink()  # its test set is changed on purpose
    source, target = RunFolder(tmp_path / "run").text("test")
    target.write_text(target.read_text().replace("one", "uno"))
    ended = call_command("evaluate", named([runs[0], tmp_path / "run"]), *FEW)
    assert ended.code == 1
    assert ended.out == b""
    assert len(ended.err.splitlines()) == 2
    assert "have different test sets" in ended.err
    assert "data.test=SOURCE_FILE,TARGET_FILE" in ended.err
    files = f"data.test=[{source},{target}]"
    ended = call_command("evaluate", named([runs[0], tmp_path / "run"]), *FEW, files, "search=greedy")
    assert ended.code == 0, ended.err
    first, second = json.loads(ended.out)["runs"]
    assert first["bleu"] == second["bleu"]


def test_a_run_that_is_none_is_named_before_anything_is_translated(runs: list[Path], call_command: Caller) -> None:
    ended = call_command("evaluate", named([runs[0], runs[0] / "nothing"]))
    assert ended.code == 1
    assert "nothing does not exist" in ended.err


@pytest.mark.slow
def test_a_test_set_of_sacrebleu_scores_as_with_sacrebleu(runs: list[Path], tmp_path: Path) -> None:
    """Through the cache that the environment names, from which both read."""
    lines = {"src": ["하나 둘", "셋 넷 다섯", "여섯"], "ref": ["two one", "five Four three", "six"]}
    lines |= {field: ["x"] * 3 for field in ("docid", "genre", "origlang")}
    folder = tmp_path / "cache" / "wmt17"
    folder.mkdir(parents=True)
    for name, rows in lines.items():
        (folder / f"wmt17.ru-en.{name}").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    env = {**environment(), "SACREBLEU": str(tmp_path / "cache")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SACREBLEU", env["SACREBLEU"])
        options = ["data.testset=wmt17", "data.language_pair=ru-en", f"output={tmp_path}"]
        ended = run_command("evaluate", f"run={runs[0]}", *options)
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)["beam"]
    assert result["output"] == "wmt17.ru-en.beam.txt"
    command = [sys.executable, "-m", "sacrebleu", "-t", "wmt17", "-l", "ru-en", "-m", "bleu", "chrf", "ter", "-w", "2"]
    command += ["-i", str(tmp_path / result["output"])]
    theirs = json.loads(subprocess.run(command, capture_output=True, env=env, check=True, timeout=60).stdout)
    assert [round(row["score"], 2) for row in theirs] == [result["bleu"], result["chrf"], result["ter"]]
    assert result["bleu_signature"].startswith("nrefs:1|test:wmt17|lang:ru-en|case:mixed|eff:no|tok:13a|")


def test_an_unknown_test_set_is_a_usage_error(runs: list[Path], call_command: Caller) -> None:
    ended = call_command("evaluate", f"run={runs[0]}", "data.testset=wtm17", "data.language_pair=en-de")
    assert ended.code == 2
    assert "did you mean wmt17" in ended.err


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (EvaluateConfig(run=["a"], data=ScoredData(testset="wmt17")), "belong together"),
        (EvaluateConfig(run=["a"], data=ScoredData(language_pair="en-de")), "belong together"),
        (EvaluateConfig(run=["a"], data=ScoredData(["b", "c"], "wmt17", "en-de")), "two test sets"),
    ],
)
def test_options_that_make_no_sense(config: EvaluateConfig, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_options(config)


@pytest.mark.parametrize(("run", "folders"), [("a", ["a"]), ("a,b", ["a", "b"]), ("2025", ["2025"]), ("[7]", ["7"])])
def test_a_folder_may_have_a_number_for_a_name(run: str, folders: list[str]) -> None:
    assert compose("evaluate", f"run={run}").run == folders
