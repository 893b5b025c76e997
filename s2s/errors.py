"""Every error that s2s raises for its users, on one page.

Each message says what was expected, what came and what to do. The command line prints it in one or two lines and ends
with the class's exit code; a traceback appears only with S2S_TRACEBACK=1.
"""


class S2SError(Exception):
    """Anything that went wrong and that a user can do something about."""

    exit_code = 1


class ConfigError(S2SError):
    """An option, or a combination of options, that makes no sense."""

    exit_code = 2


class DataError(S2SError):
    """A corpus that is missing, empty, malformed or cannot be downloaded."""


class RunError(S2SError):
    """A run folder that is missing, foreign, or made with other options."""


class CheckpointError(RunError):
    """A checkpoint that is truncated, corrupt or belongs to another model."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint whose content is not what was written; another one may be whole."""


class ForeignCheckpointError(CheckpointError):
    """A checkpoint whose weights are of another model than the one that the options ask for."""


class OutputError(S2SError):
    """A file to write that is there already, or that another command has begun."""


class TrainingError(S2SError):
    """Training that cannot go on, such as a loss that is not a number."""


class RankEnded(S2SError):
    """The first of several ranks ended with an error, and tells of it; this one has nothing to add."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("ended with the first rank")
        self.exit_code = exit_code


class MissingExtraError(S2SError):
    """An optional dependency that is needed here and not installed; the message names the extra."""


class Interrupted(S2SError):
    """A signal asked the program to end; whatever had to be saved has been saved."""

    def __init__(self, signal_number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
