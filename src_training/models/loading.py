"""Reading a model folder: every check that needs no torch, before anything of it is used."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from src_training import confined, durable
from src_training.errors import ModelError
from src_training.models.bounds import check_model
from src_training.models.card import ModelCard
from src_training.regular import read_regular

if TYPE_CHECKING:
    from src_training.networks.reckoning import Cost
    from src_training.networks.shapes import Shapes

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
_REBUILDABLE = "openvino."  # made again from the weights, in the user's cache
LARGEST_FILE = 256 * 2**20
_LARGEST_CARD = 2**20
_LARGEST_HEADER = 4 * 2**20
_SPARE_WEIGHTS = (
    16 * 2**20
)  # bytes beyond what the architecture can hold: what is wrong in them is still named
_MOST_NUMBERS = 10  # that say where a weight lies and of which shape it is
_LONGEST_NAME = 255  # bytes, on the usual file systems
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

    In this order: the card, what such a model would take, size caps, sha256 of every file the card names, names,
    shapes and types of the weights against the card's architecture, finite values.

    Raises
    ------
    ModelError : one line naming the folder, what is wrong, and the cure.
    """
    card = read_card(folder)
    _check_sizes(folder, card, check_model(card, folder.name))
    for name, expected in card.files.items():
        _check_file(folder, name, expected)
    if WEIGHTS_FILE not in card.files:
        raise ModelError(
            f"{folder.name}: the card names no {WEIGHTS_FILE}. Copy the whole model folder again."
        )
    check_weights(folder / WEIGHTS_FILE, card)
    return Model(folder.name if builtin else card.model_id(), folder, card, builtin)


def is_folder_name(text: str) -> bool:
    """Whether a text, typed or read from a file, can name one folder: not a path, nor anything a disk would refuse."""
    return Path(text).name == text != "" and text.isprintable() and len(text.encode()) <= _LONGEST_NAME


def read_card(folder: Path) -> ModelCard:
    """The folder's card; raises ModelError when there is none or it is not one."""
    path = folder / CARD_FILE
    # "/" and "." do not say what the folder is called.
    called = folder.name or folder.absolute().name or str(folder)
    try:
        there = confined.is_file(path)
    except OSError as error:
        raise ModelError(f"{called}: cannot be read. {durable.cure_for_reading(error)}") from error
    if not there:
        raise ModelError(f"{called}: not a model folder (no {CARD_FILE} in it).")
    try:
        return ModelCard.model_validate_json(read_regular(path, _LARGEST_CARD).decode())
    except OSError as error:
        raise ModelError(f"{folder.name}/{CARD_FILE}: {error.strerror}. Copy the model again.") from error
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
    from src_training.networks.reckoning import reckoned

    where = f"{path.parent.name}/{path.name}"
    header, data = _parse_safetensors(path, where)
    expected = weight_shapes(card.architecture)
    found = {name: tuple(entry["shape"]) for name, entry in header.items()}
    if expected is not None and found != expected:
        raise ModelError(
            f"{where}: does not fit its card's architecture (first difference: {_difference(found, expected)})."
        )
    held, most = sum(map(math.prod, found.values())), reckoned(card.architecture, card.input_size).values
    if held > most:
        raise ModelError(f"{where}: holds {held:,} numbers, its card's architecture has {most:,} at most.")
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        _check_finite(np.frombuffer(data[begin:end], dtype=_DTYPES[entry["dtype"]]), name, where)


def _difference(found: Shapes, expected: Shapes) -> str:
    """The first weight, by name, that is not as expected."""
    name = min(name for name in found | expected if found.get(name) != expected.get(name))
    if name not in expected:
        return f"{_shown(name)} is no weight of it"
    return f"{name} is {found.get(name, 'missing')}, expected {expected[name]}"


def _check_finite(values: NDArray, name: str, where: str) -> None:
    if not np.isfinite(values).all():
        raise ModelError(f"{where}: {_shown(name)} holds non-finite values. Train this model again.")


