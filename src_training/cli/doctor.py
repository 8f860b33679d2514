"""``lightvessel doctor``: is this installation whole, is this workspace sound, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training import confined
from src_training.cli.common import JsonFlag, result, say
from src_training.errors import DatasetError

if TYPE_CHECKING:
    from src_training.checkup import Finding

_MARKS = {"ok": "✓", "note": "!", "problem": "✗"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    workspace: Path | None = typer.Argument(
        None,
        metavar="[WORKSPACE]",
        help="Look over its dataset and models; without it: this installation.",
        readable=False,
    ),
    repair: bool = typer.Option(
        False, "--repair", help="Move what is damaged into the dataset's quarantine."
    ),
    as_json: bool = JsonFlag,
) -> int:
    """Look over this installation, or a workspace: what is missing or damaged, and what to do about it.

    Exit code 1 when something will not work or is damaged; every finding has a code and says what to do.
    Nothing is ever deleted: a repair only moves files.
    """
    if workspace is None:
        from src_training.checkup import examine

        if repair:
            raise DatasetError("--repair needs a workspace: lightvessel doctor WORKSPACE --repair.")
        return _tell(examine(), as_json)
    if repair:
        _repair(workspace)
    return _tell(_findings(workspace), as_json)


def _tell(findings: Iterable[Finding], as_json: bool) -> int:
    problems = 0
    for found in findings:
        problems += found.level == "problem"
        text = f"{found.text.rstrip('.')}. {found.cure}" if found.cure else found.text
        result(f"{_MARKS[found.level]} {found.code:<10} {text}", found.as_dict(), as_json)
    say(f"{problems} problem{'s' * (problems != 1)} found" if problems else "all is well")
    return 1 if problems else 0


def _repair(workspace: Path) -> None:
    from src_training.dataset.repair import repair
    from src_training.dataset.verify import verify_folder

    folder = _dataset_folder(workspace)
    moved = 0
    for line in repair(folder, verify_folder(folder, deep=True)):
        say(line)
        moved += 1
    say(f"{moved} file{'s' * (moved != 1)} moved into {folder.name}/.quarantine; nothing was deleted")


def _findings(workspace: Path) -> Iterator[Finding]:
    from src_training.checkup import Finding
    from src_training.dataset.findings import CURES
    from src_training.dataset.repair import quarantined
    from src_training.dataset.verify import verify_folder

    folder = _dataset_folder(workspace)
    report = verify_folder(folder, deep=True)
    for one in report.findings:
        yield Finding(one.code, "problem" if one.is_damage else "note", one.text, one.cure)
    yield Finding("dataset", "ok", f"{report.cases} cases, {report.revisions} revisions")
    for path, said, is_link in confined.odd_in(folder.parent):
        if folder not in path.parents:  # those were told
            code = "D11" if is_link else "N02"
            yield Finding(code, "problem" if is_link else "note", said, CURES[code])
    if away := quarantined(folder):
        yield Finding("quarantine", "ok", f"{away} files were put away by earlier repairs")
    yield from _waiting(workspace)
    yield from _models(workspace)


def _models(workspace: Path) -> Iterator[Finding]:
    """How the workspace's models stand."""
    from src_training.checkup import Finding
    from src_training.errors import ModelError
    from src_training.models import ModelStore

    models = ModelStore(workspace / "models")
    try:
        ids = models.ids() if confined.names_in(models.folder) else []
    except FileNotFoundError:  # nothing was trained yet
        return
    except OSError as error:
        cure = "Ask for permission, or put a folder in its place: no model can become active before"
        yield Finding("models", "problem", f"models: {error.strerror}", cure)
        return
    for model_id in ids:
        try:
            models.get(model_id)
        except ModelError as error:
            yield Finding(
                "model", "problem", str(error), "It can never become active; train again, or restore it"
            )
        else:
            yield Finding("model", "ok", model_id)
    if warning := models.warning():
        yield Finding("live", "note" if models.unjudged() else "problem", warning)
    if warning := models.history_warning():
        yield Finding("decisions", "note", warning)


def _waiting(workspace: Path) -> Iterator[Finding]:
    """What waits in the outbox for this workspace."""
    from src_training.checkup import Finding
    from src_training.dataset import Dataset
    from src_training.dataset.outbox import Outbox

    try:
        waiting = len(Outbox(Dataset.open(workspace / "dataset")))
    except (DatasetError, OSError):  # told among the findings
        return
    if waiting:
        cure = "lightvessel dataset publish WORKSPACE"
        yield Finding("outbox", "note", f"{waiting} frames wait on this computer to be saved", cure)


def _dataset_folder(workspace: Path) -> Path:
    """The dataset's folder, however damaged what lies in it is."""
    from src_training.workspace import Workspace

    folder = confined.confine(workspace.expanduser()) / "dataset"
    if not confined.is_folder(folder):
        Workspace.open(workspace)  # says what the folder is instead
    return folder
