"""The ``lightvessel`` command: every button of the plugin is one command here."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from src_training.errors import Cancelled, LightVesselError
from src_training.texts import HarmlessStream, line, lines

if TYPE_CHECKING:
    import typer

# Set before any OpenMP runtime loads: spinning threads make torch 30x slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_SINGLE = ("info", "segment", "evaluate", "stress", "doctor", "train", "compare_methods", "finetune")
_GROUPS = ("dataset", "models", "runs")


def build_app() -> typer.Typer:
    """Assemble the command from its parts: ``cli/<part>.py`` exposes ``register(app)``."""
    import typer

    from src_training.cli.dressing import root

    app = typer.Typer(
        name="lightvessel",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Segment coronary angiograms, keep a dataset, fine-tune. Research use only, not for diagnosis.",
    )
    for part in (*_SINGLE, *_GROUPS, "run"):
        importlib.import_module(f"src_training.cli.{part}").register(app)
    app.callback()(root)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (0, 1 unexpected, 2 bad input, 3 refused, 130 cancelled)."""
    _open_streams()
    with contextlib.redirect_stderr(_harmless(sys.stderr)):
        return _told(argv)


def _told(argv: Sequence[str] | None) -> int:
    try:
        return _run(argv)
    except LightVesselError as error:
        return _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _end("cancelled", 130)
    except OSError as error:
        from src_training import durable

        where = (
            Path(os.fsdecode(error.filename)).name if isinstance(error.filename, (str, bytes)) else "the disk"
        )
        return _end(f"{where}: {durable.cure_for(error)}", 2)
    except Exception as error:
        import traceback

        print("\n".join(lines(traceback.format_exc().rstrip())), file=sys.stderr)
        return _end(f"unexpected {type(error).__name__}: {error}", 1)


def _open_streams() -> None:
    """Make both streams such that nothing written to them ends a command, nor lands in a file opened later."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    # A file name that is not UTF-8, or a console that is not, ends no command: such letters are shown as escapes.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _harmless(stream: TextIO) -> TextIO:
    """What libraries write by themselves (warnings, logs, tracebacks of threads) is written out like what we say."""
    return stream if isinstance(stream, HarmlessStream) else cast("TextIO", HarmlessStream(stream))


def _end(why: str, code: int) -> int:
    """Say why the command ends; what stdout did not take is let go, or Python would try it again when it leaves."""
    print(line(f"lightvessel: {why}"), file=sys.stderr, flush=True)
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
        with contextlib.suppress(OSError):
            os.dup2(sys.stdout.fileno(), 1)
    return code


def _run(argv: Sequence[str] | None) -> int:
    # Not at the top of the file: Ctrl-C while it is imported is a cancel like any other.
    import typer

    from src_training.cli.dressing import dressed, wrong_call_line

    # Typer brings its own copy of click, or uses the installed one: this is ClickException of the right one.
    wrong_call: type[Exception] = typer.BadParameter.__mro__[2]
    words = None if argv is None else list(argv)
    try:
        code = dressed(build_app()).main(args=words, prog_name="lightvessel", standalone_mode=False)
    except typer.Exit as leave:
        code = leave.exit_code
    except typer.Abort:
        code = Cancelled.exit_code
    except wrong_call as error:
        return _end(wrong_call_line(error), 2)
    # Ctrl-C inside a command arrives as Abort or as this code, depending on typer's version.
    if code == Cancelled.exit_code:
        raise Cancelled("cancelled")
    return code if isinstance(code, int) else 0
