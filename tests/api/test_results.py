"""Results at a prompt, in a notebook, and as figures."""

from pathlib import Path
from typing import Any

import pytest

import s2s
from browser import Tags, needs_chromium, opened
from s2s.api.results import Results
from s2s.errors import MissingExtraError

SOURCE = "하나 <b>둘</b> 셋"


@pytest.fixture(scope="module")
def results(tiny_run: Path) -> dict[str, Any]:
    """One of each kind, of a sentence with a tag in it."""
    translator, run = s2s.Translator.load(tiny_run, device="cpu"), s2s.Run(tiny_run)
    pair = (SOURCE, "three <b>two</b> one")
    return {
        "translations": translator.translate(SOURCE, num_best=2),
        "attention": translator.attention(*pair),
        "steps": translator.explain(*pair, step=2),
        "beam": translator.beam(SOURCE, beam_size=3),
        "gates": translator.gates(SOURCE, num_units=2, lines=0),
        "score": translator.score(pair),
        "scores": translator.score([pair, pair]),
        "alignment": translator.align(pair),
        "curve": run.curve,
        "metrics": run.metrics,
        "run": run,
    }


NAMES = [
    "translations",
    "attention",
    "steps",
    "beam",
    "gates",
    "score",
    "scores",
    "alignment",
    "curve",
    "metrics",
    "run",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_draws_it_without_network_and_scripts(results: dict[str, Any], name: str) -> None:
    html = results[name]._repr_html_()
    assert "<b>" not in html
    tags = Tags(html)
    assert (tags.addresses, tags.handlers, tags.names.count("script")) == ([], [], 0)
    assert tags.names.count("style") == 1
    assert "prefers-color-scheme: dark" in html
    style = html.partition("<style>")[2].partition("</style>")[0]
    outside = [line for line in style.splitlines() if line and line[0] not in " }/@[" and "{" in line]
    assert all(line.startswith((".s2s-result", ".")) for line in outside)


@needs_chromium
@pytest.mark.slow
def test_a_browser_has_nothing_to_complain_of(results: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    parts = "".join(results[name]._repr_html_() for name in NAMES)
    page.write_text(f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{parts}</body></html>', "utf-8")
    assert "s2s-result" in opened(page, tmp_path / "profile")


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_shows_it_as_text(results: dict[str, Any], name: str) -> None:
    text = repr(results[name])
    assert "object at 0x" not in text
    assert "array(" not in text


@pytest.mark.parametrize("name", ["attention", "steps", "beam", "gates", "score", "alignment", "curve"])
def test_it_is_drawn_in_both_languages(results: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_class = pytest.importorskip("matplotlib.figure").Figure
    result = results[name]
    languages = [{}] if name == "alignment" else [{}, {"language": "ko"}]
    for keywords in languages:
        assert isinstance(result.plot(title="제목", **keywords), figure_class)
    if name != "alignment":
        with pytest.raises(s2s.ConfigError, match=r"language must be one of 'en', 'ko', but is 'de'"):
            result.plot(language="de")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"s2s\[plots\]"):
        result.plot()


def test_several_results_are_a_list(results: dict[str, Any]) -> None:
    assert isinstance(results["scores"], list)
    assert repr(Results()) == "Results([])"
    assert repr(results["scores"]).count("Score") == 2
