"""The only place that writes durably: what these functions have written survives a crash and a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from src_training import confined
from src_training.json_objects import json_bytes
from src_training.regular import read_regular

# Some network file systems cannot sync a directory; there the rename is as durable as it gets.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
# Drives without a way to empty their cache, such as a network's.
_CANNOT_FLUSH = _CANNOT_SYNC | {errno.ENOTTY}
_WINDOWS = os.name == "nt"
# A pipe in a file's place would make us wait for whoever reads it.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
# Our own reasons: the system's words for these numbers would mislead.
_OWN_REASONS = (errno.ELOOP, errno.EMLINK, errno.EINVAL)
# File systems without a second name for a file: sticks, some network drives.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
# What a folder's rename answers where a folder with something in it, or a file, has the name already.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
_LARGEST_CLAIM = 1 << 28
# On Windows a file that somebody has open, such as a virus scanner, takes no new content until it is closed.
_HELD_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def write_new(path: Path, data: bytes, *, sync: bool = True, private: bool = False) -> None:
    """Create ``path`` with ``data``, whole or not at all; of several who do so at once, one succeeds.

    Parameters
    ----------
    path : Path
        In an existing folder. If it already holds equal data, that is success.
    sync : bool
        False leaves the folder's sync to the caller: the content is durable, its name is not yet.
    private : bool
        Readable by the user only.

    Raises
    ------
    FileExistsError
        ``path`` holds something else; it is left as it is.
    OSError
        Disk full, read-only…; nothing visible has changed.
    """
    try:
        if confined.is_there(path):  # spares the writing; who comes between is met by the name itself
            raise FileExistsError
        _publish_new(path, data, 0o600 if private else 0o666)
    except FileExistsError:
        _check_equal(path, data)
    if sync:
        sync_dir(path.parent)


def replace(path: Path, data: bytes, *, private: bool = False) -> None:
    """Give ``path`` new content atomically: a reader sees the old or the new, never a mixture.

    ``private``: readable by the user only, from now on.
    """
    _publish(path, data, 0o600 if private else 0o666, disk.rename)
    sync_dir(path.parent)


def claim(folder: Path, name: str, data: bytes) -> None:
    """Create ``folder`` with one file in it, whole or not at all; of several who do so at once, one succeeds.

    A folder's rename onto one with something in it fails on every file system and network drive, which cannot
    be said of hard links or locks; and who is killed leaves nothing that another would have to wait for.
    ``data`` must be like no other's, since equal data is one's own.

    Raises
    ------
    FileExistsError
        Another one was first: nothing has changed.
    OSError
        Disk full, read-only…
    """
    staged = _temporary(folder)
    try:
        disk.mkdir(staged)
        _write(staged / name, data, 0o666)
        sync_dir(staged)
        try:
            disk.rename_dir(staged, folder)
        except (FileExistsError, FileNotFoundError):
            # A network drive that asks twice, for want of an answer, is told no by its own success.
            if not _holds(folder / name, data):
                raise
        sync_dir(folder.parent)
    except BaseException:
        confined.remove_tree(staged)
        raise


def rename(path: Path, to: Path) -> None:
    """Give a file another name in its folder, which takes no space on most file systems."""
    disk.rename(path, to)
    sync_dir(to.parent)


def append_line(path: Path, record: dict[str, Any], *, sync: bool = False) -> None:
    """Append one JSON line in a single write; a torn line of an earlier crash is closed first.

    Raises OSError, also where the file has a second name: that of another file of the user's, as it may be.
    """
    line = json_bytes(record, allow_nan=False) + b"\n"
    fd = open_to_append(path)
    with _closing(fd):
        if (size := os.lseek(fd, 0, os.SEEK_END)) > 0:
            os.lseek(fd, size - 1, os.SEEK_SET)
            line = line if os.read(fd, 1) == b"\n" else b"\n" + line
        disk.write(fd, line)
        if sync:
            disk.sync(fd)


def open_to_append(path: Path) -> int:
    """A descriptor of an ordinary file, made if there is none, that has no other name. OSError as `append_line`."""
    fd = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _AT_ONCE)
    try:
        check_sole(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def shorten(path: Path, size: int) -> None:
    """Cut an ordinary file, which has no other name, to ``size`` bytes. OSError as `append_line`."""
    # Not through `disk`: space comes back, and no full disk refuses that.
    fd = confined.open_below(path, os.O_RDWR | _AT_ONCE)
    with _closing(fd):
        check_sole(fd, path)
        os.ftruncate(fd, size)


def check_sole(fd: int, path: Path) -> None:
    """Raise OSError unless a descriptor is of an ordinary file, and below a confined root has one name only.

    So that writing changes nothing else; outside of workspaces second names are the user's own choice.
    """
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "not an ordinary file", str(path))
    if facts.st_nlink > 1 and confined.is_confined(path):
        raise OSError(errno.EMLINK, "has a second name (a hard link)", str(path))


def make_dir(path: Path, *, below: Path | None = None, private: bool = False) -> None:
    """Create a folder and its missing parents, each made durable in its own parent.

    With ``below``, all folders between it and ``path`` are synced even where they exist already: whoever
    made them may not have come to it. ``private``: what is made is the user's only, whatever the umask.
    """
    if path == below or (below is None and confined.is_folder(path)):
        return
    if path.parent == path:  # a drive that is not there
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    make_dir(path.parent, below=below, private=private)
    with contextlib.suppress(FileExistsError):
        disk.mkdir(path, 0o700 if private else 0o777)
    sync_dir(path.parent)


def publish_dir(staged: Path, path: Path) -> None:
    """Give a finished folder its name, in one step; ``FileExistsError`` if a non-empty folder has it already."""
    sync_dir(staged)
    disk.rename_dir(staged, path)
    sync_dir(path.parent)


def sync_dir(path: Path) -> None:
    """Make the names in a folder durable, where folders can be synced."""
    try:
        disk.sync_dir(path)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, has no space left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def cure_for(error: OSError) -> str:
    """What went wrong with the disk, and what to do: two short sentences without a path."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _OWN_REASONS and error.strerror:
        return f"{error.strerror}. Put the file or folder itself in its place."
    if error.errno == errno.EOVERFLOW and error.strerror not in (None, reason):  # of a ledger
        return f"{error.strerror}. Nothing of ours counts so far: move it out of the workspace and try again."
    if is_full(error):
        return f"{reason}. Free some space and try again."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{reason}. Ask for read and write permission, or use a folder that you may use."
    if error.errno == errno.ENAMETOOLONG:
        return f"{reason}. Use a shorter one."
    return f"{reason}. Check the disk and try again."


