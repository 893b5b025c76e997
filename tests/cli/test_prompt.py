"""The prompt at a terminal: a real one, in which a program answers with the bytes of each line."""

import sys
from collections.abc import Iterator

import pytest

from processes import Terminal

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from s2s.cli.prompt import PromptCommand, answer_typed_lines, is_interactive

def answer(number, line):
    print(f"<{number} {line!a}>", flush=True)
    if line == b"interrupt":
        raise KeyboardInterrupt

assert is_interactive()
answer_typed_lines("ko> ", answer, {"shout": PromptCommand("says it loudly", lambda: print("<LOUD>", flush=True))})
print("<left>")
"""


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal(sys.executable, "-c", PROGRAM) as terminal:
        terminal.wait_for("ko> ")
        yield terminal


def line(number: int, text: str) -> str:
    return f"<{number} {text.encode()!a}>"


def test_wide_letters_are_edited(terminal: Terminal) -> None:
    """A backspace takes a letter of three bytes, and so does an arrow key."""
    terminal.type("하나 셋\x7f둘\n")
    terminal.wait_for(line(1, "하나 둘"))
    terminal.type("하둘\x1b[D나 \n")  # left
    terminal.wait_for(line(2, "하나 둘"))
    terminal.type("둘 나\x01하나\x1b[3~\x04\n")  # to the beginning; delete what follows, twice
    terminal.wait_for(line(3, "하나나"))


def test_lines_come_back(terminal: Terminal) -> None:
    for number, text in enumerate(("하나", "둘"), start=1):
        terminal.type(f"{text}\n")
        terminal.wait_for(line(number, text))
    terminal.type("\x1b[A\x1b[A 셋\n")  # up, twice
    terminal.wait_for(line(3, "하나 셋"))


def test_every_pasted_line_is_a_line(terminal: Terminal) -> None:
    terminal.type("하나\n둘\tthree\n\n  \n셋\n")
    shown = terminal.wait_for(line(3, "셋"))
    assert line(1, "하나") in shown
    assert line(2, "둘\tthree") in shown


def test_bytes_that_are_not_utf_8_do_no_harm(terminal: Terminal) -> None:
    terminal.type(b"a\xe9b\n")
    terminal.wait_for("<1 b'a")
    terminal.type("둘\n")
    terminal.wait_for("<2 b'")


@pytest.mark.parametrize("leave", [":quit\n", " :quit\n:quit\n", "\x04"])
def test_it_is_left(terminal: Terminal, leave: str) -> None:
    terminal.type(leave)
    shown = terminal.wait_for("<left>")
    assert (line(1, " :quit") in shown) == leave.startswith(" ")
    assert terminal.exit_code() == 0


def test_commands_begin_with_a_colon(terminal: Terminal) -> None:
    terminal.type(":shout\n")
    terminal.wait_for("<LOUD>")
    terminal.type(":loud\n")
    shown = terminal.wait_for("needs a space before it")
    assert ":loud is no command. There are:" in shown
    for name in (":shout  says it loudly", ":help", ":quit"):
        assert name in shown
    terminal.type(":help\n")
    assert "no command" not in terminal.wait_for("needs a space before it").split(":help", 1)[1]
    terminal.type("하나\n")
    terminal.wait_for(line(1, "하나"))  # commands do not count


def test_ctrl_c_takes_back_a_line(terminal: Terminal) -> None:
    """What was typed before it does not come back; neither does it end the program, here or in the midst of a line."""
    terminal.type("하나")
    terminal.wait_for("하나")
    terminal.interrupt("ko> ")
    terminal.type("interrupt\n")
    terminal.wait_for("ko> ")
    terminal.type("둘\n")
    terminal.wait_for(line(2, "둘"))
