"""`align`: links as Pharaoh lines, and their scores against gold links."""

import gzip
import json
from pathlib import Path

import pytest

from processes import Caller, run_command
from s2s.config.data import Corpus, DataConfig, Split
from s2s.data.phrasebook.write_files import write_phrasebook
from small_corpora import cleaned
from tiny_runs import filled

ROWS = [("하나 둘 셋", "three two one"), ("", ""), ("", "one"), ("넷", ""), ("다섯", "five"), ("x \u2603 \u200b", "☃")]


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """Two files of sentence pairs, and the option that names them."""
    for name, side in zip(("a.ko", "a.en"), zip(*ROWS, strict=True), strict=True):
        (tmp_path / name).write_bytes("".join(f"{line}\n" for line in side).encode())
    return f"data.test=[{tmp_path}/a.ko,{tmp_path}/a.en]"


@pytest.mark.slow
def test_standard_input_and_files_are_linked_alike(
    tiny_run: Path, pairs: str, tmp_path: Path, call_command: Caller
) -> None:
    content = "".join(f"{source}\t{target}\n" for source, target in ROWS).encode()
    from_input = run_command("align", f"run={tiny_run}", stdin=content[:-1])
    from_files = call_command("align", f"run={tiny_run}", pairs, "batch_tokens=9")
    assert from_input.code == from_files.code == 0, from_input.err + from_files.err
    assert from_input.out == from_files.out
    lines = from_input.out.decode().split("\n")
    assert len(lines) == len(ROWS) + 1
    assert [len(line.split()) for line in lines] == [3, 0, 0, 0, 1, 1, 0]
    assert lines[4] == "0-0"
    ended = call_command("align", f"run={tiny_run}", pairs, "threshold=0.000001")
    assert len(ended.out.split(b"\n")[0].split()) == 9


def test_its_own_links_as_gold_are_without_error(
    tiny_run: Path, pairs: str, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "gold").write_bytes(call_command("align", f"run={tiny_run}", pairs).out)
    ended = call_command("align", f"run={tiny_run}", pairs, f"gold={tmp_path}/gold")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["pairs"], result["links"], result["sure"]) == (6, 5, 5)
    assert (result["precision"], result["recall"], result["aer"]) == (1, 1, 0)
    assert "6 pairs: precision 100.0 %, recall 100.0 %, AER 0.0 %" in caplog.text


def test_the_diagonal_scored_by_hand(tmp_path: Path, call_command: Caller) -> None:
    """Three words and four: the middles 1/8, 3/8, 5/8 and 7/8, times 3, lie in words 0, 1, 1 and 2.

    Of the links 0-0 1-1 1-2 2-3, one is sure and one possible; one word is linked to one, which is right:
    A = 5, S = 3, found in S 2 and in P 3, so that AER = 1 - (2 + 3) / (5 + 3).
    """
    (tmp_path / "a.en").write_text("the old house\nyes\n")
    with gzip.open(tmp_path / "a.fr.gz", "wt") as file:
        file.write("la maison est vieille\noui\n")
    (tmp_path / "a.align").write_text("0-0 1-3 2p1 1p2\n0-0\n")
    data = f"data.test=[{tmp_path}/a.en,{tmp_path}/a.fr.gz]"
    ended = call_command("align", "diagonal=true", data)
    assert ended.out == b"0-0 1-1 1-2 2-3\n0-0\n"
    scored = call_command("align", "diagonal=true", data, f"gold={tmp_path}/a.align")
    assert json.loads(scored.out) == {
        "pairs": 2,
        "links": 5,
        "sure": 3,
        "possible": 5,
        "sure_found": 2,
        "possible_found": 3,
        "precision": 0.6,
        "recall": 0.666667,
        "aer": 0.375,
    }
    (tmp_path / "links").write_bytes(ended.out)
    again = call_command("align", f"hypotheses={tmp_path}/links", f"gold={tmp_path}/a.align")
    assert again.out == scored.out


def test_gold_links_of_other_sentences_are_refused(tmp_path: Path, pairs: str, call_command: Caller) -> None:
    gold = tmp_path / "gold"
    gold.write_text("1-1 3-2\n\n\n\n\n\n")
    ended = call_command("align", "diagonal=true", pairs, f"gold={gold}")
    assert ended.code == 1
    assert "pair 1: the link 3-2, counted from 0, lies outside sentences of 3 and 3 words" in ended.err
    assert "does the file count from 1" in ended.err
    gold.write_text("0-0\n")
    ended = call_command("align", "diagonal=true", pairs, f"gold={gold}")
    assert ended.code == 1
    assert "got 1 for 6" in ended.err
    assert ended.out == b""


def test_the_phrasebook_writes_the_gold_of_a_runs_test_set(tmp_path: Path, call_command: Caller) -> None:
    """`s2s phrasebook split=test` with a run's seed and number of pairs has the pairs of its test set, in order."""
    source, target, gold = write_phrasebook(tmp_path, Split.test, 40, 7, alignments=True)
    config = DataConfig(corpus=Corpus.phrasebook, train_pairs=50, dev_pairs=5, test_pairs=40, cache=str(tmp_path))
    texts = [path.read_text(encoding="utf-8").splitlines() for path in (source, target)]
    assert cleaned(config, seed=7).test == list(zip(*texts, strict=True))
    ended = call_command("align", "diagonal=true", f"data.test=[{source},{target}]", f"gold={gold}")
    assert 0.5 < json.loads(ended.out)["aer"] < 0.95


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, ["run=DIR", "hypotheses=FILE", "got none"]),
        (["run={run}", "diagonal=true"], 2, ["got run and diagonal"]),
        (["hypotheses={tmp}/links"], 2, ["add gold=FILE"]),
        (["hypotheses={tmp}/links", "gold=x", "data.test=[a,b]"], 2, ["data.test"]),
        (["hypotheses={tmp}/links", "gold={tmp}/nothing"], 1, ["nothing"]),
        (["diagonal=true", "threshold=0.5"], 2, ["threshold", "run=DIR"]),
        (["run={run}", "threshold=1.5"], 2, ["threshold"]),
        (["run={run}", "gold={tmp}/nothing"], 1, ["nothing"]),
        (["run={tmp}/none"], 1, ["does not exist"]),
        (["run={blind}"], 1, ["model.attention=none", "a run with attention"]),
    ],
)
def test_mistakes_end_with_a_code_and_a_short_message(
    call_command: Caller,
    tiny_run: Path,
    blind_run: Path,
    tmp_path: Path,
    options: list[str],
    code: int,
    words: list[str],
) -> None:
    (tmp_path / "links").write_text("0-0\n")
    ended = call_command("align", *filled(options, tmp=tmp_path, run=tiny_run, blind=blind_run))
    assert ended.code == code, ended.err
    assert ended.out == b""
    assert "Traceback" not in ended.err
    assert all(word in ended.err for word in words)
