"""`attention`: pictures, a page, and the six steps, for sentences that come in any way."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from browser import svg_texts
from processes import Caller, run_command
from s2s.cli.arguments import overrides_of
from s2s.cli.commands import command_of
from tiny_runs import filled

SOURCE, TARGET = "하나 둘 셋 넷", "four three two one"


@given(st.text(st.sampled_from(list("a책\"'\\${}:,=()[] \t\n!#%~@+|;.")) | st.characters(codec="utf-8"), max_size=12))
def test_any_text_comes_through_the_grammar_of_options(text: str) -> None:
    [typed] = overrides_of([f"text={text}"], "attention", command_of("attention"))
    override: Any = OverridesParser.create().parse_override(typed)
    options = OmegaConf.create({"text": override.value()})
    assert OmegaConf.to_container(options, resolve=True) == {"text": text}


def test_one_sentence_in_every_form(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    text = 'text=하나, "둘" ${셋} = [넷]'
    ended = call_command("attention", f"run={tiny_run}", text, f"output={out}", "formats=[png,svg,pdf,html,png]")
    assert ended.code == 0, ended.err
    names = ["1.png", "1.svg", "1.pdf", "attention.html"]
    assert ended.out.decode().splitlines() == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    assert "<title>Attention of run</title>" in (out / "attention.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_lines_of_standard_input_and_of_a_file(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    content = "하나 둘\n \n셋\tthree <b>&amp;</b>\n넷\t\n다섯".encode()
    from_input = run_command("attention", f"run={tiny_run}", f"output={tmp_path}/a", "formats=[html]", stdin=content)
    assert from_input.code == 0, from_input.err
    assert [line[:7] for line in from_input.err.splitlines()] == ["line 2:", "line 4:"]
    assert "the sentence is empty" in from_input.err
    assert "the translation is empty" in from_input.err
    page = (tmp_path / "a" / "attention.html").read_text(encoding="utf-8")
    assert page.count('<section class="attention"') == 3
    assert "<b>" not in page
    (tmp_path / "lines.gz").write_bytes(gzip.compress(content))
    options = [f"run={tiny_run}", f"output={tmp_path}/b", "formats=[html]", f"input={tmp_path}/lines.gz"]
    assert call_command("attention", *options).code == 0
    assert (tmp_path / "b" / "attention.html").read_text(encoding="utf-8") == page
    assert call_command("attention", *options, "most=3", "ends=false", "pieces=true").code == 0
    fewer = (tmp_path / "b" / "attention.html").read_text(encoding="utf-8")
    assert fewer.count('<section class="attention"') == 2
    assert "&lt;/s&gt;" not in fewer


def test_the_rest_of_many_sentences_is_left_out(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "lines").write_text("하나\n" * 9, encoding="utf-8")
    options = [f"input={tmp_path}/lines", "most=2", "formats=[html]", f"output={tmp_path}"]
    ended = call_command("attention", f"run={tiny_run}", *options)
    assert ended.code == 0
    page = (tmp_path / "attention.html").read_text(encoding="utf-8")
    assert page.count('<section class="attention"') == 2


def test_a_step_is_printed_and_nothing_is_drawn(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    options = [f"run={tiny_run}", f"text={SOURCE}", f"target={TARGET}", f"output={tmp_path}/out"]
    ended = call_command("attention", *options, "step=2")
    assert ended.code == 0, ended.err
    lines = ended.out.decode().splitlines()
    assert lines[1].startswith("step 2 says ")
    assert sum(line.startswith(("1. ", "2. ", "3. ", "4. ", "5. ", "6. ")) for line in lines) == 6
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["run={run}", "text=하나", "step=99"], 2, ["step=99 is none of the", "</s>"]),
        (["run={run}", "step=2"], 2, ["step=2 belongs to text=SENTENCE"]),
        (["run={run}", "target=one"], 2, ["target=one belongs to text"]),
        (["run={run}", "text=", "formats=[html]"], 2, ["text is blank"]),
        (["run={run}", "text=하나", "input=x"], 2, ["text and input=x"]),
        (["run={run}", "text=하나", "formats=[]"], 2, ["formats is empty"]),
        (["run={run}", "text=하나", "formats=[gif]"], 2, ["gif"]),
        (["run={run}", "text=하나", "search.num_best=2"], 2, ["num_best=2"]),
        (["run={run}", "input={tmp}/nothing"], 1, ["nothing"]),
        (["run={run}", "text=하나", "target= ", "formats=[html]"], 1, ["nothing to draw"]),
        (["run={blind}", "text=하나"], 1, ["model.attention=none"]),
        (["run={tmp}/none", "text=하나"], 1, ["does not exist"]),
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
    ended = call_command("attention", *filled(options, tmp=tmp_path, run=tiny_run, blind=blind_run))
    assert ended.code == code, ended.err
    assert ended.out == b""
    assert "Traceback" not in ended.err
    assert all(word in ended.err for word in words)


def test_pictures_go_into_the_run_and_replace_no_other_sentence(
    tiny_run: Path, tmp_path: Path, call_command: Caller
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    for text in ("하나 둘", "하나 둘.", "하나 둘"):
        ended = call_command("attention", f"run={run}", f"text={text}", "formats=[svg,html]")
        assert ended.code == 0, ended.err
        assert all(Path(line).is_file() for line in ended.out.decode().splitlines())
    names = [path.name for path in (run / "plots").iterdir()]
    assert len(names) == 4
    assert {"attention-하나-둘.svg", "attention-하나-둘.html"} < set(names)


def test_a_picture_in_korean_with_a_title(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    options = ["text=하나 둘", "language=ko", "title=어텐션, 첫 그림", "formats=[svg]", f"output={tmp_path}"]
    for _ in range(2):
        ended = call_command("attention", f"run={tiny_run}", *options)
        assert ended.code == 0, ended.err
    assert {"어텐션, 첫 그림", "원문", "번역문", "어텐션 가중치"} <= set(svg_texts(tmp_path / "1.svg"))


def test_a_line_with_two_tabs_is_an_error(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "lines").write_text("하나\tone\n둘\ttwo\tthree\n", encoding="utf-8")
    ended = call_command("attention", f"run={tiny_run}", f"input={tmp_path}/lines", f"output={tmp_path}/out")
    assert (ended.code, ended.out) == (1, b"")
    assert "line 2: expected a sentence, or a sentence, a tab and its translation, got 2 tabs" in ended.err
