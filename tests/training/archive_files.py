"""Archives and datasets that mean no good, built by hand where no library would write them."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from src_training.dataset.record import record_name, self_hash, to_bytes

Files = Mapping[str, bytes]

#: Names that no member may have. ``{out}`` is an absolute folder beside the one that is unpacked into.
BAD_NAMES = (
    "../x",
    "../../x",
    "../../../canary/x",
    "a/../../x",
    "a/b/../../../x",
    "./../x",
    "..",
    "a/..",
    "{out}/x",
    "/{out}/x",
    "/x",
    "//server/share/x",
    "C:/x",
    "c:x",
    "Z:\\x",
    "..\\x",
    "a\\..\\..\\x",
    "\\\\server\\share\\x",
    "a\\b",
    "a//b",
    "a/b\nc",
    "a\rb",
    "a\tb",
    "a\x1b[31mb",
    "a\x7fb",
    "a\x85b",
    "a\u202eb",
    "a\u200bb",
    "a\u2028b",
    "x" * 256,
    "ä" * 128,
    "/".join(["d" * 60] * 20),
    "/".join("d" * 33),
    "con",
    "CON.png",
    "a/nul",
    "aux.tar.gz",
    "PRN/x",
    "com1",
    "LPT9.txt",
    "COM¹",
    "CONIN$",
    "clock$",
    "a.",
    "a ",
    "a./b",
    "a /b",
    "...",
    "a:b",
    "x.png:stream",
)

#: Pairs of names that some file system takes for one.
CLASHES = (
    ("a/x.png", "a/x.png"),
    ("a/x.png", "a/X.PNG"),
    ("a/x.png", "A/y.png"),
    ("caf\u00e9.png", "cafe\u0301.png"),
    ("stra\u00dfe", "STRASSE"),
    ("\ufb01le", "file"),
    ("a", "a/b"),
    ("a/b", "a"),
    ("./a", "a"),
)


def files_of(folder: Path, top: str = "w") -> dict[str, bytes]:
    """Every file of a folder, by its name in an archive."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {f"{top}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


# -- ZIP -----------------------------------------------------------------------------------------------------


def zip_of(
    path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], packed: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A ZIP of these members in this order, whatever they are called."""
    import warnings

    with zipfile.ZipFile(path, "w", packed) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is there twice
        for name, data in members:
            info = named(name) if isinstance(name, str) else name
            info.compress_type = packed
            archive.writestr(info, data)
    return path


def named(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    """A member with exactly this name (zipfile would cut it or turn its slashes) and this kind of file."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    info.create_system, info.external_attr = 3, mode << 16
    return info


def changed(path: Path, old: bytes, new: bytes) -> Path:
    """The archive with some of its bytes changed, wherever they stand."""
    data = path.read_bytes()
    assert old in data and len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    return path


def locked(path: Path, name: str) -> Path:
    """The ZIP with one member marked as encrypted, in both places that say so."""
    data = bytearray(path.read_bytes())
    spelled = name.encode()
    first, last = data.find(spelled), data.rfind(spelled)
    data[first - 30 + 6] |= 1
    data[last - 46 + 8] |= 1
    path.write_bytes(data)
    return path


def overlapping_zip(path: Path, files: Files, *, copies: int, kernel: int) -> Path:
    """Stored members, each of which reaches over all that follow: every byte is unpacked once for each of them."""
    names = [f"k{number:04d}" for number in range(copies)]
    data, local, listed = os.urandom(kernel), [b""] * copies, []
    tail = data
    for at in reversed(range(copies)):
        head = _local(names[at], tail)
        listed.append((names[at], zlib.crc32(tail), len(tail)))
        local[at], tail = head, head + tail
    listed.reverse()
    out, central, offset = bytearray(), bytearray(), 0
    for name, content in files.items():
        central += _central(name, zlib.crc32(content), len(content), len(out))
        out += _local(name, content) + content
    offset = len(out)
    for at, (name, crc, size) in enumerate(listed):
        central += _central(name, crc, size, offset)
        offset += len(local[at])
    out += tail
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[len(files) + copies] * 2, len(central), len(out), 0)
    path.write_bytes(bytes(out) + bytes(central) + end)
    return path


def _local(name: str, data: bytes) -> bytes:
    facts = (20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), 0)
    return struct.pack("<4s5H3L2H", b"PK\3\4", *facts) + name.encode()


def _central(name: str, crc: int, size: int, offset: int) -> bytes:
    facts = (20, 20, 0, 0, 0, 33, crc, size, size, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *facts) + name.encode()


# -- TAR -----------------------------------------------------------------------------------------------------


def tar_of(path: Path, *members: tuple[str | tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    """A TAR of these members in this order."""
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.devmajor, info.devminor = kind, target, 1, 3
    return info


def raw_tar(path: Path, files: Files, *blocks: bytes, end: bool = True) -> Path:
    """A .tar.gz whose last blocks are as given."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        length = archive.offset
    content = plain.getvalue()[:length]
    with gzip.open(path, "wb", compresslevel=6) as out:
        for block in (content, *blocks, bytes(1024) if end else b""):
            out.write(block)
    return path


def header(name: str, size: int, kind: bytes = b"0", **more: Any) -> bytes:
    """One TAR header; ``size`` may be any number, negative ones too."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block[:512]):06o}\0 ".encode()
    return bytes(block)


# -- records -------------------------------------------------------------------------------------------------


def records_in(files: Files) -> list[str]:
    """The names of the records among the files, oldest first."""
    return sorted(name for name in files if "/r0" in name and name.endswith(".json"))


def resealed(files: Files, name: str, change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The files with one record changed, sealed again, and renamed as its hash asks."""
    record = json.loads(files[name])
    change(record)
    record["self_sha256"] = loose_hash(record)
    rest = {other: data for other, data in files.items() if other != name}
    try:
        fitting = record_name(record)
    except (KeyError, TypeError, ValueError):
        fitting = f"r0001-{record['self_sha256'][:16]}"
    return {**rest, f"{name.rpartition('/')[0]}/{fitting}.json": json.dumps(record).encode()}


def loose_hash(record: dict[str, Any]) -> str:
    """The seal that a writer would give who does not mind NaN."""
    import hashlib

    try:
        return self_hash(record)
    except ValueError:
        rest = {name: value for name, value in record.items() if name != "self_sha256"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def resealed_head(files: Files, change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The files with a changed ``dataset.json``."""
    name = next(name for name in files if name.endswith("dataset.json"))
    record = json.loads(files[name])
    change(record)
    record["self_sha256"] = loose_hash(record)
    return {**files, name: to_bytes(record) if _is_plain(record) else json.dumps(record).encode()}


def _is_plain(record: dict[str, Any]) -> bool:
    try:
        self_hash(record)
    except ValueError:
        return False
    return True


def with_blob(files: Files, record: str, kind: str, png: bytes, **facts: Any) -> dict[str, bytes]:
    """The files with another PNG under a record, whose hash and name are right."""
    import hashlib

    sha = hashlib.sha256(png).hexdigest()
    folder = record.rpartition("/")[0]

    def change(one: dict[str, Any]) -> None:
        one[kind] |= {"sha256": sha, "file": f"{kind}-{sha[:16]}.png", "bytes": len(png), **facts}

    return {**resealed(files, record, change), f"{folder}/{kind}-{sha[:16]}.png": png}


def png(rows: int, columns: int, pixels: bytes, *, depth: int = 8) -> bytes:
    """A grey PNG that announces a size, whatever its pixels are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", columns, rows, depth, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def write(folder: Path, files: Files) -> Path:
    """The files as a plain folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
