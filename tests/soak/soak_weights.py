"""Files of a shipped model are damaged and forged: none is taken unless it is equal in content."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from model_folders import read_weights, rehash, write_weights
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import ModelStore, Predictor, builtin_models, load_model
from src_training.errors import ModelError
from src_training.inference import runtimes
from src_training.inference.runtimes import IR_FILE
from src_training.models import Model, loading
from src_training.models.card import ModelCard
from src_training.models.loading import CARD_FILE, WEIGHTS_FILE, open_model
from src_training.networks import weight_shapes
from src_training.training.weights import load_network

_MUTATIONS = {"quick": 60, "full": 1_000}
_RUNTIMES_AGREE = 2e-3  # in probability
_WIDER = {"F16": "F32", "F32": "F64"}
_OTHER_NETWORKS = (
    {"base_channels": 32},
    {"base_channels": 8, "depth": 2},
    {"blocks": 1},
    {"depth": 4},
    {"stem_factor": 4},
    {"context": 1},
    {"family": "erfnet"},
    {"family": "enet"},
    {"family": "lite0-unet"},
)
_WEIGHT = r"\b\w+(\.\w+)*\.(weight|bias|running_mean|running_var|extra)\b"
Damage = Callable[[Path, random.Random], None]


@dataclass(frozen=True)
class Mutation:
    """What is done to a model folder; ``structural``: wrong even where the card's hashes agree."""

    name: str
    damage: Damage
    structural: bool = False


@dataclass
class Tally:
    """What became of them."""

    taken: list[str]
    unnamed: list[str]
    unforeseen: list[str]
    forged: int = 0


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Every kind in turn; each second round with hashes that agree, as a forger would leave them."""
    original = ModelStore(folder / "models").add(load_model("small").folder).folder
    tally, rng = Tally([], [], []), random.Random(0)
    for number in range(_MUTATIONS[size]):
        round_, kind = divmod(number, len(_KINDS))
        place = _linked(original, folder / str(number))
        _KINDS[kind].damage(place, rng)
        _judge(_KINDS[kind], place, original, forged=round_ % 2 == 1, tally=tally)
        shutil.rmtree(place.parent)
    what = f"{_MUTATIONS[size]:,} mutated model folders of {len(_KINDS)} kinds"
    yield none_of(f"{what}: taken though not equal", len(tally.taken), _MUTATIONS[size])
    yield none_of(f"{what}: refused by anything but a line", len(tally.unforeseen), _MUTATIONS[size])
    named = tally.forged - len(tally.unnamed)
    yield all_of("of these, with hashes forged: first weight that is wrong named", named, tally.forged)
    others = [
        model for model in builtin_models() if (model.folder / IR_FILE).is_file() and model.id != "small"
    ]
    what = "another model's OpenVINO network"
    own = sum(_answers_as_small(_with_network_of(other, folder / other.id)) for other in others)
    yield all_of(f"{what} in the folder, hashes forged: the answer is that of the weights", own, len(others))
    refused = sum(_refused_at_load(other) for other in others)
    yield all_of(f"{what} run by mistake: refused before a frame", refused, len(others))


def _with_network_of(other: Model, place: Path) -> Path:
    shutil.copytree(load_model("small").folder, place)
    for name in (IR_FILE, "openvino.bin"):
        shutil.copyfile(other.folder / name, place / name)
    rehash(place)
    return place


def _answers_as_small(place: Path) -> bool:
    frame = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    try:
        found, expected = (Predictor.load(m, runtime="openvino").probability(frame) for m in (place, "small"))
    except ModelError:
        return False
    return float(np.abs(found - expected).max()) < _RUNTIMES_AGREE


def _refused_at_load(other: Model) -> bool:
    with mock.patch.object(runtimes, "ir_of", return_value=other.folder / IR_FILE):
        try:
            Predictor.load("small", runtime="openvino")
        except ModelError as error:
            return "computes something else" in str(error)
    return False


def _judge(kind: Mutation, place: Path, original: Path, *, forged: bool, tally: Tally) -> None:
    """From the store, where the id tells too; and where the hashes agree, from the folder alone."""
    if forged:
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):  # a card beyond forging
            rehash(place)
    try:
        _refusal(lambda: ModelStore(place.parent).get(place.name)) or _check_equal(place, original)
        if forged and kind.structural:
            said = _refusal(lambda: _taken_by_a_network(place))
            tally.forged += 1
            if said is None:
                tally.taken.append(kind.name)
            elif not _names_a_weight(said):
                tally.unnamed.append(f"{kind.name}: {said}")
    except AssertionError:
        tally.taken.append(kind.name)
    except Exception as error:  # noqa: BLE001 - what is counted here
        tally.unforeseen.append(f"{kind.name}: {error!r}")


def _refusal(read: Callable[[], object]) -> str | None:
    try:
        read()
    except ModelError as error:
        return str(error)
    return None


def _taken_by_a_network(place: Path) -> None:
    model = open_model(place)
    if weight_shapes(model.card.architecture) is None:  # of these families only a network itself can tell
        load_network(place, model.card.architecture)


def _names_a_weight(said: str) -> bool:
    return "\n" not in said and re.search(_WEIGHT, said) is not None


def _check_equal(place: Path, original: Path) -> None:
    assert _card(place) == _card(original)
    for name in _card(original).files:
        assert (place / name).read_bytes() == (original / name).read_bytes()


def _card(folder: Path) -> ModelCard:
    return ModelCard.model_validate_json((folder / CARD_FILE).read_bytes())


def _linked(original: Path, parent: Path) -> Path:
    """A folder of the same id with a card of its own, whose other files are the original's until written anew."""
    place = parent / original.name
    place.mkdir(parents=True)
    for path in original.iterdir():
        (shutil.copy if path.name == CARD_FILE else os.link)(path, place / path.name)
    return place


def _write(path: Path, content: bytes) -> None:
    path.unlink()  # else the original would change with it
    path.write_bytes(content)


# -- damages -----------------------------------------------------------------------------------------------


def _flipped(file: str, begin: int = 0, end: int | None = None) -> Damage:
    def damage(place: Path, rng: random.Random) -> None:
        data = bytearray((place / file).read_bytes())
        for _ in range(rng.choice((1, 1, 1, 8))):
            data[rng.randrange(begin, min(end or len(data), len(data)))] ^= 1 << rng.randrange(8)
        _write(place / file, bytes(data))

    return damage


def _cut(file: str) -> Damage:
    def damage(place: Path, rng: random.Random) -> None:
        data = (place / file).read_bytes()
        _write(place / file, data[: rng.randrange(len(data))])

    return damage


def _cut_data(place: Path, rng: random.Random) -> None:
    header, data = read_weights(place)
    _rewrite(place, json.dumps(header), data[: rng.randrange(len(data))])


def _surplus(place: Path, rng: random.Random) -> None:
    header, data = read_weights(place)
    _rewrite(place, json.dumps(header), data + rng.randbytes(rng.randrange(1, 99)))


def _swapped(place: Path, rng: random.Random) -> None:
    """Two weights that exchange their data; of equal shapes where there are such."""
    header, data = read_weights(place)
    first = rng.choice(list(header))
    alike = [n for n in header if n != first and header[n]["shape"] == header[first]["shape"]]
    second = rng.choice(alike or [name for name in header if name != first])
    header[first], header[second] = header[second], header[first]
    _rewrite(place, json.dumps(header), data)


def _unlike_swapped(place: Path, rng: random.Random) -> None:
    header, data = read_weights(place)
    first = rng.choice(list(header))
    second = rng.choice([n for n in header if header[n]["shape"] != header[first]["shape"]])
    header[first], header[second] = header[second], header[first]
    _rewrite(place, json.dumps(header), data)


def _not_finite(place: Path, rng: random.Random) -> None:
    header, data = read_weights(place)
    entry = header[rng.choice(list(header))]
    begin, end = entry["data_offsets"]
    values = np.frombuffer(data[begin:end], loading._DTYPES[entry["dtype"]]).copy()
    values[rng.randrange(values.size)] = rng.choice((np.nan, np.inf, -np.inf))
    _rewrite(place, json.dumps(header), data[:begin] + values.tobytes() + data[end:])


def _entry(change: Callable[[dict, random.Random], None]) -> Damage:
    def damage(place: Path, rng: random.Random) -> None:
        header, data = read_weights(place)
        change(header[rng.choice(list(header))], rng)
        _rewrite(place, json.dumps(header), data)

    return damage


def _lying_shape(entry: dict, rng: random.Random) -> None:
    count = int(np.prod(entry["shape"]))
    entry["shape"] = rng.choice(([count + 1], [*entry["shape"], 1], [-1, -count], [2**32, 2**32], [count, 2]))


def _lying_type(entry: dict, rng: random.Random) -> None:
    entry["dtype"] = rng.choice(("BF16", "I8", "F64", "BOOL", "F8_E4M3", "f32", ""))


def _lying_place(entry: dict, rng: random.Random) -> None:
    begin, end = entry["data_offsets"]
    by = rng.choice((2, 64, end - begin, 2**40, -2, -end))
    entry["data_offsets"] = [begin + by, end + by]


