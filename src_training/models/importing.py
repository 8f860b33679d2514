"""Weights from elsewhere become a model of the workspace: never read in this process, and only if they fit exactly."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from src_training.errors import ModelError
from src_training.models.loading import WEIGHTS_FILE, Model, check_weights
from src_training.processes import clean_environment
from src_training.regular import NotRegular, size_of_regular

if TYPE_CHECKING:
    from src_training.models.store import ModelStore

_LARGEST = 256 * 2**20
_PATIENCE_S = 60.0


def import_weights(store: ModelStore, source: Path, like: Model, name: str) -> Model:
    """Store the weights of a ``.pt``, ``.pth`` or ``.safetensors`` file as a model built like ``like``.

    Architecture, input, threshold and label protocol are those of ``like``; the card says that nobody here trained it.

    Raises
    ------
    ModelError
        The file is missing, too large, no file of weights, or its names and shapes are not those of ``like``.
    """
    _check(source)
    with tempfile.TemporaryDirectory(prefix="lightvessel-import-") as folder:
        converted = Path(folder) / source.stem / WEIGHTS_FILE
        converted.parent.mkdir()
        _convert(source, converted)
        try:
            check_weights(converted, like.card)
        except ModelError as error:
            raise ModelError(
                f"{source.name}: {str(error).partition(': ')[2]} Compared with {like.id}."
            ) from error
        return store.add(_staged(converted.parent, Path(folder) / "model", like, name))


def _check(source: Path) -> None:
    try:
        size_of_regular(source, _LARGEST)
    except FileNotFoundError as error:
        raise ModelError(f"{source.name}: there is no such file. Check the path.") from error
    except NotRegular as error:
        raise ModelError(f"{source.name}: {error.strerror}. Give a file of weights.") from error


def _convert(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "src_training.models.foreign", str(source.absolute()), str(target)]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            env=clean_environment(threads=1),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"{source.name}: took longer than {_PATIENCE_S:.0f} s to read. Check the file."
        ) from None
    if ended.returncode != 0 or not target.is_file():
        reason = ended.stderr.strip().splitlines()[-1:] or [f"its reader ended with {ended.returncode}"]
        raise ModelError(
            f"{source.name}: not usable as weights ({reason[0][:200]}). Save a plain state_dict, or safetensors."
        )


def _staged(converted: Path, folder: Path, like: Model, name: str) -> Path:
    from src_training.training.publish import stage_model
    from src_training.training.weights import load_network

    card = like.card
    stage_model(
        load_network(converted, card.architecture),
        folder,
        name=name,
        normalisation=card.normalisation,
        input_size=card.input_size,
        label_protocol=card.label_protocol,
        threshold=card.threshold,
        min_component_px=card.min_component_px,
        trained_on="imported: not trained here",
        licence="unknown: as where it came from",
    )
    return folder
