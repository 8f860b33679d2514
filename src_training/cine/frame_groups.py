"""What the sequences of a DICOM object say of its frames, as raw values: functional groups and lookup tables."""

from __future__ import annotations

from collections.abc import Iterable

import pydicom

from src_training.cine.dicom_tags import LUT, OF_FRAMES, TAGS

Raw = dict[str, bytes]


def values(dataset: pydicom.Dataset, keywords: Iterable[str]) -> Raw:
    """Raw values by keyword; of what is no plain value only that it is there."""
    found = {}
    for keyword in keywords:
        if (tag := TAGS[keyword]) in dataset:
            value = getattr(dataset.get_item(tag), "value", None)
            found[keyword] = value if isinstance(value, bytes) else b""
    return found


def voi_lut(dataset: pydicom.Dataset) -> Raw:
    """The first VOI lookup table; nothing if there is none or it is malformed."""
    try:
        tag = TAGS["VOILUTSequence"]
        return values(dataset[tag].value[0], LUT) if tag in dataset and dataset[tag].value else {}
    except Exception:  # noqa: BLE001 - whatever somebody wrote there, and the library thinks of it: the frames open
        return {}


def values_of_frames(dataset: pydicom.Dataset) -> tuple[Raw, list[Raw]]:
    """What the functional groups say of all frames, and of each one; nothing if malformed, nor where a tag is empty."""
    try:
        shared, each = (
            [_values_in(item) for item in (dataset[TAGS[keyword]].value if TAGS[keyword] in dataset else ())]
            for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
        )
    except Exception:  # noqa: BLE001 - as above
        return {}, []
    return (shared[0] if shared else {}), each


def _values_in(groups: pydicom.Dataset) -> Raw:
    found: Raw = {}
    for group in groups:
        if group.VR == "SQ" and group.value:
            found |= values(group.value[0], OF_FRAMES) | voi_lut(group.value[0])
    return {keyword: value for keyword, value in found.items() if value.strip()}
