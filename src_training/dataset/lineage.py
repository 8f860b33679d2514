"""Which revisions of a case stand, which were corrected, and whether those that stand agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from src_training.dataset.revision import Revision


def by_age(revisions: Sequence[Revision]) -> list[Revision]:
    """Oldest first; the same order for every reader."""
    return sorted(revisions, key=lambda one: (one.seq, one.record["created_utc"], one.sha))


def heads_of(revisions: Sequence[Revision]) -> list[Revision]:
    """Those that no other revision replaces, oldest first; several after simultaneous work."""
    replaced = frozenset().union(*(one.replaces for one in revisions))
    return by_age([one for one in revisions if one.sha not in replaced])


def agree(heads: Sequence[Revision]) -> bool:
    """Whether all heads have one status and one mask; heads that do not are a conflict."""
    return len({head.says for head in heads}) == 1


def ancestry(corrected: Sequence[Revision], *, resolve: bool) -> dict[str, Any]:
    """``parent``, the newest of the revisions being corrected, and ``supersedes``: the others that go with it.

    Those are the ones that say the same as the parent, or with ``resolve`` all of them.
    """
    if not corrected:
        return {"parent": None}
    parent = corrected[-1]
    others = [one.sha for one in corrected[:-1] if resolve or one.says == parent.says]
    return {"parent": parent.sha, **({"supersedes": others} if others else {})}
