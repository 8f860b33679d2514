"""Folders from elsewhere are never left: below a confined root no link is followed, by whomever, for whatever.

A workspace travels, so that a folder or file of it may be a link to the user's own. Whoever opens one confines it;
from then on each name on the way from the root is opened relative to the folder before it, and none may be a link.
Paths outside of confined roots, and the way to a root, are the user's own choice and are opened as usual. The roots are
those of the process, and not an argument of each call, because a call that forgot it would follow links.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Windows knows no opening relative to a folder: names are looked at before they are used.
_BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
# Linux alone can name a folder that one may enter and not list.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would rewrite line ends
# Reparse points of Windows that lead elsewhere; others are files that a cloud drive brings when they are read.
_LEADS_ELSEWHERE = (0xA000000C, 0xA0000003)  # symbolic link, junction
_LINK_MET = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK, getattr(errno, "EFTYPE", errno.ELOOP))

#: Folders in folders that `walk` enters; a workspace of ours has six.
DEEPEST = 32

#: What is said of a link.
LINK = "{} is a link, and none is followed here"

_roots: Counter[str] = Counter()  # how often each was confined
_counting = threading.Lock()


class Leads(OSError):
    """A link, or a name that climbs, in a place where none is followed; ``strerror`` names it within its root."""

    def __init__(self, reason: str, path: str | Path) -> None:
        super().__init__(errno.ELOOP, reason, str(path))


def confine(root: str | Path) -> Path:
    """Never again leave this folder by a link below it; its absolute path, by which it is confined."""
    path = Path(_absolute(Path(root).absolute()))
    with _counting:
        _roots[_key(path)] += 1
    return path


@contextlib.contextmanager
def confining(root: str | Path) -> Iterator[Path]:
    """`confine`, unless what is done meanwhile fails: a folder that is no workspace stays the user's own, links too."""
    path = confine(root)
    try:
        yield path
    except BaseException:
        with _counting:
            _roots[_key(path)] -= 1
            if not _roots[_key(path)]:
                del _roots[_key(path)]
        raise


def is_confined(path: Path) -> bool:
    """Whether a path lies below a confined root."""
    return _root_of(path) is not None


def open_below(path: Path, flags: int, mode: int = 0o666) -> int:
    """`os.open` that follows no link below a confined root. Raises `Leads`, and OSError as usual."""
    no_link = _NO_LINK if is_confined(path) else 0
    return _at(
        path, lambda name, folder: os.open(name, flags | no_link | _BINARY, mode, dir_fd=folder), itself=True
    )


def status(path: Path) -> os.stat_result:
    """`os.stat`; below a confined root that of a link is its own. Raises `Leads`, and OSError as usual."""
    follow = not is_confined(path)
    return _at(path, lambda name, folder: os.stat(name, dir_fd=folder, follow_symlinks=follow))


def is_file(path: Path) -> bool:
    """Whether it is an ordinary file, and below a confined root no link to one."""
    facts = _status_or_none(path)
    return facts is not None and stat.S_ISREG(facts.st_mode) and not _is_junction(path, facts)


def is_folder(path: Path) -> bool:
    """Whether it is a folder, and below a confined root no link to one."""
    facts = _status_or_none(path)
    return facts is not None and stat.S_ISDIR(facts.st_mode) and not _is_junction(path, facts)


def is_there(path: Path) -> bool:
    """Whether anything has this name; below a confined root a link has it, wherever it leads."""
    return _status_or_none(path) is not None


