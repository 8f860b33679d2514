"""Reading a model folder: every check that needs no torch, before anything of it is used."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from src_training.errors import ModelError
from src_training.models.card import ModelCard

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
_REBUILDABLE = "openvino."  # made again from the weights, in the user's cache
_LARGEST_FILE = 256 * 2**20
_LARGEST_CARD = 2**20
_LARGEST_HEADER = 4 * 2**20
_DTYPES = {"F16": np.float16, "F32": np.float32}


@dataclass(frozen=True)
class Model:
    """A checked model folder, ready for a Predictor; ``id`` is the folder's name for shipped models."""

    id: str
    folder: Path
    card: ModelCard
    builtin: bool = False


def open_model(folder: Path, *, builtin: bool = False) -> Model:
    """Check a model folder and return it.

    In this order: size caps, the card, sha256 of every file the card names, names, shapes and
    types of the weights against the card's architecture, finite values.

    Raises
    ------
    ModelError : one line naming the folder, what is wrong, and the cure.
    """
    card = read_card(folder)
    for name, expected in card.files.items():
        _check_file(folder, name, expected)
    if WEIGHTS_FILE not in card.files:
        raise ModelError(
            f"{folder.name}: the card names no {WEIGHTS_FILE}. Copy the whole model folder again."
        )
    check_weights(folder / WEIGHTS_FILE, card)
    return Model(folder.name if builtin else card.model_id(), folder, card, builtin)


def read_card(folder: Path) -> ModelCard:
    """The folder's card; raises ModelError when there is none or it is not one."""
    path = folder / CARD_FILE
    if not path.is_file():
        raise ModelError(f"{folder.name}: not a model folder (no {CARD_FILE} in it).")
    if path.stat().st_size > _LARGEST_CARD:
        raise ModelError(f"{folder.name}/{CARD_FILE}: larger than 1 MiB; this is no model card.")
    try:
        return ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "text"
        raise ModelError(
            f"{folder.name}/{CARD_FILE}: {field}: {first['msg']}. Copy the model again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{folder.name}/{CARD_FILE}: not readable as text. Copy the model again.") from error


def check_weights(path: Path, card: ModelCard) -> None:
    """Names, shapes, types and finiteness of a safetensors file against the card's architecture."""
    from src_training.networks import weight_shapes

    where = f"{path.parent.name}/{path.name}"
    header, data = _parse_safetensors(path, where)
    expected = weight_shapes(card.architecture)
    found = {name: tuple(entry["shape"]) for name, entry in header.items()}
    if expected is not None and found != expected:
        odd = sorted(set(found.items()) ^ set(expected.items()))[0]
        raise ModelError(
            f"{where}: does not fit its card's architecture (first difference: {odd[0]} {odd[1]})."
        )
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], dtype=_DTYPES[entry["dtype"]])
        if not np.isfinite(values).all():
            raise ModelError(f"{where}: {name} holds non-finite values. Train this model again.")


def _parse_safetensors(path: Path, where: str) -> tuple[dict[str, dict], bytes]:
    """The header without metadata, and the data; every entry's type, shape and extent is checked."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_LARGEST_HEADER, len(content) - 8):
        raise ModelError(f"{where}: not a safetensors file. Copy the model again.")
    try:
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        data = content[8 + length :]
        for entry in header.values():
            begin, end = entry["data_offsets"]
            size = int(np.prod(entry["shape"], dtype=np.int64)) * np.dtype(_DTYPES[entry["dtype"]]).itemsize
            if not (0 <= begin <= end <= len(data) and end - begin == size):
                raise ValueError("extent")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{where}: its header is damaged. Copy the model again.") from error
    return header, data


def _check_file(folder: Path, name: str, expected: str) -> None:
    if Path(name).name != name or name in ("", ".", ".."):
        raise ModelError(f"{folder.name}: the card names {name!r}, which is not a file of this folder.")
    path = folder / name
    if name.startswith(_REBUILDABLE) and not path.exists():
        return
    if not path.is_file() or path.is_symlink():
        raise ModelError(f"{folder.name}/{name}: missing. Copy the whole model folder again.")
    if path.stat().st_size > _LARGEST_FILE:
        raise ModelError(f"{folder.name}/{name}: larger than 256 MiB, too large for a student.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise ModelError(f"{folder.name}/{name}: differs from its card (sha256). Copy the model again.")
