"""A prompt for lines typed at a terminal, with editing, a history, and commands that begin with a colon."""

import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PromptCommand:
    """What a word such as `:attention` does.

    Attributes:
        help: of a few words.
        run: does it.
    """

    help: str
    run: Callable[[], None]


def is_interactive() -> bool:
    """Whether somebody types the input and sees the output."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def answer_typed_lines(
    prompt: str, answer: Callable[[int, bytes], None], commands: Mapping[str, PromptCommand]
) -> None:
    """Answer lines until `:quit` or Ctrl-D; Ctrl-C takes back a line, or ends the answer to it.

    Lines can be edited, with letters of any width, and those typed before come back with the arrow keys; they are kept
    in memory only. Every pasted line is a line. A blank one is passed over.

    Args:
        prompt: printed before every line.
        answer: prints the answer to a line, given its number, counted from 1, and its bytes, without the line end.
        commands: by name, without the colon; `:help` and `:quit` are added to them. A line that begins with a space is
            text even if a colon follows.
    """
    _prepare_terminal()
    number = 0
    while True:
        try:
            line = input(prompt)
            if line.startswith(":"):
                if line.strip() == ":quit":
                    return
                _run(line[1:].strip(), commands)
            elif line.strip():
                number += 1
                answer(number, line.encode("utf-8", "surrogateescape"))
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()


def _run(name: str, commands: Mapping[str, PromptCommand]) -> None:
    if name in commands:
        commands[name].run()
        return
    if name != "help":
        print(f":{name} is no command. There are:", file=sys.stderr)
    lines = {**{key: command.help for key, command in commands.items()}, "help": "this list"}
    lines["quit"] = "leave, as Ctrl-D does"
    width = max(map(len, lines))
    for key, text in lines.items():
        print(f"  :{key:{width}}  {text}", file=sys.stderr)
    print("  A line that is to begin with a colon needs a space before it.", file=sys.stderr)


def _prepare_terminal() -> None:
    """Let `input` edit lines, where Python was built with readline, and take bytes that are not UTF-8."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        import readline
    except ImportError:
        return
    readline.parse_and_bind("tab: self-insert")  # a tab separates fields
    readline.parse_and_bind("set enable-bracketed-paste off")  # it would make one line of several that are pasted
