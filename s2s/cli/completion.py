"""Shell completion for `s2s`, by the plugins of Hydra."""

import contextlib
import enum
import os
from collections.abc import Sequence
from typing import Any

import hydra._internal.utils
from hydra._internal.hydra import Hydra
from hydra.errors import HydraException

from s2s.cli.commands import LINE_OF
from s2s.errors import ConfigError


def complete(words: Sequence[str]) -> None:
    """Answer `[COMMAND] -sc install=SHELL`, `uninstall=SHELL` and, asked by the shell itself, `query=SHELL`.

    Raises:
        ConfigError: something else was asked for.
    """
    action, _, shell = next((word for word in words if "=" in word), "").partition("=")
    plugins = Hydra.get_shell_to_plugin_map(None)  # type: ignore[arg-type]  # what None stands for only queries need
    if action not in ("install", "uninstall", "query") or shell not in plugins:
        raise ConfigError(f"-sc: expected install=SHELL or uninstall=SHELL, SHELL one of {', '.join(plugins)}")
    if action != "query":
        getattr(plugins[shell][0], action)()
        return
    # The line up to the cursor is `s2s COMMAND ...`, or that of a script, which gives its command before the flag.
    typed = os.environ["COMP_LINE"].split(" ")
    if words[0] in LINE_OF:
        name = words[0]
    elif len(typed) > 2 and typed[1] in LINE_OF:
        name = typed.pop(1)
        os.environ["COMP_LINE"] = " ".join(typed)
    else:
        print("\n".join(LINE_OF))
        return
    from s2s.cli.arguments import with_names
    from s2s.cli.commands import command_of
    from s2s.cli.flags import flag_parser
    from s2s.cli.hydra_main import hydra_for
    from s2s.cli.option_table import option_fields

    command = command_of(name)
    option, _, begun = typed[-1].rpartition("=")
    kind = {each: item.type for each, item in option_fields(command.options)}.get(option)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):  # of which Hydra knows the default only
        print("\n".join(f"{option}={each.name}" for each in kind if each.name.startswith(begun)))
        return

    def parse(args: Sequence[str] | None = None) -> Any:
        flags, rest = flag_parser(name).parse_known_args(args)
        flags.overrides = with_names(rest, command)
        return flags

    hydra._internal.utils.get_args = parse  # Hydra's own parser does not start on Python 3.14
    with hydra_for(name, command) as app, contextlib.suppress(HydraException):  # a mistake that was typed before
        app.shell_completion(name, [f"query={shell}"])
