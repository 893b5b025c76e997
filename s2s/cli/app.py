"""What the commands share: options through Hydra, logs on stderr, errors in a line or two, exit codes."""

import dataclasses
import enum
import io
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import hydra
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from s2s.cli.sweeps import JobFailedError, job_folder, parent_options, stop_signals, swept_names
from s2s.config.options import Options, check_options
from s2s.errors import ConfigError, Interrupted, S2SError

C = TypeVar("C")
_STDOUT = "stdout"
_OUT_OF_MEMORY = (
    "out of memory; lower batch_size or batch_tokens, whichever this command has, or begin a new run with a "
    "lower training.batch_tokens"
)
_SIGNAL = 128  # an exit code is this plus the number of the signal
_ended_by: list[int] = []  # exit codes of jobs that a signal ended in this process, where it is one of a launcher's


def run_app(name: str, schema: type[C], task: Callable[[C], None], *, makes_runs: bool = False) -> NoReturn:
    """Read the options of command `name` (conf/NAME.yaml over `schema`), run its task, and end with its exit code.

    Where the task `makes_runs`, each job of a sweep gets a run folder of its own.

    0: done. 1: an error, told in a line or two. 2: a usage or config error. 130 and 143: SIGINT and SIGTERM. With
    HYDRA_FULL_ERROR=1 errors come with their traceback.
    """
    register(name, schema)
    codes: list[int] = []
    is_begun: list[bool] = []  # the options were understood, so that what goes wrong from here on is no usage error
    launcher = os.getpid()
    _log_to_stderr()
    swept = swept_names(sys.argv[1:])
    if makes_runs:
        sys.argv = [*sys.argv, *parent_options(sys.argv[1:])]

    @hydra.main(version_base="1.3", config_path="pkg://s2s.conf", config_name=name)
    def hydra_main(options: DictConfig) -> None:
        _log_to_stderr()  # here once more, for a process of joblib or submitit
        if makes_runs:
            options.run = job_folder(options.run, swept)
        if os.getpid() != launcher:
            return _run_elsewhere(task, options)
        is_begun.append(True)
        codes.append(_run(task, options))
        if codes[-1] > _SIGNAL:  # a signal ends a sweep of several jobs too
            sys.exit(codes[-1])

    try:
        with stop_signals(sys.argv[1:]) as stop, _named_stdout():
            hydra_main()
    except JobFailedError as error:
        sys.exit(error.exit_code)
    except SystemExit as end:
        if stop:
            sys.exit(_SIGNAL + stop[0])
        if isinstance(end.__context__, JobFailedError):  # told by Hydra already
            sys.exit(end.__context__.exit_code)
        # Hydra ends with 1 for options that it does not understand; that is a usage error.
        sys.exit(2 if end.code == 1 and not is_begun else end.code)
    except KeyboardInterrupt:
        sys.exit(_SIGNAL + signal.SIGINT)
    except OSError as error:  # --help | head, --help > /dev/full
        sys.exit(_told_of_file(error))
    except Exception:  # Hydra's own, which it lets through with HYDRA_FULL_ERROR=1
        traceback.print_exc()
        sys.exit(1 if is_begun else 2)
    sys.exit(max(codes, default=0))


def quote_text(argument: str) -> str:
    """`NAME=any text` with the text quoted for Hydra's grammar, and `${...}` in it kept from being looked up."""
    name, _, text = argument.partition("=")
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r'(\\+)(?="|\Z)', r"\1\1", text)  # a backslash before a quotation mark would take its meaning away
    text = text.replace('"', '\\"')
    return f'{name}="{text}"'


def _run_elsewhere(task: Callable[[C], None], options: DictConfig) -> None:
    """Run a job in a process of joblib or submitit. After a signal, this process takes up no other job.

    Raises:
        JobFailedError: the job ended with another exit code than 0.
    """
    code = _ended_by[0] if _ended_by else _run(task, options)
    if code > _SIGNAL:
        _ended_by.append(code)
    if code:
        raise JobFailedError(code)


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")


def _run(task: Callable[[C], None], options: DictConfig) -> int:
    """Run the task; whatever goes wrong becomes an exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        task(typed(options))
        sys.stdout.flush()
        return 0
    except Interrupted as end:
        print(end, file=sys.stderr)
        return end.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _SIGNAL + signal.SIGINT
    except S2SError as error:
        return _told(str(error), error.exit_code)
    except (MemoryError, torch.OutOfMemoryError):
        return _told(_OUT_OF_MEMORY, 1)
    except OSError as error:  # a full disk, no permission: what was saved before is still there
        return _told_of_file(error)


def _told(message: str, code: int) -> int:
    """Tell of an error, with its traceback where that was asked for."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    return code


def _told_of_file(error: OSError) -> int:
    """Tell which file cannot be read or written; but end quietly where the reader of stdout has gone (`| head`)."""
    if error.filename == _STDOUT:  # keep Python from writing there at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    return _told(f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}", 1)


class _NamedFile(io.FileIO):
    """A file opened by its number whose errors name it, as those of a file opened by its path do."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            error.filename = _STDOUT
            raise


@contextmanager
def _named_stdout() -> Iterator[None]:
    """A block in which errors of stdout name it; all that was printed has gone out at its end."""
    before = sys.stdout
    raw = _NamedFile(before.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", line_buffering=raw.isatty())
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            sys.stdout = before


def typed(options: DictConfig) -> Any:
    """Options as a checked dataclass.

    Raises:
        ConfigError: an option is missing, or a number is out of range, or options contradict each other.
    """
    missing = sorted(OmegaConf.missing_keys(options))
    if missing:
        raise ConfigError(f"{missing[0]} must be given: {missing[0]}=VALUE")
    try:
        config = OmegaConf.to_object(options)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    assert isinstance(config, Options)
    check_options(config)
    return config


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)


def register(name: str, schema: type) -> None:
    """Tell Hydra the schema, which refuses unknown options, and the help text made from it."""
    store = ConfigStore.instance()
    store.store(name=f"{name}_schema", node=schema)
    help_text = {
        "app_name": f"s2s-{name}",
        "header": f"s2s-{name} OPTION=VALUE ...",
        "template": f"${{hydra.help.header}}\n\n{_option_help(schema)}\n\n== Chosen ==\n$CONFIG\n",
    }
    store.store(group="hydra/help", name=f"s2s_{name}", node=help_text)


def _option_help(schema: type, prefix: str = "") -> str:
    """A line an option: its name and what it means."""
    lines = []
    for item in dataclasses.fields(schema):
        if dataclasses.is_dataclass(item.type):
            lines.append(_option_help(item.type, f"{prefix}{item.name}."))  # type: ignore[arg-type]
        else:
            # A dollar sign would be an interpolation in Hydra's template.
            lines.append(f"{prefix + item.name:32} {item.metadata['doc']}{_default(item)}".replace("$", ""))
    return "\n".join(lines)


def _default(item: "dataclasses.Field[Any]") -> str:
    """Range and default of an option."""
    low, high = item.metadata["low"], item.metadata["high"]
    span = "" if low is None else f" ({low:g} or more)" if high is None else f" ({low:g} to {high:g})"
    value = item.default.name if isinstance(item.default, enum.Enum) else item.default
    return span if value in (None, "", "???") or value is dataclasses.MISSING else f"{span} [{value}]"
