"""The members of a ZIP or TAR, one after the other, as their archive describes them: nothing is believed yet."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from src_training.exchange.archive_budget import CHUNK, Budget, Forwards, TooMuch
from src_training.regular import size_of_regular

_LARGEST_LIST = 32 << 20  # the central directory of a ZIP, which is read in one piece
_ENCRYPTED = 0x1
_PACKINGS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_KINDS = {
    stat.S_IFLNK: "is a symbolic link",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
    stat.S_IFIFO: "is a pipe",
    stat.S_IFSOCK: "is a socket",
}
_TAR_KINDS = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a pipe",
}


class NoArchive(Exception):
    """A file that is neither ZIP nor TAR."""


class Damaged(Exception):
    """An archive that contradicts itself or ends early; its text is the reason."""


@dataclass(frozen=True)
class Member:
    """A member as it is announced.

    Attributes
    ----------
    name : str
    size : int
        In bytes, as the header says.
    is_folder : bool
    odd : str or None
        Why it is neither an ordinary file nor a folder.
    chunks : callable
        Its content, piece by piece; of a TAR only while it is the newest member.
    """

    name: str
    size: int
    is_folder: bool
    odd: str | None
    chunks: Callable[[], Iterator[bytes]]


def members(archive: Path, budget: Budget) -> Iterator[Member]:
    """All members in order. Raises NoArchive, NotRegular, Damaged, TooMuch, and what zipfile and tarfile raise."""
    size_of_regular(archive)
    with archive.open("rb") as file:
        start = file.read(512)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        yield from _zip_members(archive, budget)
    elif opener := next((one for magic, one in _PACKINGS.items() if start.startswith(magic)), None):
        with opener(archive) as stream:
            yield from _tar_members(Forwards(stream, budget))
    elif start[257:262] == b"ustar" or archive.suffix.lower() == ".tar":
        with archive.open("rb") as stream:
            yield from _tar_members(Forwards(stream, budget))
    else:
        raise NoArchive


# -- ZIP -----------------------------------------------------------------------------------------------------


class _Listed(io.BufferedReader):
    """The file of a ZIP; what is asked for in one piece stays within reason."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _LARGEST_LIST:
            raise TooMuch("its list of members is larger than any data set needs")
        return super().read(size)


def _zip_members(archive: Path, budget: Budget) -> Iterator[Member]:
    with _Listed(archive.open("rb", buffering=0)) as file, zipfile.ZipFile(file) as opened:
        listed = opened.infolist()
        budget.listed(len(listed), sum(info.file_size for info in listed))
        for info in listed:
            # Up to a NUL only is what `filename` holds; the whole name is what its packer meant.
            name = info.orig_filename
            is_folder = name.endswith("/") and info.file_size == 0
            chunks = partial(_zip_chunks, opened, info, budget)
            yield Member(name, info.file_size, is_folder, _zip_odd(info), chunks)


def _zip_odd(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    # Other methods give all they have for one piece of input, however much that is.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by a method that is not read ({info.compress_type})"
    if info.filename.endswith("/") and info.file_size:
        return "is a folder that has content"
    kind = stat.S_IFMT(info.external_attr >> 16)
    return None if kind in (0, stat.S_IFREG, stat.S_IFDIR) else _KINDS.get(kind, "is no ordinary file")


def _zip_chunks(opened: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Iterator[bytes]:
    with opened.open(info) as stream:
        while chunk := stream.read(CHUNK):
            budget.came_out(len(chunk))
            yield chunk


# -- TAR -----------------------------------------------------------------------------------------------------


def _tar_members(stream: Forwards) -> Iterator[Member]:
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as opened:
        while (info := opened.next()) is not None:
            cast(Any, opened).members.clear()  # tarfile keeps them all
            yield Member(
                info.name, info.size, info.isdir(), _tar_odd(info), partial(_tar_chunks, stream, info)
            )
            stream.next_member()
    # What is no header ends the list for tarfile, without a word.
    if stream.last.strip(b"\0") or len(stream.last) < tarfile.BLOCKSIZE:
        raise Damaged("it is damaged or ends early")
    while rest := stream.chunk(CHUNK):
        if rest.strip(b"\0"):
            raise Damaged("something follows after its end")


def _tar_odd(info: tarfile.TarInfo) -> str | None:
    if info.isdir():
        return None
    if info.size < 0 or info.issparse():
        return "is a file with holes"
    return None if info.isreg() else _TAR_KINDS.get(info.type, "is no ordinary file")


def _tar_chunks(stream: Forwards, info: tarfile.TarInfo) -> Iterator[bytes]:
    stream.seek(info.offset_data)
    left = info.size
    while left:
        chunk = stream.chunk(left)
        if not chunk:
            raise Damaged("it ends early")
        left -= len(chunk)
        yield chunk
