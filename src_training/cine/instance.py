"""Which acquisition a DICOM file belongs to and where it stands in it, as its tags say."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from src_training.cine.cine import Instance
from src_training.cine.dicom_tags import Tags

#: The tags that may order the files of a series, the most exact ones first: a date and time, or its parts.
_TIMES = (
    ("AcquisitionDateTime",),
    ("AcquisitionDate", "AcquisitionTime"),
    ("AcquisitionTime",),
    ("ContentDate", "ContentTime"),
)
#: Of ImageType: original or derived, primary or secondary, and which of two planes.
WORDS_OF_KIND = 3
_WHEN = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)?(\d\d)?(?:\.(\d{1,6}))?([+-]\d{4})?")
_START = datetime(1900, 1, 1)


def instance(tags: Tags) -> Instance:
    """What one file states; see `Instance`."""
    return Instance(
        series=tags.text("SeriesInstanceUID"),
        study=tags.text("StudyInstanceUID"),
        person=_person(tags),
        number=_whole(tags.number("InstanceNumber")),
        series_number=_whole(tags.number("SeriesNumber")),
        acquisition=_whole(tags.number("AcquisitionNumber")),
        object=tags.text("SOPInstanceUID"),
        kind=_kind(tags),
        times=tuple(_moment(keywords, tags) for keywords in _TIMES),
    )


def _whole(number: float | None) -> int | None:
    return None if number is None or number != int(number) else int(number)


def _person(tags: Tags) -> str | None:
    """Empty parts of a name are written or left out, in any case of letters."""
    name = " ".join(re.split(r"[\^=\s]+", (tags.text("PatientName") or "").casefold())).strip()
    birth = re.sub(r"\D", "", tags.text("PatientBirthDate") or "")
    return hashlib.sha256(f"{name}|{birth}".encode()).hexdigest()[:16] if name else None


def _kind(tags: Tags) -> str | None:
    words = [word.strip().upper() for word in (tags.text("ImageType") or "").split("\\")]
    return "\\".join(words[:WORDS_OF_KIND]) or None


def _moment(keywords: tuple[str, ...], tags: Tags) -> int | None:
    """A date and time, or a time alone (of one day for all), as microseconds; universal where an offset is stated."""
    parts = [tags.text(keyword) for keyword in keywords]
    if keywords == ("AcquisitionTime",):
        parts.insert(0, "20000101")
    *date, rest = (part or "" for part in parts)
    # Old files write dates with points and times with colons.
    found = _WHEN.fullmatch("".join(date).replace(".", "") + rest.replace(":", ""))
    if found is None:
        return None
    *numbers, fraction, offset = found.groups()
    try:
        moment = datetime(*(int(number or 0) for number in numbers))  # type: ignore[arg-type]
    except ValueError:
        return None
    shift = 0 if offset is None else int(offset[0] + "1") * (int(offset[1:3]) * 60 + int(offset[3:]))
    seconds = round((moment - _START).total_seconds()) - 60 * shift
    return seconds * 1_000_000 + int((fraction or "").ljust(6, "0"))
