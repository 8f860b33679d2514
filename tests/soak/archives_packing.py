"""Archives that are hostile as such: names that are none, members that are no files, lists that lie, bombs."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import archive_files as made
from archive_files import header, named, raw_tar, special, tar_of, zip_of
from archives_sandbox import MIB, Attempt, Files, Sandbox
from soak_table import Size

from src_training.exchange.archive_budget import MEMBERS


def packing(
    pack: Callable[..., Path], files: Mapping[str, bytes], *more: tuple[Any, bytes]
) -> Callable[[Path], Path]:
    """What builds an archive of these files, and more members, in a folder."""
    return lambda home: pack(home / "archive", *files.items(), *more)


def named_badly(box: Sandbox, every: int) -> Iterator[Attempt]:
    """The sound dataset, and with it a member whose name is none."""
    names = [name.format(out=box.canary) for name in made.BAD_NAMES]
    for at, name in enumerate(names):
        for kind, pack in (("zip", zip_of), ("tar", tar_of)):
            if at < 2 or (at + (kind == "tar")) % every == 0:
                yield Attempt(f"{kind} {name!r}", packing(pack, box.files, (name, b"x")))
    yield Attempt("zip NUL", packing(zip_of, box.files, ("a\0b", b"x")))
    long = tarfile.TarInfo("a")
    long.pax_headers = {"path": "../x"}
    yield Attempt("tar: pax path ..", packing(tar_of, box.files, (long, b"x")))
    nul = tarfile.TarInfo("a")
    nul.pax_headers = {"path": "a\0b"}
    yield Attempt("tar: pax path NUL", packing(tar_of, box.files, (nul, b"x")))
    for at, (first, second) in enumerate(made.CLASHES):
        for kind, pack in (("zip", zip_of), ("tar", tar_of)):
            if every == 1 or at % 2 == (kind == "tar"):
                more = (first, b"x"), (second, b"y")
                yield Attempt(f"{kind} {first!r}, {second!r}", packing(pack, box.files, *more))


def odd_zips(box: Sandbox) -> Iterator[Attempt]:
    """Members that are no files, and lists that lie."""
    files, canary = box.files, str(box.canary).encode()
    link = named("link", stat.S_IFLNK | 0o777)
    yield Attempt("zip: link to a folder", packing(zip_of, files, (link, canary), ("link/x", b"x")))
    for kind, mode in (
        ("link", stat.S_IFLNK),
        ("pipe", stat.S_IFIFO),
        ("device", stat.S_IFCHR),
        ("disk", stat.S_IFBLK),
    ):
        yield Attempt(
            f"zip: {kind}", packing(zip_of, files, (named("odd", mode | 0o644), canary + b"/secret.png"))
        )
    yield Attempt("zip: socket", packing(zip_of, files, (named("odd", stat.S_IFSOCK | 0o644), b"")))
    yield Attempt("zip: folder with content", packing(zip_of, files, ("d/", b"x")))
    yield Attempt("zip: no name", packing(zip_of, files, (".", b"x")))
    yield Attempt(
        "zip: locked",
        lambda home: made.locked(packing(zip_of, files, ("lockedfile", b"x"))(home), "lockedfile"),
    )
    for kind, packed in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        pack = functools.partial(zip_of, packed=packed)
        yield Attempt(f"zip: {kind}", packing(pack, files))
    stored = functools.partial(zip_of, packed=zipfile.ZIP_STORED)
    mark = b"0123456789abcdef" * 4
    whole = packing(stored, files, ("mark", mark))
    yield Attempt("zip: content changed", lambda home: made.changed(whole(home), mark, mark[::-1]))
    yield Attempt("zip: two names for one", lambda home: _renamed_in_list(whole(home)))
    for part in (0.3, 0.6, 0.9, 0.99):
        yield Attempt(f"zip: {part} of it", lambda home, part=part: _cut(whole(home), part))
    yield Attempt("zip: longer than it is", lambda home: _announcing(whole(home), "mark", 999_999))
    yield Attempt("zip: in a zip", lambda home: zip_of(home / "a", ("inner.zip", whole(home).read_bytes())))
    yield Attempt("no archive: text", lambda home: _file(home, b"a letter\n" * 99))
    yield Attempt("no archive: nothing", lambda home: _file(home, b""))
    yield Attempt("no archive: a ZIP's first bytes", lambda home: _file(home, b"PK\3\4" + os.urandom(5000)))
    yield Attempt("no archive: rar", lambda home: _file(home, b"Rar!\x1a\7\1\0" + bytes(600)))
    yield Attempt("zip: empty", packing(zip_of, {}))


def odd_tars(box: Sandbox, modes: Sequence[str]) -> Iterator[Attempt]:
    """The same in a tar, packed in each of the modes, and blocks that no program writes."""
    files, canary = box.files, str(box.canary)
    kinds = {
        "link": (tarfile.SYMTYPE, f"{canary}/secret.png"),
        "hard link": (tarfile.LNKTYPE, f"{canary}/secret.png"),
        "hard link inside": (tarfile.LNKTYPE, next(iter(files))),
        "device": (tarfile.CHRTYPE, ""),
        "disk": (tarfile.BLKTYPE, ""),
        "pipe": (tarfile.FIFOTYPE, ""),
        "unknown": (b"Z", ""),
    }
    for kind, (code, target) in kinds.items():
        for mode in modes:
            pack = functools.partial(tar_of, mode=mode)
            yield Attempt(f"tar {mode}: {kind}", packing(pack, files, (special("odd", code, target), b"")))
    through = ((special("link", tarfile.SYMTYPE, canary), b""), ("link/x", b"x"))
    yield Attempt("tar: through a link", packing(tar_of, files, *through))
    blocks = {
        "file with holes": (header("holes", 0, b"S"),),
        "size below 0": (header("a", -512),),
        "size far below 0": (header("a", -(1 << 40)),),
        "size beyond its end": (header("a", 1 << 40),),
        "longest name below 0": (header("././@LongLink", -512, b"L"),),
        "damaged in the middle": (b"\1" * 512, header("a", 0)),
        "second archive": (bytes(1024), header("b", 0)),
        "5,000 names for one": (
            *[header("././@LongLink", 2, b"L") + b"a\0".ljust(512, b"\0")] * 5000,
            header("a", 0),
        ),
        "pax of nonsense": (header("x", 512, b"x") + b"99999 path=a\n".ljust(512, b"\0"), header("a", 0)),
        "pax sparse": (
            _pax(b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.realsize=9"),
            header("a", 0),
        ),
        "pax sizes below 0": (_pax(b"size=-5"), header("a", 0)),
        "pax size beyond": (_pax(b"size=99999999999999"), header("a", 0)),
    }
    for kind, parts in blocks.items():
        yield Attempt(f"tar: {kind}", lambda home, parts=parts: raw_tar(home / "a", files, *parts))
    yield Attempt("tar: no end", lambda home: raw_tar(home / "a", files, end=False))
    for mode in modes:
        whole = packing(functools.partial(tar_of, mode=mode), files)
        for part in (0.2, 0.4):
            yield Attempt(
                f"tar {mode}: {part} of it", lambda home, whole=whole, part=part: _cut(whole(home), part)
            )
    twice = packing(tar_of, files)
    yield Attempt("tar: packed twice", lambda home: _file(home, gzip.compress(twice(home).read_bytes())))
    yield Attempt("gz: no tar", lambda home: _file(home, gzip.compress(b"a letter" * 999)))
    yield Attempt("tar.gz: checksum", lambda home: _flipped(twice(home), -6))


def bombs(box: Sandbox, size: Size) -> Iterator[Attempt]:
    """Archives that give far more than they are, whatever they announce."""
    files, much = box.files, bytes(80 * MIB)
    yield Attempt(
        "overlapping zip", lambda home: made.overlapping_zip(home / "a", files, copies=300, kernel=MIB // 4)
    )
    yield Attempt(
        "tar: endless name", lambda home: raw_tar(home / "a", files, header("L", len(much), b"L"), much)
    )
    yield Attempt("tar: bomb after its end", lambda home: raw_tar(home / "a", files, bytes(1024), much))
    if size == "quick":
        return
    yield Attempt("zip bomb", packing(zip_of, files, ("zeros", bytes(300 * MIB))))
    yield Attempt("list of a zip", lambda home: _many_members(home / "a", files, MEMBERS + 1))
    yield Attempt(
        "zip announcing a terabyte",
        lambda home: _announcing(zip_of(home / "a", *files.items(), ("z", much)), "z", 1 << 31),
    )

    def plain(home: Path) -> bytes:
        return gzip.decompress(raw_tar(home / "p", files, header("z", len(much)), much).read_bytes())

    for kind, squeeze in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        yield Attempt(f"tar.{kind} bomb", lambda home, squeeze=squeeze: _file(home, squeeze(plain(home))))
    yield Attempt(
        "tar: endless pax header", lambda home: raw_tar(home / "a", files, header("x", len(much), b"x"), much)
    )
    yield Attempt(
        "tar: endless list of holes", lambda home: raw_tar(home / "a", files, _holes(), b"0\n" * (20 * MIB))
    )
    folders = header("d/", 0, b"5") * 50_000
    yield Attempt(
        "tar of folders",
        lambda home: raw_tar(home / "a", files, *[folders] * (MEMBERS // 50_000), folders[:512]),
    )


def _pax(*facts: bytes) -> bytes:
    body = b"".join(f"{len(fact) + 4:02d} ".encode() + fact + b"\n" for fact in facts)
    return header("x", len(body), b"x") + body.ljust(512, b"\0")


def _holes() -> bytes:
    facts = (b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.realsize=9")
    return _pax(*facts) + header("holes", 40 * MIB) + b"20000000\n".ljust(512, b"1")


# -- damage to whole archives --------------------------------------------------------------------------------


def _file(home: Path, data: bytes) -> Path:
    path = home / "archive.bin"
    path.write_bytes(data)
    return path


def _cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def _flipped(path: Path, at: int) -> Path:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)
    return path


def _renamed_in_list(path: Path) -> Path:
    """The list of a ZIP names its last member otherwise than the member itself."""
    data = bytearray(path.read_bytes())
    at = data.rfind(b"mark")
    data[at : at + 4] = b"spot"
    path.write_bytes(data)
    return path


def _announcing(path: Path, name: str, size: int) -> Path:
    """The list of a ZIP says that its last member is so long."""
    data = bytearray(path.read_bytes())
    at = data.rfind(name.encode(), 0, len(data) - 22) - 46
    data[at + 24 : at + 28] = min(size, (1 << 32) - 2).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def _many_members(path: Path, files: Files, count: int) -> Path:
    return zip_of(
        path, *files.items(), *((f"m{number}", b"") for number in range(count)), packed=zipfile.ZIP_STORED
    )
