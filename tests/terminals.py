"""A stream to put in the place of stderr."""

import io


class Terminal(io.StringIO):
    """Takes what is shown, and says that it is a terminal; or that it is none."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal
