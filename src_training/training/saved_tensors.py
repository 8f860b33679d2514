"""Reading what ``torch.save`` wrote, as data: nothing is unpickled, and nothing grows beyond the file it lies in.

A checkpoint may come with a workspace from elsewhere. Its records are read as they lie (a packed one is refused), and
its program of pickle opcodes is not run but read: texts, numbers, lists, dicts and tensors, and nothing else.
"""

from __future__ import annotations

import os
import pickletools
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch

from src_training.regular import open_regular

_LARGEST_PROGRAM = 16 << 20  # bytes; the losses of five days
_MOST_CONTAINERS = 2_000_000
_MOST_MEMBERS = 100_000
_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_MAPPING, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_GLOBALS = frozenset({_MAPPING, _TENSOR, *(f"torch {name}" for name in _TYPES)})


class NotSaved(ValueError):
    """What is in the file is not what ``torch.save`` writes of tensors and plain values."""


def read_saved(path: Path, most: int) -> Any:
    """The tensors (on the CPU), dicts, lists, tuples and plain values of a file of at most ``most`` bytes.

    Raises NotSaved, OSError and what a damaged archive or number makes of its readers.
    """
    with open_regular(path, most) as file:
        records = _records(file, os.fstat(file.fileno()).st_size)
        (program,) = [name for name in records if name.rpartition("/")[2] == "data.pkl"]
        return _Reader(records, program.rpartition("/")[0]).read(records[program]())


def _records(file: BinaryIO, size: int) -> dict[str, Callable[[], bytearray]]:
    """Name → its content, of every member."""
    archive = zipfile.ZipFile(file)
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > size:
        raise NotSaved("its members are larger than the file")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise NotSaved("a member is packed")
        if member.filename.endswith("data.pkl") and member.file_size > _LARGEST_PROGRAM:
            raise NotSaved("it holds too many values")
    orders = [archive.read(member) for member in members if member.filename.endswith("/byteorder")]
    if orders not in ([], [sys.byteorder.encode()]):
        raise NotSaved("its numbers are in another order of bytes")
    return {member.filename: partial(_content, archive, member) for member in members}


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    return bytearray(archive.read(member))


class _Global(str):
    """A name that a program may use."""


class _Reader:
    """Reads a program of pickle's second protocol; of its opcodes those that ``torch.save`` writes."""

    def __init__(self, records: dict[str, Callable[[], bytearray]], prefix: str) -> None:
        self.records, self.prefix = records, prefix
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, torch.Tensor] = {}

    def read(self, program: bytearray) -> Any:
        """The value that it makes."""
        containers = 0
        for opcode, argument, _ in pickletools.genops(bytes(program)):
            name = opcode.name
            if name == "STOP":
                break
            containers += name.startswith(("EMPTY_", "TUPLE", "MARK", "REDUCE"))
            if containers > _MOST_CONTAINERS:
                raise NotSaved("it holds too many values")
            self._take(name, argument)
        (value,) = self.stack
        return value

    def _take(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(_VALUES[name](argument))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name == "GLOBAL" and argument in _GLOBALS:
            self.stack.append(_Global(argument))
        elif name != "PROTO":
            raise NotSaved(f"it holds more than tensors and values ({str(argument or name)[:80]})")

    def since_mark(self) -> list[Any]:
        """Takes what was put on since the last mark."""
        begin = self.marks.pop()
        taken, self.stack[begin:] = self.stack[begin:], []
        return taken

    def tuple_of(self, count: int) -> None:
        """Of the last values."""
        begin = len(self.stack) - count
        if begin < 0:
            raise NotSaved("a value is missing")
        self.stack[begin:] = [tuple(self.stack[begin:])]

    def append(self, values: list[Any]) -> None:
        """To the list on top."""
        if type(self.stack[-1]) is not list:
            raise NotSaved("no list to add to")
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        """In the dict on top."""
        if type(self.stack[-1]) is not dict or len(values) % 2:
            raise NotSaved("no dict to add to")
        if not all(type(name) in (str, int) for name in values[::2]):  # hashing a deep tuple ends the process
            raise NotSaved("a dict with other keys than names and numbers")
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def reduce(self) -> None:
        """A dict in its order, or a tensor."""
        called, given = self.stack[-2], self.stack[-1]
        self.stack[-2:] = [self._made(called, given)]

    def build(self) -> None:
        """Attributes of a dict (`_metadata`): versions of the modules, which all of ours leave as they are."""
        del self.stack[-1]
        if type(self.stack[-1]) is not dict:
            raise NotSaved("attributes of what is no dict")

    def storage(self) -> None:
        """The numbers of a member: ("storage", type, key, device, count), each read once."""
        told = self.stack.pop()
        kind, key = told[1], told[2]
        if told[0] != "storage" or not isinstance(kind, _Global) or not isinstance(key, str):
            raise NotSaved("no storage")
        dtype = _TYPES[kind.removeprefix("torch ")]
        if key not in self.storages:
            content = self.records[f"{self.prefix}/data/{key}"]()
            self.storages[key] = (
                torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
            )
        if self.storages[key].dtype != dtype:
            raise NotSaved("one storage of two types")
        self.stack.append(self.storages[key])

    def _made(self, called: Any, given: Any) -> Any:
        if not isinstance(called, _Global) or type(given) is not tuple:
            raise NotSaved("it calls what is no name")
        if called == _MAPPING and not given:
            return {}
        if called != _TENSOR:
            raise NotSaved(f"it calls {called[:80]}")
        storage, offset, size, stride = given[:4]
        if not isinstance(storage, torch.Tensor):
            raise NotSaved("a tensor without numbers")
        return torch.as_strided(storage, size, stride, offset)


_VALUES: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"), lambda value: value),
}
_ACTIONS: dict[str, Callable[[_Reader], None]] = {
    "TUPLE": lambda reader: reader.stack.append(tuple(reader.since_mark())),
    "TUPLE1": lambda reader: reader.tuple_of(1),
    "TUPLE2": lambda reader: reader.tuple_of(2),
    "TUPLE3": lambda reader: reader.tuple_of(3),
    "APPEND": lambda reader: reader.append([reader.stack.pop()]),
    "APPENDS": lambda reader: reader.append(reader.since_mark()),
    "SETITEM": lambda reader: reader.set_items([reader.stack.pop(-2), reader.stack.pop()]),
    "SETITEMS": lambda reader: reader.set_items(reader.since_mark()),
    "REDUCE": _Reader.reduce,
    "BUILD": _Reader.build,
    "BINPERSID": _Reader.storage,
}
