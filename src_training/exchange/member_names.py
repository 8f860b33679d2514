"""The names in an archive: which of them may become files, and which two would be one file somewhere."""

from __future__ import annotations

import re
import unicodedata

_LONGEST_PART, _LONGEST, _DEEPEST = 255, 1024, 32  # bytes, bytes, folders
_DRIVE = re.compile(r"[A-Za-z]:")
# Windows opens a device by these names, in any folder and with any ending.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def problem_of(name: str) -> str | None:
    """Why a member of this name is not unpacked; None: it may be."""
    if any(unicodedata.category(letter) in _INVISIBLE for letter in name):
        return "has control characters in its name"
    if "\\" in name:
        return "has a backslash in its name"
    if name.startswith("/") or _DRIVE.match(name):
        return "has an absolute path"
    if len(name.encode()) > _LONGEST:
        return "has a path that is too long"
    parts = parts_of(name)
    if len(parts) > _DEEPEST:
        return "lies in too many folders"
    return next(filter(None, map(_problem_of_part, parts)), None)


def parts_of(name: str) -> tuple[str, ...]:
    """The folders and the file of a member; ``./a/b/`` is ``a``, ``b``."""
    return tuple(part for part in name.removesuffix("/").split("/") if part != ".")


def _problem_of_part(part: str) -> str | None:
    if part == "..":
        return "leads out of the archive (..)"
    if not part:
        return "has an empty folder name in its path"
    if len(part.encode()) > _LONGEST_PART:
        return "has a name that is too long"
    if ":" in part:
        return "has a colon in its name"
    if part[-1] in ". ":
        return "has a name that ends with a dot or a space"
    if _DEVICE.fullmatch(part):
        return "is called like a device of Windows"
    return None


class Taken:
    """The names given away so far, as the least careful file system tells them apart."""

    def __init__(self) -> None:
        self._spelled: dict[str, str] = {}
        self._files: set[str] = set()

    def take(self, parts: tuple[str, ...], *, is_folder: bool) -> str | None:
        """Give a name away, with its folders; the reason why it cannot be, if another one has it."""
        folded = tuple(map(_folded, parts))
        if not parts and not is_folder:
            return "has no name"
        for depth in range(1, len(parts) + (1 if is_folder else 0)):
            folder, spelled = "/".join(folded[:depth]), "/".join(parts[:depth])
            if folder in self._files:
                return "needs a folder where another member is a file"
            if self._spelled.setdefault(folder, spelled) != spelled:
                return "lies in a folder whose name differs from another one's in its spelling only"
        if not is_folder:
            file = "/".join(folded)
            if file in self._spelled:
                return "has the name of another member (upper and lower case count as equal)"
            self._spelled[file] = "/".join(parts)
            self._files.add(file)
        return None


def _folded(part: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold())
