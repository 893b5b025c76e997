"""Names of pictures and reports: in the run, and never those of another sentence or of other runs."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.cli.output_names import path_for_runs, sentence_name


def test_a_plain_sentence_is_its_own_name() -> None:
    assert sentence_name("나는 간다") == "나는-간다"
    assert sentence_name("나는 간다.") == "나는-간다-" + sentence_name("나는 간다.")[-8:]
    assert (
        len({sentence_name(text) for text in ("나는 간다", "나는 간다.", "나는 간다?", "나는-간다", "나는  간다")}) == 5
    )


@given(st.text(), st.text())
def test_names_are_those_of_files_and_differ_where_sentences_do(first: str, second: str) -> None:
    name = sentence_name(first)
    assert name
    assert not set(name) & set("/\\\0 .")
    assert len(name.encode("utf-8", "surrogatepass")) < 220
    composed = (unicodedata.normalize("NFC", text) for text in (first, second))
    assert (name == sentence_name(second)) == (len(set(composed)) == 1)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (["runs/a"], "runs/a/plots/lengths.png"),
        (["runs/a", "runs/b"], "runs/lengths-a+b.png"),
        (["runs/b", "runs/a"], "runs/lengths-b+a.png"),
        (["runs/sweep/a", "runs/b"], "runs/lengths-sweep-a+b.png"),
        (["a", "b"], "lengths-a+b.png"),
    ],
)
def test_what_is_made_of_runs_is_named_after_them(runs: list[str], expected: str) -> None:
    found = path_for_runs([Path(run) for run in runs], "lengths", ".png", folder="plots")
    assert found == Path(expected)


def test_a_name_of_many_runs_is_short() -> None:
    many = [Path(f"runs/model-lstm,seed-{seed}") for seed in range(12)]
    found = path_for_runs(many, "report", ".html")
    assert found.name.startswith("report-12-runs-")
    assert found != path_for_runs(many[::-1], "report", ".html")