def names_in(folder: Path) -> list[str]:
    """`os.listdir`, sorted. Raises `Leads`, and OSError as usual."""
    if not _BY_DESCRIPTOR or not is_confined(folder):
        return _at(folder, lambda name, _: sorted(os.listdir(name)), itself=True)
    descriptor = open_below(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return sorted(os.listdir(descriptor))
    finally:
        os.close(descriptor)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """`os.mkdir`. Raises `Leads`, and OSError as usual."""
    _at(path, lambda name, folder: os.mkdir(name, mode, dir_fd=folder))


def remove(path: Path) -> None:
    """`os.unlink`: of a link itself. Raises `Leads`, and OSError as usual."""
    _at(path, lambda name, folder: os.unlink(name, dir_fd=folder))


def remove_tree(path: Path) -> None:
    """`shutil.rmtree` without a word about what stays; it enters no link, and may leave what nobody nests so deeply."""
    with contextlib.suppress(OSError, RecursionError):
        _at(path, lambda name, folder: shutil.rmtree(name, ignore_errors=True, dir_fd=folder), itself=True)


def rename(path: Path, to: Path) -> None:
    """`os.replace`: of a link itself. Raises `Leads`, and OSError as usual."""
    _named(os.replace, path, to)


def rename_new(path: Path, to: Path) -> None:
    """`os.rename`, which fails on Windows where the name is taken, and elsewhere for a folder onto a full one.

    Raises `Leads`, and OSError as usual.
    """
    _named(os.rename, path, to)


def link(path: Path, to: Path) -> None:
    """`os.link`: a second name for a file, FileExistsError where it is taken. Raises `Leads`, and OSError as usual."""
    _named(os.link, path, to)


def leads_elsewhere(facts: os.stat_result) -> bool:
    """Whether what was looked at is a link, or on Windows a junction."""
    return stat.S_ISLNK(facts.st_mode) or getattr(facts, "st_reparse_tag", 0) in _LEADS_ELSEWHERE


def walk(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below a folder, folders before what is in them; links are told and not entered.

    Nor are folders that lie `DEEPEST` deep, which only somebody made who wants whoever walks to be long about it. What
    cannot be looked at is passed over.
    """
    waiting = [(root, 1)]
    while waiting:
        folder, depth = waiting.pop()
        for name, facts in _listed(folder):
            yield folder / name, facts
            if stat.S_ISDIR(facts.st_mode) and not leads_elsewhere(facts) and depth < DEEPEST:
                waiting.append((folder / name, depth + 1))


def odd_in(root: Path) -> Iterator[tuple[Path, str, bool]]:
    """Every link below a folder, and every folder that `walk` does not enter; what is said of it; if it is a link."""
    for path, facts in walk(root):
        where = path.relative_to(root)
        if leads_elsewhere(facts):
            yield path, LINK.format(where), True
        elif stat.S_ISDIR(facts.st_mode) and len(where.parts) >= DEEPEST:
            top = os.sep.join(where.parts[:2])
            yield path, f"{top}: folders nested more than {DEEPEST} deep in it are not looked into", False


# -- inside --------------------------------------------------------------------------------------------------


def _listed(folder: Path) -> list[tuple[str, os.stat_result]]:
    """What lies in a folder, sorted; the way to it is gone once, not for every name."""
    if not _BY_DESCRIPTOR:
        return _looked_at(folder)
    try:
        descriptor = open_below(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    found = []
    try:
        for entry in sorted(os.scandir(descriptor), key=lambda one: one.name):
            with contextlib.suppress(OSError):
                found.append((entry.name, entry.stat(follow_symlinks=False)))
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return found


def _looked_at(folder: Path) -> list[tuple[str, os.stat_result]]:
    try:
        names = names_in(folder)
    except OSError:
        return []
    found = []
    for name in names:
        with contextlib.suppress(OSError):
            found.append((name, os.lstat(folder / name)))
    return found


def _key(root: Path) -> str:
    """The root of a drive, a stick's or a share's, ends with a separator, and no other folder does."""
    return str(root).removesuffix(os.sep)


def _root_of(path: Path) -> str | None:
    """The outermost confined root that a path lies below; a root itself is the user's own choice."""
    text, end = _absolute(path), -1
    while (end := text.find(os.sep, end + 1)) >= 0:
        if text[:end] in _roots and text[end + 1 :]:
            return text[:end]
    return None


def _absolute(path: Path) -> str:
    """An absolute path. Of one that a person gave who is in a folder, the ``..`` that lead up from there are gone.

    They climb out of a root without entering it, if that person is in a workspace: the path of the folder that we are
    in has no link in it.
    """
    text = os.fspath(path)
    if os.path.isabs(text) and os.pardir not in text:
        return text
    try:
        here = os.getcwd()
    except OSError:  # removed meanwhile
        if os.path.isabs(text):
            return text
        raise
    text = os.path.join(here, text)
    while (text + os.sep).startswith(up := os.path.join(here, os.pardir, "")):
        here = os.path.dirname(here)
        text = os.path.join(here, rest) if (rest := text[len(up) :]) else here
    return text


def _named(give: Callable[..., None], path: Path, to: Path) -> None:
    def given(name: str, folder: int | None, new: str, other: int | None) -> None:
        descriptors = {} if folder is other is None else {"src_dir_fd": folder, "dst_dir_fd": other}
        give(name, new, **descriptors)

    _at(path, lambda name, folder: _at(to, lambda new, other: given(name, folder, new, other)))


def _status_or_none(path: Path) -> os.stat_result | None:
    try:
        return status(path)
    except ValueError:  # no name of a file
        return None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _is_junction(path: Path, facts: os.stat_result) -> bool:
    return leads_elsewhere(facts) and is_confined(path)


def _at(path: Path, do: Callable[[str, int | None], Any], *, itself: bool = False) -> Any:
    """``do(name, descriptor of its folder)``, reached without a link; ``do(path, None)`` where nothing is confined.

    ``itself``: nor may the last name be a link, where ``do`` cannot see to that because there are no descriptors.
    """
    root = _root_of(path)
    if root is None:
        return do(os.fspath(path), None)
    text = _absolute(path)
    parts = [part for part in text[len(root) :].split(os.sep) if part]
    if os.pardir in parts:
        raise Leads(f"{'/'.join(parts)} climbs out of its folder", text)
    with _naming(text):
        if _BY_DESCRIPTOR:
            return _by_descriptor(root, parts, do)
        _look_at_each(root, parts if itself else parts[:-1])
        return do(text, None)


def _by_descriptor(root: str, parts: list[str], do: Callable[[str, int | None], Any]) -> Any:
    folder = os.open(root + os.sep, _FOLDER)
    try:
        for depth, name in enumerate(parts[:-1], 1):
            with _explaining(name, folder, parts[:depth]):
                inner = os.open(name, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        with _explaining(parts[-1], folder, parts):
            return do(parts[-1], folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _explaining(name: str, folder: int, parts: list[str]) -> Iterator[None]:
    """`Leads` in an error's place where a link was the reason: systems have several numbers for that."""
    try:
        yield
    except OSError as error:
        if error.errno in _LINK_MET and not isinstance(error, Leads) and _is_link(name, folder):
            raise Leads(_reason(parts), name) from error
        raise


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _look_at_each(root: str, parts: list[str]) -> None:
    """Without descriptors: no name on the way is a link, at least now."""
    for depth in range(1, len(parts) + 1):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if leads_elsewhere(os.lstat(os.path.join(root + os.sep, *parts[:depth]))):
                raise Leads(_reason(parts[:depth]), os.path.join(root + os.sep, *parts))


def _reason(parts: list[str]) -> str:
    return LINK.format("/".join(parts))


@contextlib.contextmanager
def _naming(text: str) -> Iterator[None]:
    """An error tells the whole path, as it does without descriptors."""
    try:
        yield
    except OSError as error:
        error.filename = text
        raise