def _widened(place: Path, rng: random.Random) -> None:
    """A weight really stored in a type that none of ours has."""
    header, data = read_weights(place)
    name = rng.choice([n for n in header if header[n]["dtype"] == "F32"])
    begin, end = header[name]["data_offsets"]
    wide = np.frombuffer(data[begin:end], np.float32).astype(np.float64).tobytes()
    for entry in header.values():
        if entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [offset + len(wide) - (end - begin) for offset in entry["data_offsets"]]
    header[name] |= {"dtype": "F64", "data_offsets": [begin, begin + len(wide)]}
    _rewrite(place, json.dumps(header), data[:begin] + wide + data[end:])


def _missing(place: Path, rng: random.Random) -> None:
    """The last one in the file, so that nothing but its name is missed."""
    header, data = read_weights(place)
    last = max(header, key=lambda name: header[name]["data_offsets"][1])
    begins = header.pop(last)["data_offsets"][0]
    _rewrite(place, json.dumps(header), data[:begins])


def _extra(place: Path, rng: random.Random) -> None:
    header, data = read_weights(place)
    header["head.extra"] = {"dtype": "F32", "shape": [2], "data_offsets": [len(data), len(data) + 8]}
    _rewrite(place, json.dumps(header), data + bytes(8))


def _renamed(place: Path, rng: random.Random) -> None:
    header, data = read_weights(place)
    name = rng.choice(list(header))
    header[f"other.{name}"] = header.pop(name)
    _rewrite(place, json.dumps(header), data)


def _rewrite(place: Path, header: str, data: bytes) -> None:
    (place / WEIGHTS_FILE).unlink()
    write_weights(place, header, data)


def _card_changed(change: Callable[[dict, random.Random], None]) -> Damage:
    def damage(place: Path, rng: random.Random) -> None:
        card = json.loads((place / CARD_FILE).read_bytes())
        change(card, rng)
        _write(place / CARD_FILE, json.dumps(card).encode())

    return damage


def _other_network(card: dict, rng: random.Random) -> None:
    card["architecture"] |= rng.choice(_OTHER_NETWORKS)


def _other_numbers(card: dict, rng: random.Random) -> None:
    field, value = rng.choice(
        (
            ("threshold", round(card["threshold"] / 2, 3)),
            ("input_size", 256),
            ("min_component_px", 10**6),
            ("label_protocol", "syntax"),
            ("name", "../../elsewhere"),
            ("normalisation", {"low_percentile": 40.0}),
            ("files", card["files"] | {"../card.json": "0"}),
            ("schema_version", [[[]]]),
        )
    )
    card[field] = value


_KINDS = (
    Mutation("bits of the header", _flipped(WEIGHTS_FILE, 0, 4096)),
    Mutation("bits of the data", _flipped(WEIGHTS_FILE, 16_384)),
    Mutation("weights cut anywhere", _cut(WEIGHTS_FILE)),
    Mutation("data cut", _cut_data, structural=True),
    Mutation("surplus data", _surplus),
    Mutation("weights swapped", _swapped),
    Mutation("unlike weights swapped", _unlike_swapped, structural=True),
    Mutation("not finite", _not_finite, structural=True),
    Mutation("a shape that lies", _entry(_lying_shape), structural=True),
    Mutation("a type that lies", _entry(_lying_type), structural=True),
    Mutation("a place that lies", _entry(_lying_place), structural=True),
    Mutation("another type", _widened, structural=True),
    Mutation("one weight missing", _missing, structural=True),
    Mutation("one weight more", _extra, structural=True),
    Mutation("one weight renamed", _renamed, structural=True),
    Mutation("card of another network", _card_changed(_other_network), structural=True),
    Mutation("card with other numbers", _card_changed(_other_numbers)),
    Mutation("bits of the card", _flipped(CARD_FILE)),
    Mutation("bits of the OpenVINO network", _flipped("openvino.xml")),
    Mutation("bits of its weights", _flipped("openvino.bin")),
    Mutation("OpenVINO network cut", _cut("openvino.bin")),
)

PART = Part(
    run,
    {
        "no hash is checked": lambda: mock.patch.object(loading, "_check_file"),
        "no value is checked": lambda: mock.patch.object(loading, "_check_finite"),
        "the network of a folder believed": lambda: mock.patch.object(
            runtimes, "ir_of", lambda model: model.folder / IR_FILE
        ),
        "no golden frame": lambda: mock.patch.object(runtimes, "_check_golden"),
    },
)
