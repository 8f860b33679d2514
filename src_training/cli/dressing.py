"""What every command has without asking for it: ``-h``, ``--quiet``, an example, and wrong calls told in one line."""

from __future__ import annotations

from typing import Any

import typer

from src_training import __version__
from src_training.cli import common
from src_training.cli.examples import EXAMPLES

HELP_NAMES = ("-h", "--help")
# Former names of options, which are understood and not shown; only where they were ever given: the threshold of an
# evaluation is one of probabilities to whoever types it.
FORMER: dict[tuple[str, ...], dict[str, str]] = {
    ("dataset", name): {"--mask-threshold": "--threshold"} for name in ("append", "import")
}


def _tell_version(asked: bool) -> None:
    if asked:
        common.result(f"lightvessel {__version__}")
        raise typer.Exit


def root(
    version: bool = typer.Option(
        False,
        "--version",
        help="Show the version and exit.",
        is_eager=True,
        callback=_tell_version,
        expose_value=False,
    ),
) -> None:
    """What stands before every command."""


def dressed(app: typer.Typer) -> Any:
    """The command of an app (click's), each of its commands with the options and the help that all of them have."""
    command = typer.main.get_command(app)
    _dress(command, typer.Context(command, help_option_names=list(HELP_NAMES)), ())
    command.context_settings["help_option_names"] = list(HELP_NAMES)
    return command


def leaves(command: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every command that does something, by its words; hidden ones are left out."""
    if command.hidden:
        return {}
    inner = getattr(command, "commands", None)
    if inner is None:
        return {" ".join(path): command}
    return {
        name: leaf for part, below in inner.items() for name, leaf in leaves(below, (*path, part)).items()
    }


def wrong_call_line(error: Any) -> str:
    """What is wrong with a call, in one line that names the help."""
    line = " ".join(error.format_message().split()).rstrip(".")
    line += "" if line.endswith("?") else "."
    context = getattr(error, "ctx", None)
    return f"{line} See: {context.command_path} -h" if context else line


def _dress(command: Any, context: Any, path: tuple[str, ...]) -> None:
    _answer_nothing_with_the_help(command)
    inner = getattr(command, "commands", None)
    if inner is None and not command.hidden:
        command.params.append(_quiet_option())
        command.epilog = _epilog(" ".join(path))
    for param in [*command.params, command.get_help_option(context)]:
        if getattr(param, "is_flag", False):
            param.metavar = ""  # "<bool>" beside a flag says that it wants a word after it
        for name, former in FORMER.get(path, {}).items():
            if name in getattr(param, "opts", ()):
                _understand(param, former)
    for name, below in (inner or {}).items():
        _dress(below, typer.Context(below, info_name=name, parent=context), (*path, name))


def _answer_nothing_with_the_help(command: Any) -> None:
    """A call without words is a wrong one, exit 2; to click before 8.2 it was none."""
    parse = command.parse_args

    def parse_args(context: Any, words: list[str]) -> Any:
        if words or not command.no_args_is_help or context.resilient_parsing:
            return parse(context, words)
        if text := context.get_help():  # empty where it was printed at once
            typer.echo(text)
        raise typer.Exit(2)

    command.parse_args = parse_args


def _understand(param: Any, former: str) -> None:
    """Let the parser take another name for an option, of which the help says nothing."""
    add_shown = param.add_to_parser

    def add(parser: Any, context: Any) -> None:
        shown = param.opts
        param.opts = [*shown, former]
        add_shown(parser, context)
        param.opts = shown

    param.add_to_parser = add


def _epilog(name: str) -> str | None:
    example = EXAMPLES.get(name)
    return None if example is None else "\n\n".join(["Example:", *example.replace("[", r"\[").splitlines()])


def _quiet_option() -> Any:
    """A fresh ``--quiet``; made by typer itself, whose classes for it change from version to version."""
    made = typer.Typer(add_completion=False)
    made.command()(_quiet)
    return typer.main.get_command(made).params[0]  # type: ignore[attr-defined]


def _quiet(
    quiet: bool = typer.Option(
        False,
        "--quiet",
        "-q",
        help="No progress, only what has to be said (stderr).",
        callback=common.be_quiet,
        expose_value=False,
    ),
) -> None:
    """The option's only home."""
