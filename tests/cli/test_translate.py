"""The command as its users give it: files, stops, several processes, forms."""

import gzip
import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processes import ROOT, Caller, Terminal, environment, run_command
from s2s.config.search import SearchConfig, Strategy
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.streaming.input_lines import BLOCK_BYTES
from s2s.errors import OutputError

WORDS = ("하나", "둘", "셋", "넷", "다섯", "여섯")
NUM_LINES = 1500
_TIMEOUT_S = 300  # of a machine with much else to do


def sources(num_lines: int) -> list[str]:
    """Lines that differ, in order; each ends with so many spaces that few of them fill a window."""
    rows = ([WORDS[(number // 6**place) % 6] for place in range(1 + number % 5)] for number in range(num_lines))
    return [" ".join(row) + " " * 600 for row in rows]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of several windows."""
    path = tmp_path_factory.mktemp("text") / "in.txt"
    path.write_text("".join(f"{line}\n" for line in sources(NUM_LINES)), encoding="utf-8")
    assert path.stat().st_size > 6 * BLOCK_BYTES
    return path


@pytest.fixture(scope="module")
def expected(tiny_run: Path) -> bytes:
    """What becomes of these lines."""
    translator = BatchTranslator.load(tiny_run, search=SearchConfig(strategy=Strategy.greedy), device="cpu")
    return "".join(f"{line}\n" for line in translator.translate(sources(NUM_LINES))).encode()


def start(
    *options: str, set_up: Callable[[], None] | None = None, ranks: int = 0, **pipes: Any
) -> "subprocess.Popen[bytes]":
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [
        *(torchrun if ranks else [sys.executable]),
        str(ROOT / "scripts/translate.py"),
        "search=greedy",
        *options,
    ]
    env = {**environment(), "PYTHONWARNINGS": "default"} if ranks else environment()
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stderr=subprocess.PIPE, preexec_fn=set_up, start_new_session=True, **pipes
    )


def finish(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """How a process ended, and what it said."""
    _, err = process.communicate(timeout=_TIMEOUT_S)
    return process.returncode, err.decode()


def wait_for_windows(process: "subprocess.Popen[bytes]", output: Path, num: int) -> None:
    """Wait until so many windows of an output are done, by any rank."""
    until_s = time.monotonic() + _TIMEOUT_S
    while sum(path.read_bytes().count(b"last_line") for path in output.parent.glob(f"{output.name}.*.journal")) < num:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.001)


def children(number: int) -> list[int]:
    return [
        int(child) for path in Path(f"/proc/{number}/task").glob("*/children") for child in path.read_text().split()
    ]


# ----------------------------------------------------------------------------------------------------------------------
# Files


@pytest.mark.slow
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_file_is_translated_to_a_file(
    tiny_run: Path, text: Path, expected: bytes, tmp_path: Path, call_command: Caller, is_packed: bool
) -> None:
    source, output = text, tmp_path / "new" / "out.txt"
    if is_packed:
        source = tmp_path / "in.gz"
        source.write_bytes(gzip.compress(text.read_bytes(), 1))
    options = [f"run={tiny_run}", "search=greedy", f"input={source}", f"output={output}"]
    ended = call_command("translate", *options)
    assert (ended.code, ended.out) == (0, b""), ended.err
    assert output.read_bytes() == expected
    assert list(output.parent.iterdir()) == [output]
    ended = call_command("translate", *options)
    assert ended.code == 1
    assert ended.err == f"error: output={output} exists already: remove it, or choose another name\n"
    assert output.read_bytes() == expected


def test_an_empty_input_gives_an_empty_output(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "in.txt").touch()
    output = tmp_path / "out.txt"
    assert call_command("translate", f"run={tiny_run}", f"input={tmp_path}/in.txt", f"output={output}").code == 0
    assert output.read_bytes() == b""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [
        (signal.SIGKILL, -9, 1),
        (signal.SIGTERM, 143, 1),
        pytest.param(signal.SIGINT, 130, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, 2, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, 2, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, 2, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_job_goes_on(
    tiny_run: Path, text: Path, expected: bytes, tmp_path: Path, number: int, code: int, workers: int
) -> None:
    output = tmp_path / "out.txt"
    options = [
        f"run={tiny_run}",
        f"input={text}",
        f"output={output}",
        f"workers={workers}",
        "batch_size=16",
    ]
    process = start(*options, set_up=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    wait_for_windows(process, output, 2)
    started = children(process.pid)
    os.killpg(process.pid, number) if number != signal.SIGKILL else process.kill()
    found, err = finish(process)
    assert found == code, err
    assert "Traceback" not in err
    assert ("the same command goes on" in err) == (number != signal.SIGKILL)
    assert not output.exists()
    part = (tmp_path / "out.txt.0-of-1.part").read_bytes()
    assert expected.startswith(part[: part.rindex(b"\n")])
    assert len(started) >= (workers > 1)
    found, err = finish(start(*options))
    assert found == 0, err
    assert "going on after line" in err
    assert output.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [output]
    assert not any(Path(f"/proc/{child}").exists() for child in started)


@pytest.mark.slow
def test_a_job_goes_on_from_a_pipe(tiny_run: Path, text: Path, expected: bytes, tmp_path: Path) -> None:
    """Which is read again, and has to give the same."""
    output = tmp_path / "out.txt"
    options = [f"run={tiny_run}", f"output={output}"]
    process = start(*options, stdin=subprocess.PIPE)
    assert process.stdin is not None
    content = text.read_bytes()
    process.stdin.write(content[: len(content) // 2])
    process.stdin.flush()
    wait_for_windows(process, output, 1)
    process.kill()
    finish(process)
    other = run_command("translate", *options, "search=greedy", stdin=content.replace("하나".encode(), "둘".encode()))
    assert other.code == 1
    assert "was begun with another input" in other.err
    ended = run_command("translate", *options, "search=greedy", stdin=content)
    assert ended.code == 0, ended.err
    assert output.read_bytes() == expected


@pytest.mark.slow
def test_other_options_do_not_go_on(tiny_run: Path, text: Path, tmp_path: Path, call_command: Caller) -> None:
    output = tmp_path / "out.txt"
    options = [f"run={tiny_run}", f"input={text}", f"output={output}"]
    process = start(*options)
    wait_for_windows(process, output, 1)
    process.kill()
    finish(process)
    ended = call_command("translate", *options, "search=greedy", "search.max_length_offset=5")
    assert ended.code == 1
    assert "was begun with something else (search.max_length_offset: 20 -> 5)" in ended.err
    # How fast, and in how much memory, may be decided anew.
    assert call_command("translate", *options, "search=greedy", "batch_size=7", "workers=1").code == 0


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("s2s.decoding.streaming.input_lines.BLOCK_BYTES", "block_bytes", 999),
        ("s2s.cli.translate.version", "s2s", "7.0"),
    ],
)
def test_what_another_s2s_began_does_not_go_on(
    tiny_run: Path,
    tmp_path: Path,
    call_command: Caller,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    key: str,
    value: int | str,
) -> None:
    """Its windows may be others, of which each rank does its own, and its translations too."""
    (tmp_path / "in.txt").write_text("하나 둘\n", encoding="utf-8")
    options = [f"run={tiny_run}", "search=greedy", f"input={tmp_path}/in.txt", f"output={tmp_path}/out.txt"]

    def fail(output: Path, size: int) -> None:
        raise OutputError("stopped before the end")

    with monkeypatch.context() as patch:
        patch.setattr("s2s.decoding.streaming.resumable_output.join", fail)
        patch.setattr(name, value if key == "block_bytes" else lambda package: value)
        assert "stopped before the end" in call_command("translate", *options).err
    ended = call_command("translate", *options)
    assert ended.code == 1
    assert f"was begun with something else ({key}: {value} -> " in ended.err


@pytest.mark.slow
def test_a_full_disk_is_told_of_and_the_job_goes_on(
    tiny_run: Path, text: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.txt"
    limit = len(expected) // 2

    def leave_no_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code, err = finish(start(f"run={tiny_run}", f"input={text}", f"output={output}", set_up=leave_no_room))
    assert code == 1
    assert "cannot be written (File too large): what was done is kept; make room and give the same command" in err
    assert not output.exists()
    code, err = finish(start(f"run={tiny_run}", f"input={text}", f"output={output}"))
    assert (code, "going on after line" in err) == (0, True), err
    assert output.read_bytes() == expected


# ----------------------------------------------------------------------------------------------------------------------
# Several processes


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["2", "null"])
def test_any_number_of_workers_writes_the_same(tiny_run: Path, text: Path, expected: bytes, workers: str) -> None:
    options = ["search=greedy", f"workers={workers}"]
    ended = run_command("translate", f"run={tiny_run}", *options, stdin=text.read_bytes())
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == expected


@pytest.mark.slow
def test_a_typed_line_is_answered_at_once_with_workers_on(tiny_run: Path, text: Path) -> None:
    """Also while they are there: they are started for what was pasted in between."""
    master, slave = pty.openpty()
    process = start(f"run={tiny_run}", "workers=2", "batch_size=1", stdin=slave, stdout=subprocess.PIPE)
    os.close(slave)
    assert process.stdout is not None

    def answers(typed: str, num: int) -> float:
        started_s = time.monotonic()
        os.write(master, typed.encode())
        left = num
        while left:
            ready, _, _ = select.select([process.stdout], [], [], _TIMEOUT_S)
            assert ready
            assert process.stdout is not None
            left -= os.read(process.stdout.fileno(), 10_000).count(b"\n")
        assert left == 0
        return time.monotonic() - started_s

    answers("하나\n", 1)
    assert children(process.pid) == []
    assert answers("둘 셋\n", 1) < 2
    answers("하나\n" * 50, 50)  # more than a share, which is four lines here
    assert len(children(process.pid)) >= 2  # and multiprocessing's resource tracker
    assert answers("둘 셋\n", 1) < 2
    os.write(master, b"\x04")
    assert finish(process)[0] == 0
    os.close(master)


@pytest.mark.slow
def test_a_terminal_has_a_prompt_and_a_bar(tiny_run: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/translate.py"), f"run={tiny_run}", "search=greedy"]
    [text] = BatchTranslator.load(tiny_run, search=SearchConfig(strategy=Strategy.greedy)).translate(["하나 둘"])
    with Terminal(*command) as terminal:
        assert "run: source → target, LSTM with dot attention, 1 layer of 24 units, BLEU " in terminal.wait_for(
            "source> "
        )
        terminal.type("하나 셋\x7f둘\n")
        assert f"\n{text}\n" in terminal.wait_for("source> ")
        terminal.type(":attention\n")
        assert "░ from 0.05" in terminal.wait_for("source> ")
        terminal.type("\x04")
        assert terminal.exit_code() == 0
    (tmp_path / "in.txt").write_text("하나 둘\n" * 30, encoding="utf-8")
    with Terminal(*command, f"input={tmp_path}/in.txt", f"output={tmp_path}/out.txt") as terminal:
        assert "translating:" in terminal.wait_for("30/30")
        assert terminal.exit_code() == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == f"{text}\n" * 30


@pytest.mark.slow
def test_what_is_piped_is_text_and_answered_without_a_prompt(tiny_run: Path) -> None:
    lines = ["하나 둘", ":quit", "", ":attention", *["하나 둘"] * 30]
    ended = run_command("translate", f"run={tiny_run}", "search=greedy", stdin="\n".join(lines).encode())
    assert (ended.code, ended.err) == (0, "")
    translator = BatchTranslator.load(tiny_run, search=SearchConfig(strategy=Strategy.greedy))
    assert ended.out == "".join(f"{text}\n" for text in translator.translate(lines)).encode()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_endless_input_needs_bounded_memory(tiny_run: Path, workers: int) -> None:
    """Some hundred MB go through; more than one in ten of them held back would be seen."""
    options = [f"run={tiny_run}", f"workers={workers}", "batch_size=1"]
    process = start(*options, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    block = (b" " * 20_000 + b"\n") * 50
    num_blocks, peaks = 300, []

    def write() -> None:
        assert process.stdin is not None
        for _ in range(num_blocks):
            process.stdin.write(block)
        process.stdin.close()

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(num_blocks * 50):
        assert process.stdout.readline() == b"\n"
        if number in (num_blocks * 10, num_blocks * 50 - 1):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peaks.append(int(status.split("VmHWM:")[1].split()[0]))
    writer.join()
    process.stdout.close()
    assert process.wait(timeout=_TIMEOUT_S) == 0
    assert process.stderr is not None
    process.stderr.close()
    assert peaks[1] - peaks[0] < 24_000  # KiB


@pytest.mark.slow
def test_ranks_share_out_a_file(tiny_run: Path, text: Path, expected: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    code, err = finish(start(f"run={tiny_run}", f"input={text}", f"output={output}", ranks=2))
    assert code == 0, err
    assert output.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_ranks_go_on(tiny_run: Path, text: Path, expected: bytes, tmp_path: Path, number: int) -> None:
    """Killed: one of them, which torchrun notices."""
    output = tmp_path / "out.txt"
    options = [f"run={tiny_run}", f"input={text}", f"output={output}", "batch_size=1"]
    process = start(*options, ranks=2)
    wait_for_windows(process, output, 3)
    os.kill(process.pid if number == signal.SIGTERM else children(process.pid)[-1], number)
    code, err = finish(process)
    assert code != 0
    assert not output.exists()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"out.txt.{rank}-of-2.{suffix}" for rank in (0, 1) for suffix in ("part", "journal")
    }
    code, err = finish(start(*options))
    assert code == 1
    assert "was begun by 2 processes, not 1: start as many" in err
    code, err = finish(start(*options, ranks=2))
    assert code == 0, err
    assert "going on after line" in err
    assert output.read_bytes() == expected


@pytest.mark.slow
def test_ranks_need_files(tiny_run: Path, tmp_path: Path) -> None:
    code, err = finish(start(f"run={tiny_run}", f"output={tmp_path / 'out'}", ranks=2, stdin=subprocess.DEVNULL))
    assert code != 0
    assert "several ranks (torchrun) share out a file: give input=FILE and output=FILE" in err


# ----------------------------------------------------------------------------------------------------------------------
# Forms


Translate = Callable[..., list[str]]


@pytest.fixture
def translate(tiny_run: Path, tmp_path: Path, call_command: Caller) -> Translate:
    """Translate some text with some options; the lines that come out."""

    def call(text: str, *options: str) -> list[str]:
        path = tmp_path / "in.txt"
        path.write_text(text, encoding="utf-8")
        ended = call_command("translate", f"run={tiny_run}", "search.beam_size=3", f"input={path}", *options)
        assert ended.code == 0, ended.err
        return ended.out.decode().split("\n")[:-1]

    return call


def test_a_json_object_a_line(translate: Translate) -> None:
    lines = translate("하나 둘\n\n셋\n", "format=json", "search.num_best=2", "alignments=true")
    objects = [json.loads(line) for line in lines]
    assert [(item["id"], item["source"]) for item in objects] == [(0, "하나 둘"), (1, ""), (2, "셋")]
    assert [len(item["hypotheses"]) for item in objects] == [2, 1, 2]
    for best in objects[0]["hypotheses"]:
        assert best["log_probability"] == pytest.approx(sum(best["token_log_probabilities"]), abs=1e-4)
        assert len(best["token_log_probabilities"]) - len(best["pieces"]) in (0, 1)
        assert "".join(best["pieces"]).replace("▁", " ").split() == best["text"].split()
        links = [tuple(map(int, link.split("-"))) for link in best["alignments"].split()]
        assert [target for _, target in sorted(links, key=lambda link: link[1])] == list(
            range(len(best["text"].split()))
        )
        assert {source for source, _ in links} <= {0, 1}


def test_links_beside_text(translate: Translate) -> None:
    lines = translate("하나 둘\n\n", "alignments=true")
    text, links = lines[0].split(" ||| ")
    assert len(links.split()) == len(text.split())
    assert lines[1] == " ||| "


@pytest.mark.slow
def test_candidates_are_ranked_by_expected_utility(translate: Translate) -> None:
    for search in ("search=beam", "search=sample"):
        for mbr in ("chrf", "bleu"):
            options = (search, "search.num_best=3", f"search.mbr={mbr}")
            lines = translate("하나 둘\n\n셋\n", *options, "format=moses")
            scores = [float(line.split(" ||| ")[3]) for line in lines if line.startswith("2 ")]
            assert scores == sorted(scores, reverse=True)
            assert 0 < scores[0] <= 100
            best = next(line for line in lines if line.startswith("2 "))
            assert translate("하나 둘\n\n셋\n", *options)[2] == best.split(" ||| ")[1]


def test_unknown_pieces_come_only_where_they_are_replaced(translate: Translate) -> None:
    """The model has been trained for a moment, so that it says anything; what it never says is `<unk>` unasked."""
    for options in ((), ("search.replace_unknown=true",)):
        for line in translate("하나 漢字 둘\n", "format=json", "search.num_best=3", *options):
            for item in json.loads(line)["hypotheses"]:
                assert ("漢字" in item["text"] or "하나" in item["text"] or "둘" in item["text"]) == (
                    "<unk>" in item["pieces"]
                )
                assert options or "<unk>" not in item["pieces"]


@pytest.mark.slow
def test_columns_ask_for_more(tiny_run: Path) -> None:
    ended = run_command(
        "translate",
        f"run={tiny_run}",
        "columns=[prefix,must,avoid]",
        stdin="하나 둘\tsix\tfive|four\ttwo\n하나\n\tone\t\t\n둘\t\t漢\t\n".encode(),
    )
    assert ended.code == 0, ended.err
    lines = ended.out.decode().split("\n")
    assert len(lines) == 5
    words = lines[0].split()
    assert words[0] == "six"
    assert {"five", "four"} <= set(words)
    assert "two" not in words
    assert lines[2] == ""
    assert "line 2: expected 4 fields" in ended.err
    assert "line 4: 漢 cannot occur" in ended.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["search.num_best=2"], ["format=moses", "search.mbr=chrf"]),
        (["search.mbr=chrf"], ["search.num_best"]),
        (
            ["search=greedy", "search.num_best=2", "search.mbr=chrf"],
            ["search.num_best=2 belongs to search.strategy=beam or sample"],
        ),
        (["columns=[prefix,prefix]"], ["each column once"]),
        (["columns=[postfix]"], ["postfix"]),
        (["search=greedy", "columns=[must]"], ["search=beam"]),
        (["search.diverse_groups=5", "columns=[must]"], ["search=beam"]),
        (["workers=0"], ["workers", "between 1 and"]),
        (["format=xml"], ["xml"]),
        (["output=out.gz"], ["out.gz", "without .gz"]),
    ],
)
def test_what_makes_no_sense_is_refused(
    tiny_run: Path, call_command: Caller, options: list[str], words: list[str]
) -> None:
    ended = call_command("translate", f"run={tiny_run}", *options)
    assert (ended.code, ended.out) == (2, b"")
    assert all(word in ended.err for word in words), ended.err


def test_a_gpu_has_one_worker(tiny_run: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    ended = call_command("translate", f"run={tiny_run}", "workers=2")
    assert (ended.code, ended.out) == (2, b"")
    assert "workers=2: expected one on a GPU" in ended.err


@pytest.mark.parametrize(
    ("option", "name"), [("alignments", "alignments"), ("search.replace_unknown", "search.replace_unknown")]
)
def test_a_model_without_attention_has_no_links(
    tiny_run: Path, tmp_path: Path, call_command: Caller, option: str, name: str
) -> None:
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", tiny_run, run], check=True)
    _, config = (run / "config.yaml").read_text().split("\n", 1)  # without the checksum in the first line
    (run / "config.yaml").write_text(config.replace("attention: dot", "attention: none"))
    ended = call_command("translate", f"run={run}", f"{option}=true")
    assert ended.code == 2
    assert f"{name} needs attention" in ended.err
    assert "model.attention=none" in ended.err


def test_a_missing_input_is_told(tiny_run: Path, call_command: Caller) -> None:
    ended = call_command("translate", f"run={tiny_run}", "input=nothing.txt")
    assert ended.code == 1
    assert ended.err == "error: there is no file nothing.txt: check its name and folder\n"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("options", [["--help"], ["--cfg", "job"], []])
@pytest.mark.parametrize("is_unbuffered", [False, True])
def test_a_full_stdout_is_named(tiny_run: Path, options: list[str], is_unbuffered: bool) -> None:
    command = [sys.executable, str(ROOT / "scripts/translate.py"), f"run={tiny_run}", *options]
    env = {**environment(), "PYTHONUNBUFFERED": "1" if is_unbuffered else ""}
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, input="하나\n".encode(), stdout=full, stderr=subprocess.PIPE, env=env)
    assert ended.returncode == 1
    assert ended.stderr == b"error: stdout cannot be read or written: No space left on device\n"
