"""Files of single frames as acquisitions: which of them belong together, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from src_training.cine.cine import Cine, Grey
from src_training.cine.instance import WORDS_OF_KIND

_STRAY_DEG = 1.0  # the C-arm may stray so far within one run, as motors hold it
_HALF_A_DAY = 12 * 3600 * 1_000_000  # microseconds
_COUNTS = 0.75  # from so many different numbers a file on they count files: a run has several
_SHOWN = 4
_SPLIT = "Put the files of each into a folder of its own, or open them one by one."
_REMOVE = "Remove one of them."

Values = list[Hashable | None]


@dataclass(frozen=True)
class Series:
    """One acquisition: its files, opened, in order, and what orders them."""

    members: tuple[Cine, ...]
    order: str

    @property
    def label(self) -> str:
        """Its files for a line of text; of many only the first."""
        names = [member.name for member in self.members]
        return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def grouped(cines: Iterable[Cine]) -> list[Series]:
    """The acquisitions whose files these cines are, given in natural order of their names.

    Files are of one acquisition when patient, study, series, acquisition, kind, projection, size and pixels agree. What
    a file does not state agrees with anything, but for the patient: who is not named may be anybody. A file of several
    frames is an acquisition of its own; so are copies of files.
    """
    groups = _split(list(cines), lambda members: [id(m) if len(m) > 1 else 0 for m in members], strict=True)
    for trait in (*_TRAITS, _PIXELS):
        groups = [part for group in groups for part in _split(group, trait.values, strict=trait.strict)]
    return [Series(*_ordered(group)) for group in groups]


def difference(members: Sequence[Cine]) -> tuple[str, str] | None:
    """Two files that are of different acquisitions with the tag that says so, and the cure; None where none does."""
    for trait in _TRAITS:
        stated = [
            (member, value)
            for member, value in zip(members, trait.values(members), strict=True)
            if trait.strict or value is not None
        ]
        others = [(member, value) for member, value in stated if value != stated[0][1]]
        if others:
            (first, is_known), (other, other_known) = stated[0], others[0]
            if trait is _COPIES:
                original = _original_of(other, members)
                return f"{original.name} and {other.name} are one object twice ({trait.tag})", _REMOVE
            if is_known is None or other_known is None:
                return f"{trait.tag} is stated in one of {first.name} and {other.name} only", _SPLIT
            return f"{first.name} and {other.name} are of different {trait.what} ({trait.tag})", _SPLIT
    return None


def listed(found: Sequence[Series]) -> str:
    """How many acquisitions there are, and the files of the first ones."""
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{len(found)} acquisitions: {'; '.join(series.label for series in found[:_SHOWN])}{more}"


def stored_as(cine: Cine) -> tuple[str, Grey]:
    """Frames of one acquisition are stored alike; each may have a rescale of its own."""
    return cine.dtype.str, replace(cine.grey, slope=1.0, intercept=0.0)


def _ordered(members: list[Cine]) -> tuple[tuple[Cine, ...], str]:
    """The files in the order of the first of number, times and names that tells every two apart."""
    instances = [member.parts[2].instance for member in members]
    ways = [("InstanceNumber", [one.number for one in instances])]
    if all(one.times for one in instances):
        ways += [
            ("their acquisition time", list(times))
            for times in zip(*(i.times for i in instances), strict=True)
        ]
    for name, values in ways:
        keys = [value for value in values if value is not None]
        # A time of day alone begins anew at midnight.
        is_usable = name == "InstanceNumber" or (keys and max(keys) - min(keys) < _HALF_A_DAY)
        if len(set(keys)) == len(members) and is_usable:
            places = sorted(range(len(members)), key=keys.__getitem__)
            return tuple(members[place] for place in places), name
    numbers = ways[0][1]
    again = ", as InstanceNumber says the same of several" if len({*numbers}) < len(numbers) > 1 else ""
    return tuple(members), "their names" + (again if None not in numbers else "")


def _split(
    members: list[Cine], values: Callable[[Sequence[Cine]], Values], *, strict: bool
) -> list[list[Cine]]:
    """The members by value, in order of appearance; one group where at most one value is stated."""
    found = values(members)
    if not strict and len({value for value in found if value is not None}) < 2:
        return [members]
    groups: dict[Hashable | None, list[Cine]] = {}
    for member, value in zip(members, found, strict=True):
        groups.setdefault(value, []).append(member)
    return list(groups.values())


@dataclass(frozen=True)
class _Trait:
    what: str
    tag: str
    values: Callable[[Sequence[Cine]], Values]
    strict: bool = False


def _each(of: Callable[[Cine], Hashable | None]) -> Callable[[Sequence[Cine]], Values]:
    return lambda members: [of(member) for member in members]


def _angles(of: Callable[[Cine], float | None]) -> Callable[[Sequence[Cine]], Values]:
    """Angles as numbers of clusters, none of which is wider than the C-arm strays."""

    def values(members: Sequence[Cine]) -> Values:
        start, cluster, found = -1e9, 0, {}
        for angle in sorted({angle for member in members if (angle := of(member)) is not None}):
            if angle - start > _STRAY_DEG:
                start, cluster = angle, cluster + 1
            found[angle] = cluster
        return [found.get(of(member)) for member in members]  # type: ignore[arg-type]

    return values


def _acquisitions(members: Sequence[Cine]) -> Values:
    """AcquisitionNumber; nothing where it only counts the files, be it with a repeat."""
    numbers = [member.parts[2].instance.acquisition for member in members]
    known = [number for number in numbers if number is not None]
    return [None] * len(numbers) if len({*known}) >= _COUNTS * len(known) else list(numbers)


def _copies(members: Sequence[Cine]) -> Values:
    """How often the object of a file was there before it; nothing where one name stands for all of a numbered run."""
    if _share_a_name(members):
        return [None] * len(members)
    seen: Counter[str | None] = Counter()
    found: Values = []
    for member in members:
        one = member.parts[2].instance.object
        found.append(None if one is None else seen[one])
        seen[one] += 1
    return found


def _share_a_name(members: Sequence[Cine]) -> bool:
    """Whether somebody who made the files anonymous gave all of them one SOPInstanceUID."""
    instances = [member.parts[2].instance for member in members]
    numbers = {one.number for one in instances} - {None}
    return len(numbers) == len(members) > 2 and len({one.object for one in instances}) == 1


def _original_of(copy: Cine, members: Sequence[Cine]) -> Cine:
    return next(one for one in members if one.parts[2].instance.object == copy.parts[2].instance.object)


def _word_of_kind(place: int) -> Callable[[Cine], str | None]:
    """Word by word, as some files of a run say less than others."""

    def word(cine: Cine) -> str | None:
        words = (cine.parts[2].instance.kind or "").split("\\")
        return words[place] or None if place < len(words) else None

    return word


def _patient(cine: Cine) -> str | None:
    return None if cine.patient_id is None else " ".join(cine.patient_id.casefold().split())


_COPIES = _Trait("copies", "SOPInstanceUID", _copies)
_TRAITS = (
    _Trait("patients", "PatientID", _each(_patient), strict=True),
    _Trait("patients", "PatientName, PatientBirthDate", _each(lambda cine: cine.parts[2].instance.person)),
    _Trait("studies", "StudyInstanceUID", _each(lambda cine: cine.parts[2].instance.study)),
    _Trait("series", "SeriesInstanceUID", _each(lambda cine: cine.parts[2].instance.series)),
    _COPIES,
    _Trait("acquisitions", "AcquisitionNumber", _acquisitions),
    *(_Trait("kinds or planes", "ImageType", _each(_word_of_kind(place))) for place in range(WORDS_OF_KIND)),
    _Trait("projections", "PositionerPrimaryAngle", _angles(lambda cine: cine.projection.primary_deg)),
    _Trait("projections", "PositionerSecondaryAngle", _angles(lambda cine: cine.projection.secondary_deg)),
    _Trait(
        "kinds", "frame of a run, single picture", _each(lambda cine: cine.is_multiframe_file), strict=True
    ),
)
_PIXELS = _Trait("pixels", "Rows, Columns, BitsStored", _each(lambda cine: (cine.shape[1:], stored_as(cine))))
