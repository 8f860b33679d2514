"""Which names mean one thing: masks, annotations and rows of a table are matched to images here, one to one.

A match is as good as its worst part: the name itself (equal; written with %20; in another case; with other leading
zeros), its ending, and how many folders above it are the same. What is better in no respect does not win: a name
that could mean two things means neither.
"""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from src_training.cine.beside import MASK_END
from src_training.cine.sniff import SUFFIXES, same_name

_ENDINGS = (
    *SUFFIXES,
    ".nii.gz",
    ".nii",
    ".seg.nrrd",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".json",
    ".txt",
    ".xml",
    ".gif",
    ".jp2",
)
_PLAIN_MASK_END = re.compile(r"[_\-. ]masks?$", re.IGNORECASE)
# Folders that say what kind of file lies in them, not which run or patient it is of.
_SAYS_NOTHING = frozenset(
    ("images", "image", "imgs", "masks", "mask", "labels", "label", "annotations", "segmentations")
    + ("default", "frames", "data", ".", "..")
)
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_DRIVE = re.compile(r"[A-Za-z]:")

_Rank = tuple[int, ...]  # less is better, in every place of it; the first comes before the others


@dataclass(frozen=True)
class Name:
    """A file as it is called: ``leaf``, the ``folders`` that it is in, and those ``around`` the chosen folder.

    ``folders`` of two names may not contradict each other; ``around`` only speaks for a match.
    """

    leaf: str
    folders: tuple[str, ...] = ()
    around: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a message writes it."""
        return "/".join((*self.folders, self.leaf))


@dataclass
class Matching:
    """What was asked for and what is there, as places in their lists.

    Attributes
    ----------
    pairs : (asked, there), both once at most
    ambiguous : asked → those there that it could mean
    contested : there → those asked that could all mean it
    unmatched : asked that mean nothing there, or what another one means more exactly
    """

    pairs: list[tuple[int, int]] = field(default_factory=list)
    ambiguous: dict[int, list[int]] = field(default_factory=dict)
    contested: dict[int, list[int]] = field(default_factory=dict)
    unmatched: list[int] = field(default_factory=list)


def written(text: str) -> Name:
    """The name that stands in a file, with slashes of either kind."""
    parts = [part for part in re.split(r"[\\/]", text.strip()) if part and not _DRIVE.fullmatch(part)]
    return Name(parts[-1], tuple(parts[:-1])) if parts else Name("")


def lying(path: Path, folder: Path) -> Name:
    """The name of a file that lies in ``folder`` or below."""
    inside = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
    inside = inside or (path.name,)
    return Name(inside[-1], inside[:-1], folder.absolute().parts[1:])


def common_folder(paths: Sequence[Path]) -> Path:
    """The lowest folder that holds all of them."""
    return Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()


def match(asked: Sequence[Name], there: Sequence[Name], *, masks: bool = False) -> Matching:
    """What each of the names ``asked`` for means of those ``there``.

    ``masks``: the ones asked for are masks, whose own ending says nothing and which may be called ``<stem>_mask``.
    """
    by_key: defaultdict[str, list[int]] = defaultdict(list)
    for at, name in enumerate(there):
        by_key[_loosest(stem(name.leaf))].append(at)
    matching = Matching()
    claims: defaultdict[int, list[tuple[int, _Rank]]] = defaultdict(list)
    for at, name in enumerate(asked):
        ranked = _candidates(name, there, by_key, masks)
        best = _best(ranked)
        for candidate in best:
            # That a mask says what it is, is no worse a name for it.
            identical, _, *rest = ranked[candidate]
            claims[candidate].append((at, (identical, *rest)))
        if len(best) > 1:
            matching.ambiguous[at] = sorted(best)
    for claimed, claimants in sorted(claims.items()):
        best = _best(dict(claimants))
        if len(best) > 1:
            matching.contested[claimed] = sorted(best)
        elif best[0] not in matching.ambiguous:
            matching.pairs.append((best[0], claimed))
    placed = {at for at, _ in matching.pairs} | set(matching.ambiguous)
    placed.update(at for several in matching.contested.values() for at in several)
    matching.unmatched = [at for at in range(len(asked)) if at not in placed]
    matching.pairs.sort()
    return matching


def stem(leaf: str) -> str:
    """A name without the ending of a kind that is known: the last number of a UID is none."""
    lower = leaf.lower()
    ending = max((end for end in _ENDINGS if lower.endswith(end)), key=len, default="")
    return leaf[: len(leaf) - len(ending)] if len(ending) < len(leaf) else leaf


def masks_among(leaves: Iterable[str]) -> set[str]:
    """Which names of one folder are masks: ``<stem>_mask``, or another mask ending beside the name without it."""
    names = list(leaves)
    bare = {_loose(stem(name)) for name in names}
    return {
        name
        for name in names
        if _PLAIN_MASK_END.search(stem(name))
        or _loose(_without_mask_end(stem(name))) in bare - {_loose(stem(name))}
    }


# -- how well two names fit ----------------------------------------------------------------------------------


def _decoded(text: str) -> str:
    return same_name(unquote(text))


@functools.lru_cache(maxsize=1 << 16)  # the same folders and names come again and again
def _loose(text: str) -> str:
    return same_name(_decoded(text).casefold())


def _loosest(text: str) -> str:
    return _LEADING_ZEROS.sub("", _loose(text))


# From the strictest on; folders are never the same but for zeros: run_1 and run_01 are two runs.
_READINGS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (same_name, same_name),
    (_decoded, _decoded),
    (_loose, _loose),
    (_loosest, _loose),
)


def _candidates(
    name: Name, there: Sequence[Name], by_key: dict[str, list[int]], masks: bool
) -> dict[int, _Rank]:
    """Those there that ``name`` could mean, with how well they fit."""
    whole = stem(name.leaf)
    stems = [whole, _without_mask_end(whole)] if masks else [whole]
    found: dict[int, _Rank] = {}
    for without_end, called in enumerate(dict.fromkeys(stems)):
        for at in by_key.get(_loosest(called), ()):
            rank = _rank(name, called, there[at], masks)
            if rank is not None:
                identical = same_name(called) == same_name(stem(there[at].leaf)) and rank[1] == 0
                identical = identical and [*map(same_name, name.folders)] == [
                    *map(same_name, there[at].folders)
                ]
                found.setdefault(at, (int(not identical), without_end, *rank))
    return found


def _rank(name: Name, called: str, other: Name, masks: bool) -> _Rank | None:
    """How loosely they are read, whether their endings differ, folders that they share; None: they do not fit."""
    one, two = _telling(name.folders), _telling(other.folders)
    shortest = min(len(one), len(two))
    ends = [folders[len(folders) - shortest :] for folders in (one, two)]
    for looseness, (read, read_folder) in enumerate(_READINGS):
        above, below = ([*map(read_folder, end)] for end in ends)
        if read(called) == read(stem(other.leaf)) and above == below:
            ending = not masks and read(name.leaf) != read(other.leaf)
            around = _telling((*name.around, *one)), _telling((*other.around, *two))
            return looseness, int(ending), -_common(*around)
    return None


def _common(one: Sequence[str], two: Sequence[str]) -> int:
    """How many of the last folders are the same."""
    count = 0
    for first, second in zip(reversed(one), reversed(two), strict=False):
        if _loose(first) != _loose(second):
            break
        count += 1
    return count


def _best(ranked: dict[int, _Rank]) -> list[int]:
    """The one that is better than all others; if there is none, those that none is better than."""
    different = set(ranked.values())
    return [at for at, rank in ranked.items() if not any(_beats(other, rank) for other in different)]


def _beats(one: _Rank, other: _Rank) -> bool:
    if one[0] != other[0]:
        return one[0] < other[0]
    return one != other and all(first <= second for first, second in zip(one, other, strict=True))


def _telling(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(folder for folder in folders if _loose(folder) not in _SAYS_NOTHING)


def _without_mask_end(name: str) -> str:
    return MASK_END.sub("", name) or name
