"""Pages: one file, nothing from outside, every text escaped, and what happens in a browser."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup, escape

from browser import Tags, needs_chromium, opened
from s2s.analysis.attention import WordAttention
from s2s.analysis.pages import page as pages
from s2s.analysis.pages.attention_page import attention_page
from s2s.analysis.pages.page import asset, environment, page

NAUGHTY = '</li></script><script>alert("1")</script><img src=x onerror=alert(1)>&amp;\''
SENTENCE = WordAttention(
    ["저는", NAUGHTY, "책을"],
    ["I", NAUGHTY],
    np.array([[0.75, 0.25, 0.0], [0.004, 0.25, 0.746]]),
)


def attention_figure(sentence: WordAttention) -> Markup:
    return Markup(environment().get_template("attention.html").module.attention_figure(sentence, ("ko", "en")))


def test_a_page_asks_for_nothing_and_escapes_everything() -> None:
    text = attention_page([SENTENCE], NAUGHTY, ('k"o', "en"))
    tags = Tags(text)
    assert tags.names.count("script") == 1
    assert "img" not in tags.names
    assert (tags.addresses, tags.handlers) == (["data:,"], [])
    assert 'lang="k&#34;o"' in text
    assert re.findall(r"https?://|@import", text) == []
    assert f"<h1>{escape(NAUGHTY)}</h1>" in text


def test_the_weights_of_a_figure() -> None:
    text = attention_figure(SENTENCE)
    assert re.findall('data-percents="([^"]*)"', text) == ["75.00 25.00 0.00", "0.40 25.00 74.60"]
    cells = re.findall(r'<td class="([^"]*)" style="--weight: ([^"]*)">([^<]*)</td>', text)
    assert cells == [
        ("lit strong", "0.7500", "75"),
        ("lit", "0.2500", "25"),
        ("lit", "0.0000", ""),
        ("lit", "0.0040", ""),
        ("lit", "0.2500", "25"),
        ("lit strong", "0.7460", "75"),
    ]


def test_script_and_table_take_the_same_weights_for_strong() -> None:
    """The script has no number of its own: it reads the one by which the table was made."""
    text = attention_figure(SENTENCE)
    [percent] = re.findall('data-strong-percent="([^"]*)"', text)
    below, above = int(percent) / 100 - 0.001, int(percent) / 100 + 0.001
    text = attention_figure(WordAttention(["a", "b"], ["c"], np.array([[below, above]])))
    assert re.findall('class="(lit[^"]*)" style="--weight: ([^"]*)"', text) == [
        ("lit", f"{below:.4f}"),
        ("lit strong", f"{above:.4f}"),
    ]
    assert "dataset.strongPercent" in asset("attention.js")


def test_a_page_brings_its_korean_letters_and_no_others(tmp_path: Path) -> None:
    fonts = pytest.importorskip("fontTools.ttLib")
    if pages.korean_font() is None:
        pytest.skip("needs koreanize-matplotlib, of the extra s2s[plots]")
    [data] = re.findall("base64,([^)]*)", page("x", Markup("책을 읽 book")))
    path = tmp_path / "font.woff"
    path.write_bytes(pages.base64.b64decode(data))
    assert {chr(code) for code in fonts.TTFont(path).getBestCmap()} == {"책", "을", "읽"}
    assert "@font-face" not in page("책", Markup("book"))


@pytest.mark.parametrize("missing", ["font", "fontTools"])
def test_a_page_without_a_korean_font_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    monkeypatch.setattr(pages, "korean_font", lambda: None if missing == "font" else Path("font.ttf"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "@font-face" not in page("x", Markup("책"))
    assert 'pip install "s2s[plots]"' in caplog.text


ACTIONS = """
const [source, target] = [".source .word", ".target .word"].map((name) => [...document.querySelectorAll(name)]);
const seen = () => source.map((word) => word.querySelector(".share").textContent + word.classList.contains("strong"));
const told = [seen()];
target[0].focus();
target[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
const isNext = document.activeElement === target[1];
target[1].dispatchEvent(new FocusEvent("focus"));  // the browser sends none to a window that nobody looks at
told.push(seen(), isNext, document.querySelector(".note").textContent);
target[0].dispatchEvent(new PointerEvent("pointerenter"));
told.push(seen(), window.innerWidth >= document.documentElement.scrollWidth);
document.title = JSON.stringify(told);
"""


@needs_chromium
@pytest.mark.slow
def test_a_word_that_is_pointed_at_lights_up_its_sources(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    body = attention_figure(SENTENCE)
    path.write_text(page("", body, asset("attention.js"), ACTIONS), encoding="utf-8")
    found = opened(path, tmp_path / "profile")
    [title] = re.findall("<title>(.*)</title>", found)
    first = '["75 %true","25 %false","false"]'
    second = '["false","25 %false","75 %true"]'
    note = re.escape(html.escape(NAUGHTY, quote=False).replace('"', '\\"'))
    assert re.fullmatch(
        rf'\[{re.escape(first)},{re.escape(second)},true,"{note} ← .*",{re.escape(first)},true\]', title
    )


@needs_chromium
@pytest.mark.slow
def test_a_script_that_came_with_the_text_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page("quiet", Markup("<script>document.title = 'hacked'</script>")), encoding="utf-8")
    with pytest.raises(AssertionError, match="CONSOLE"):
        opened(path, tmp_path / "profile")