def cure_for_reading(error: OSError) -> str:
    """Why a file or folder cannot be read, and what to do: two short sentences without a path."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{os.strerror(error.errno)}. Ask for read permission."
    return cure_for(error)


class Disk:
    """The operations that every durable write is made of; tests put a disk in its place that fails."""

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        """Open for writing; the descriptor."""
        return confined.open_below(path, flags, mode)

    def write(self, fd: int, data: bytes) -> None:
        """Write all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]

    def sync(self, fd: int) -> None:
        """Make a file's content durable."""
        _flush(fd)

    def rename(self, temporary: Path, path: Path) -> None:
        """Give a finished file its name, atomically; on Windows once nobody has the former one open any more."""
        _once_let_go(lambda: confined.rename(temporary, path))

    def rename_new(self, temporary: Path, path: Path) -> None:
        """Give a finished file a name that nobody has, atomically; FileExistsError when somebody has it."""
        if _WINDOWS:  # where a rename is refused then
            _once_let_go(lambda: confined.rename_new(temporary, path))
            return
        confined.link(temporary, path)
        with contextlib.suppress(OSError):  # what is left is a left-over like any other
            confined.remove(temporary)

    def rename_dir(self, staged: Path, path: Path) -> None:
        """Give a folder with something in it its name, atomically; FileExistsError when another such one has it."""

        def attempt() -> None:
            try:
                confined.rename_new(staged, path)
            except OSError as error:
                if error.errno in _TAKEN or (_WINDOWS and confined.is_there(path)):
                    raise FileExistsError(errno.EEXIST, "exists already", str(path)) from error
                raise

        _once_let_go(attempt)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        """Create one folder."""
        confined.make_folder(path, mode)

    def sync_dir(self, path: Path) -> None:
        """Make the names in a folder durable; Windows has no such call and needs none."""
        if _WINDOWS:
            return
        fd = confined.open_below(path, os.O_RDONLY)
        with _closing(fd):
            _flush(fd)


disk = Disk()


def _publish(path: Path, data: bytes, mode: int, name: Callable[[Path, Path], None]) -> None:
    temporary = _temporary(path)
    try:
        _write(temporary, data, mode)
        name(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            confined.remove(temporary)
        raise


def _publish_new(path: Path, data: bytes, mode: int) -> None:
    try:
        _publish(path, data, mode, disk.rename_new)
    except OSError as error:
        if error.errno not in _NO_LINKS or _WINDOWS:
            raise
        _publish_claimed(path, data, mode)


def _publish_claimed(path: Path, data: bytes, mode: int) -> None:
    """The same without hard links: a folder beside it, claimed with the content, says whose content it will be.

    Who finds the claim of one who was killed writes that one's content, so that nobody waits and none is lost.
    """
    taken = path.with_name(f".{path.name}.claim")
    wanted = data
    try:
        claim(taken, "content", data)
    except FileExistsError:
        try:
            wanted = read_regular(taken / "content", _LARGEST_CLAIM)
        except FileNotFoundError:  # its holder has just come through
            if confined.is_there(path):
                raise FileExistsError(errno.EEXIST, "exists already", str(path)) from None
            raise
    there = confined.is_there(path)  # asked after the claim: a claim is given up only once the file is there
    if not there:
        _publish(path, wanted, mode, disk.rename)
        sync_dir(path.parent)
    confined.remove_tree(taken)
    if there or wanted != data:
        raise FileExistsError(errno.EEXIST, "exists already", str(path))


def _temporary(path: Path) -> Path:
    # The random part keeps writers apart; the leading dot and the end mark it as a left-over if we die.
    return path.with_name(f".{secrets.token_hex(8)}.tmp")


def _write(path: Path, data: bytes, mode: int) -> None:
    fd = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with _closing(fd):
        disk.write(fd, data)
        disk.sync(fd)


def _once_let_go(act: Callable[[], None]) -> None:
    """On Windows a file that a virus scanner has open is refused for a moment."""
    pauses = iter(_HELD_S if _WINDOWS else ())
    while True:
        try:
            act()
            return
        except PermissionError:
            if (pause := next(pauses, None)) is None:
                raise
        time.sleep(pause)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return read_regular(path, len(data)) == data
    except OSError:
        return False


def _check_equal(path: Path, data: bytes) -> None:
    facts = confined.status(path)
    same_size = stat.S_ISREG(facts.st_mode) and facts.st_size == len(data)
    if not same_size or read_regular(path, len(data)) != data:
        raise FileExistsError(errno.EEXIST, "exists with other content", str(path))


def _flush(fd: int) -> None:
    """Down to the medium. macOS's fsync stops at the drive's cache, which a power cut empties."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in _CANNOT_FLUSH:
                raise
    os.fsync(fd)


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(fd)