def _parse_safetensors(path: Path, where: str) -> tuple[dict[str, dict], memoryview]:
    """The header without metadata, and the data; every entry's type, shape and extent is checked."""
    content = _content(path, where)
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_LARGEST_HEADER, len(content) - 8):
        raise ModelError(f"{where}: not a safetensors file. Copy the model again.")
    try:
        header = json.loads(content[8 : 8 + length], object_pairs_hook=_without_twins)
        header.pop("__metadata__", None)
        by_place = sorted(header, key=lambda name: tuple(map(int, header[name]["data_offsets"])))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{where}: its header is damaged. Copy the model again.") from error
    data = memoryview(content)[8 + length :]
    reached = 0
    for name in by_place:
        reached = _end_of(name, header[name], reached, len(data), where)
    if reached != len(data):
        raise ModelError(f"{where}: {len(data) - reached} bytes belong to no weight. Copy the model again.")
    return header, data


def _end_of(name: str, entry: dict, begins: int, most: int, where: str) -> int:
    """Where a weight's data ends, which must begin where those of the one before end."""
    try:
        numbers = [*entry["data_offsets"], *entry["shape"]]
        # Asked first: the product of numbers without end would have no end either.
        if len(numbers) <= _MOST_NUMBERS and all(type(n) is int and 0 <= n <= LARGEST_FILE for n in numbers):
            ends = begins + math.prod(entry["shape"]) * np.dtype(_DTYPES[entry["dtype"]]).itemsize
            if entry["data_offsets"] == [begins, ends] and ends <= most:
                return ends
    except (ValueError, KeyError, TypeError):
        pass
    raise ModelError(f"{where}: its header is damaged (first at {_shown(name)}). Copy the model again.")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; one name twice would be read differently by different readers."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name is there twice")
    return record


def _shown(name: str) -> str:
    """A name out of a file, short and on one line."""
    return name if re.fullmatch(r"[\w.]{1,80}", name) else repr(name[:80])


def _check_sizes(folder: Path, card: ModelCard, cost: Cost) -> None:
    """Before any of it is read: all files together, and the weights, are not larger than such a model's can be."""
    sizes = {name: _size(folder, name) for name in card.files}
    if sum(sizes.values()) > LARGEST_FILE:
        name = max(sizes, key=sizes.__getitem__)
        raise ModelError(
            f"{folder.name}/{name}: larger than 256 MiB, alone or with the others: too large for a model."
        )
    most = 2 * 4 * cost.values + _SPARE_WEIGHTS
    if sizes.get(WEIGHTS_FILE, 0) > most:
        raise ModelError(
            f"{folder.name}/{WEIGHTS_FILE}: {sizes[WEIGHTS_FILE] >> 20} MiB, its card's architecture has less than "
            f"{most >> 20}. Copy the whole model folder again."
        )


def _size(folder: Path, name: str) -> int:
    try:
        return confined.status(folder / name).st_size if is_folder_name(name) else 0
    except OSError:  # what is missing is told by name
        return 0


def _check_file(folder: Path, name: str, expected: str) -> None:
    if Path(name).name != name or name in ("", ".", ".."):
        raise ModelError(f"{folder.name}: the card names {name!r}, which is not a file of this folder.")
    path = folder / name
    if name.startswith(_REBUILDABLE) and not confined.is_there(path):
        return
    where = f"{folder.name}/{name}"
    if not confined.is_file(path) or path.is_symlink():
        raise ModelError(f"{where}: missing. Copy the whole model folder again.")
    if hashlib.sha256(_content(path, where)).hexdigest() != expected:
        raise ModelError(f"{where}: differs from its card (sha256). Copy the model again.")


def _content(path: Path, where: str) -> bytes:
    try:
        return read_regular(path, LARGEST_FILE)
    except OSError as error:
        raise ModelError(f"{where}: {error.strerror}. Copy the whole model folder again.") from error
