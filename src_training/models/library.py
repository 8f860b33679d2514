"""Finding a model: shipped ones, a workspace's, or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src_training.errors import ModelError, printable
from src_training.models.loading import CARD_FILE, Model, is_folder_name, open_model

if TYPE_CHECKING:
    from src_training.workspace import Workspace

DEFAULT_MODEL = "small"
SHIPPED = Path(__file__).resolve().parent / "weights"


def builtin_ids() -> list[str]:
    """Ids of the shipped models, the default first."""
    ids = sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD_FILE}"))
    return sorted(ids, key=lambda model_id: model_id != DEFAULT_MODEL)


def builtin_models() -> list[Model]:
    """The shipped models, the default first."""
    return [open_model(SHIPPED / model_id, builtin=True) for model_id in builtin_ids()]


def builtin_model(model_id: str) -> Model | None:
    """The shipped model of this id, if there is one."""
    folder = SHIPPED / model_id
    is_one = is_folder_name(model_id) and (folder / CARD_FILE).is_file()
    return open_model(folder, builtin=True) if is_one else None


def load_model(ref: str | Path, workspace: Workspace | None = None) -> Model:
    """A model by the id of a workspace or shipped model, or by its folder.

    Raises ModelError naming what there is when ``ref`` is none of these.
    """
    found = _stored(str(ref), workspace)
    if found is not None:
        return found
    if Path(ref).is_dir():
        return open_model(Path(ref))
    raise ModelError(f"{ref}: no such model. Known: {_known(workspace)}; or give a model folder.")


def stored_model(model_id: object, workspace: Workspace) -> Model:
    """A model that a record names: of the workspace or shipped, whatever folder has such a name.

    Raises ModelError when there is none.
    """
    found = _stored(model_id, workspace) if isinstance(model_id, str) else None
    if found is None:
        raise ModelError(f"{printable(str(model_id))[:80]}: no such model. Known: {_known(workspace)}.")
    return found


def _stored(model_id: str, workspace: Workspace | None) -> Model | None:
    if workspace is not None and workspace.models.has(model_id):
        return workspace.models.get(model_id)
    return builtin_model(model_id)


def _known(workspace: Workspace | None) -> str:
    return ", ".join(sorted([*builtin_ids(), *(workspace.models.ids() if workspace is not None else [])]))


def default_model(workspace: Workspace | None = None) -> Model:
    """The workspace's live model; where none was promoted, the shipped default."""
    live = workspace.models.current() if workspace is not None else None
    return live or load_model(DEFAULT_MODEL)
