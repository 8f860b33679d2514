"""Masks that lie beside their images: ``f1_mask.png`` by ``f1.png`` is no angiogram."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from src_training.cine.sniff import same_name, stem_of

_MASK_END = re.compile(r"[_\-. ](masks?|labels?|seg|segmentation|gt)$", re.IGNORECASE)


def masks_beside(files: Iterable[Path]) -> set[Path]:
    """Those of ``files`` that are called like another one in their folder, with a mask's ending more."""
    there = list(files)
    bare = {(file.parent, _called(file)) for file in there}
    return {
        file
        for file in there
        if _MASK_END.search(_called(file)) and (file.parent, _MASK_END.sub("", _called(file))) in bare
    }


def _called(file: Path) -> str:
    return same_name(stem_of(file)).casefold()
