"""``lightvessel dataset import``: frames with their masks from folders, archives and datasets of other programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training.annotator import own_pseudonym
from src_training.cli.common import (
    BrightAlias,
    JsonFlag,
    Unread,
    Vessels,
    VesselsOption,
    failure,
    listed,
    result,
    say,
    told_polarity,
)
from src_training.cli.mask_reading import (
    BackgroundClasses,
    ClassesFile,
    IgnoreClasses,
    InvertMasks,
    Threshold,
    VesselClasses,
    told_classes,
)
from src_training.cli.saving import (
    AcceptImplausible,
    Annotator,
    DistinctPatients,
    Status,
    WorkspaceFolder,
    newest,
    remark,
    remark_twins,
    remember_source,
    tell_saved,
    writable,
)
from src_training.errors import BadMask, DatasetError, NotSaved, UnreadableCine

if TYPE_CHECKING:
    from src_training.dataset import Dataset, Origin, Revision
    from src_training.dataset.folders import LabelledFrame, Matched
    from src_training.dataset.intake import Looked
    from src_training.dataset.patient_table import Owners, Row
    from src_training.exchange.classes import Classes
    from src_training.exchange.lightvessel import Arrival, Elsewhere

_CVAT = ".xml"
_ONE_SOURCE = (
    "name one source: an archive or a folder, --images with --masks, --images with --coco, or --nnunet."
)


def import_frames(
    workspace: Path = WorkspaceFolder,
    source: Path = typer.Argument(
        None,
        metavar="[ARCHIVE]",
        help="A ZIP, TAR or folder: a workspace, images/ with masks/, COCO, nnU-Net.",
        readable=False,
    ),
    images: Path = typer.Option(None, "--images", help="Folder of single images.", readable=False),
    masks: Path = typer.Option(
        None,
        "--masks",
        help="Folder of masks called like the images, or STEM_mask; or the XML of CVAT.",
        readable=False,
    ),
    coco: Path = typer.Option(
        None, "--coco", metavar="JSON", help="COCO annotations of the --images.", readable=False
    ),
    nnunet: Path = typer.Option(
        None, "--nnunet", metavar="FOLDER", help="A dataset of nnU-Net v2.", readable=False
    ),
    vessel_classes: str = VesselClasses,
    ignore_classes: str = IgnoreClasses,
    background_classes: str = BackgroundClasses,
    classes: Path = ClassesFile,
    patients: Path = typer.Option(
        None, "--patients", metavar="CSV", help="Image name, patient id.", readable=False
    ),
    status: str = Status,
    threshold: float = Threshold,
    annotator: str = Annotator,
    vessels: Vessels = VesselsOption,
    vessels_bright: bool = BrightAlias,
    invert_masks: bool = InvertMasks,
    accept_implausible: bool = AcceptImplausible,
    distinct_patients: bool = DistinctPatients,
    overwrite: bool = typer.Option(
        False,
        "--overwrite",
        help="Take the place of other masks, statuses and withdrawals of the same frames.",
    ),
    preview: bool = typer.Option(
        False, "--preview", help="Only list share, contrast and polarity of every mask; save nothing."
    ),
    as_json: bool = JsonFlag,
) -> None:
    """Save many frames with their masks: an archive or folder, two folders, COCO polygons, or nnU-Net v2.

    All are looked at before one is saved. What is bad or implausible, or contradicts what somebody decided about the
    same frame, is reported, the rest is saved (exit 2). Nothing is written where the frames come from. A stack of masks
    belongs to the frames of a cine of its name. Of a workspace of LightVessel, what stands in it is saved with its
    status and its patients; what contradicts yours is a conflict.
    Of classes whose names do not tell you are asked once; the answer is remembered for the workspace.
    """
    from src_training.dataset import Origin
    from src_training.dataset.patient_table import read_patients

    bright = told_polarity(vessels, vessels_bright)
    dataset, origin = writable(workspace), Origin(status, annotator)
    rows = read_patients(patients) if patients else []
    known = told_classes(vessel_classes, ignore_classes, background_classes, classes, dataset)
    with contextlib.ExitStack() as stack:
        if source is not None and not (images or masks or coco or nnunet):
            found = stack.enter_context(_opened(source, threshold, known))
        else:
            found = _matched(source, images, masks, coco, nnunet, threshold, known)
        if not isinstance(found, Path):
            work = _Import(dataset, origin, bright, accept_implausible, overwrite, as_json)
            looked = work.look(
                found, rows, patients.name if patients else "", invert_masks, distinct_patients
            )
            all_saved = work.preview(looked) if preview else work.save(looked)
        elif (
            (status, annotator) != ("accepted", own_pseudonym())
            or patients
            or threshold is not None
            or bright is not None
            or invert_masks
            or overwrite
            or preview
        ):
            raise DatasetError(
                f"{source.name}: a dataset of LightVessel says itself what was decided, by whom and "
                "about which patient. Leave these options out."
            )
        else:
            all_saved = _save_heads(dataset, found, as_json)
    if not all_saved:
        raise typer.Exit(2)


@contextlib.contextmanager
def _opened(source: Path, threshold: float | None, classes: Classes) -> Iterator[Path | Matched]:
    """What lies in an archive or folder; the archive is unpacked as long as it is needed."""
    from src_training.exchange.archives import unpacked
    from src_training.exchange.recognising import recognise

    if not source.exists():
        raise DatasetError(f"{source.name}: there is no such file or folder. Check the path.")
    with contextlib.ExitStack() as stack:
        folder = source if source.is_dir() else stack.enter_context(unpacked(source))
        yield recognise(folder, source.name, threshold, classes)


def _matched(
    source: Path | None,
    images: Path | None,
    masks: Path | None,
    coco: Path | None,
    nnunet: Path | None,
    threshold: float | None,
    classes: Classes,
) -> Matched:
    """The pairs of whichever source was named."""
    from src_training.exchange.arriving import match_coco
    from src_training.exchange.cvat import match_cvat
    from src_training.exchange.mask_sources import Reading
    from src_training.exchange.nnunet_reading import match_nnunet

    if source is not None:
        raise DatasetError(_ONE_SOURCE)
    if nnunet is not None and not (images or masks or coco):
        return match_nnunet(nnunet, classes)
    if images is not None and nnunet is None:
        if coco is not None and masks is None:
            return match_coco(coco, images, classes)
        if masks is not None and coco is None:
            if masks.suffix.lower() == _CVAT and masks.is_file():
                return match_cvat(masks, images, classes)
            return Reading(threshold, classes).match(images, masks)
    raise DatasetError(_ONE_SOURCE)


# -- images with masks ---------------------------------------------------------------------------------------


class _Import:
    """One import of images with masks: first all of it is looked at, then what is sound is saved."""

    def __init__(
        self,
        dataset: Dataset,
        origin: Origin,
        bright: bool | None,
        accept_implausible: bool,
        overwrite: bool,
        as_json: bool,
    ) -> None:
        self._dataset, self._origin, self._bright = dataset, origin, bright
        self._accept, self._overwrite, self._as_json = accept_implausible, overwrite, as_json
        self._bad = 0

    def look(
        self, matched: Matched, rows: list[Row], table: str, invert: bool, distinct_patients: bool
    ) -> list[Looked]:
        """Every frame that can be read with its mask; what cannot is said.

        Raises DatasetError when two patients look alike, unless they are said to be distinct.
        """
        from src_training.dataset.intake import Looked, Undrawn, look_at
        from src_training.dataset.patient_table import check_alike, owners_of

        if not distinct_patients:
            check_alike(((f"{table}: line {row.line}", row.patient) for row in rows), self._dataset)
        owners = owners_of(rows, matched.images, table)
        self._say_first(matched, owners, rows)
        ours = _prepared(matched, owners, invert)
        found = []
        for one in look_at(ours, owners.of_image, self._origin.status, vessels_bright=self._bright):
            if isinstance(one, Looked):
                found.append(one)
            elif isinstance(one, Undrawn):
                say(one.line)
            else:
                self._tell_bad(one.image, one.line)
        if not distinct_patients:
            check_alike(((one.name, one.patient) for one in found), self._dataset)
        return found

    def preview(self, looked: list[Looked]) -> bool:
        """List what was seen, saving nothing; whether there was nothing bad or odd."""
        from src_training.dataset.intake import naming

        if not self._as_json and looked:
            result("  share  diff. looks  frame")
        for one in looked:
            result(one.row(), one.record(), self._as_json)
        odd = [one for one in looked if one.judgement.findings]
        for one in self._sound(looked):
            try:
                self._read(one)
            except (UnreadableCine, BadMask) as error:
                self._tell_bad(one.image, naming(error, one.name, one.mask.name))
        say(f"{len(looked)} frames, {len(odd)} odd; nothing was saved (--preview)")
        return not odd and not self._bad

    def save(self, looked: list[Looked]) -> bool:
        """Save every frame that is sound and say so; whether there was nothing bad."""
        from src_training.dataset.intake import naming
        from src_training.dataset.outbox import save_or_keep

        total = len(looked) + self._bad
        saved: list[tuple[LabelledFrame, Revision]] = []
        known = 0
        for one in self._plausible(looked):
            try:
                labelled, before = self._read(one)
                outcome = save_or_keep(self._dataset, labelled.frame, labelled.mask, self._origin)
                if tell_saved(outcome, self._as_json):
                    saved.append((labelled, outcome))
                    remember_source(self._dataset, outcome, one.image, one.patient)
                    known += outcome == before
            except (UnreadableCine, BadMask) as error:
                failure(one.image, naming(error, one.name, one.mask.name), self._as_json)
            except Unread as unread:  # the frame itself is saved
                raise Unread(f"{unread}: {len(saved) + 1} of {total} saved") from unread
        remark([labelled for labelled, _ in saved])
        remark_twins(self._dataset, [revision for _, revision in saved])
        say(_summary(len(saved), total, known))
        return len(saved) == total

    def _read(self, one: Looked) -> tuple[LabelledFrame, Revision | None]:
        """The frame with its mask, and what stands here about it; BadMask where the two contradict each other."""
        from src_training.dataset.folders import read_pair

        labelled = read_pair(
            one.image,
            one.mask,
            patient=one.patient,
            frame=one.frame,
            vessels_bright=self._bright,
            as_cine=one.image.is_dir(),
        )
        before = newest(self._dataset, labelled.frame)
        if not self._overwrite:
            _check_contradicts_nobody(before, labelled, self._origin.status)
        return labelled, before

    def _plausible(self, looked: list[Looked]) -> list[Looked]:
        """Those that are taken; the others are said. Raises DatasetError where most are black on white."""
        odd = [one for one in looked if one.judgement.findings]
        turned_over = [one for one in odd if one.judgement.has("inverted")]
        if len(turned_over) > len(looked) / 2 and len(turned_over) > 1 and not self._accept:
            mean = sum(one.judgement.share for one in turned_over) / len(turned_over)
            (cure, *_) = (find.cure for find in turned_over[0].judgement.findings if find.code == "inverted")
            raise DatasetError(
                f"{len(turned_over)} of {len(looked)} masks are black on white, as it seems: vessel on {mean:.0%} of "
                f"the field. Nothing was saved. {cure} Or take them as they are: --accept-implausible."
            )
        for one in odd:
            if self._accept:
                say(f"{one.source}: taken as it is: {one.judgement.oddity}")
            else:
                failure(one.image, f"{one.source}: {one.judgement.text}", self._as_json)
        ignored = [one.name for one in looked if one.ignored and (self._accept or not one.judgement.findings)]
        if ignored:
            say(
                f"{len(ignored)} of {len(looked)}: parts are marked as unsure and ignored ({listed(ignored, 3)})"
            )
        return self._sound(looked)

    def _sound(self, looked: list[Looked]) -> list[Looked]:
        return looked if self._accept else [one for one in looked if not one.judgement.findings]

    def _say_first(self, matched: Matched, owners: Owners, rows: list[Row]) -> None:
        strangers = [f"{name}: named in the CSV, but not in {matched.where}" for name in owners.strangers]
        guessed = {
            f"{one.guessed!r}, a column of the CSV, is taken as the patient" for one in rows if one.guessed
        }
        for line in [*guessed, *matched.remarks, *strangers]:
            say(line)
        for line in matched.failures:
            self._tell_bad(matched.where, line)
        for image, _ in matched.pairs:
            if image in owners.refused:
                self._tell_bad(image, owners.refused[image])

    def _tell_bad(self, where: Path | str, line: str) -> None:
        self._bad += 1
        failure(where, line, self._as_json)


def _prepared(matched: Matched, owners: Owners, invert: bool) -> Matched:
    """The pairs whose patient is not in question, with masks turned over if so asked."""
    from src_training.dataset.folders import Matched
    from src_training.dataset.intake import Inverted

    pairs = [(image, mask) for image, mask in matched.pairs if image not in owners.refused]
    if invert:
        pairs = [(image, Inverted(mask)) for image, mask in pairs]
    return Matched(matched.where, matched.images, pairs)


def _check_contradicts_nobody(before: Revision | None, labelled: LabelledFrame, status: str) -> None:
    """Raise BadMask where a person's decision about this very frame would lose its place, which nobody asked for."""
    from src_training.dataset.blobs import mask_hash

    mask = mask_hash(labelled.mask)
    if before is None or before.status == "proposed" or before.says == (status, mask):
        return
    if before.status == "rejected" and status != "rejected":
        raise BadMask(f"was withdrawn here (case {before.case}). To take it in again: --overwrite.")
    which = "this" if before.says[1] == mask else "another"
    raise BadMask(
        f"{which} mask of this very frame stands here as {before.status}, and would become {status} "
        f"(case {before.case}). To take its place: --overwrite."
    )


def _summary(saved: int, found: int, known: int) -> str:
    there = (
        "" if not known else ", nothing new" if known == saved else f", {known} of them were there already"
    )
    return f"{saved} of {found} saved{there}"


# -- a dataset of LightVessel --------------------------------------------------------------------------------


def _save_heads(dataset: Dataset, folder: Path, as_json: bool) -> bool:
    """Save what stands in another dataset and say so; whether there was nothing bad."""
    from src_training.exchange.lightvessel import Elsewhere

    elsewhere, bad = Elsewhere(folder), _Bad(folder.name, as_json)
    saved: list[tuple[Revision, bool]] = []
    odd: list[str] = []
    strangers = 0
    for arrival in elsewhere.arrivals(bad.tell):
        if arrival.revision.patient_key and elsewhere.fingerprint != dataset.fingerprint:
            strangers += 1
        else:
            try:
                taken = _taken(dataset, arrival, bad, as_json)
            except Unread as unread:  # the frame itself is saved
                raise Unread(f"{unread}: {len(saved) + 1} saved") from unread
            if taken:
                saved.append(taken)
                odd += _oddity(arrival)
    found = len(saved) + bad.lines + strangers
    if not found:
        raise DatasetError(f"{folder.name}: no frame in this dataset yet: nothing to import.")
    if strangers:
        bad.tell(_split_patients(strangers, elsewhere, dataset))
    if unknown := sum(revision.patient_key is None for revision, _ in saved):
        say(f"{unknown} of {len(saved)}: patient unknown, so for training only")
    if odd:
        say(f"{len(odd)} of {len(saved)} were decided so, but look odd: {listed(odd, 3)}")
    remark_twins(dataset, [revision for revision, _ in saved])
    say(_summary(len(saved), found, known=sum(not is_new for _, is_new in saved)))
    return not bad.lines


def _taken(dataset: Dataset, arrival: Arrival, bad: _Bad, as_json: bool) -> tuple[Revision, bool] | None:
    """Save one head and say so; the revision, and whether it is new."""
    from src_training.exchange.lightvessel import take_in

    head = arrival.revision
    try:
        revision, is_new = take_in(dataset, arrival)
    except NotSaved:  # the disk refuses: so it will the next one
        raise
    except (DatasetError, BadMask, UnreadableCine) as error:
        bad.tell(str(error) if head.case in str(error) else f"{head.case}/{head.name}: {error}")
        return None
    tell_saved(revision, as_json)
    return revision, is_new


def _oddity(arrival: Arrival) -> list[str]:
    """What is odd about a frame that a person decided elsewhere: told, not refused."""
    from src_training.dataset.plausible import judge

    head = arrival.revision
    shown = arrival.pixels if head.grey is None else head.grey.shown(arrival.pixels)
    bright = bool(head.record.get("vessels_bright"))
    oddity = judge(shown, arrival.mask, head.status, vessels_bright=bright).oddity
    return [f"{head.case} ({oddity})"] if oddity else []


class _Bad:
    """What cannot be taken in, said a line each and counted."""

    def __init__(self, source: str, as_json: bool) -> None:
        self.lines, self._source, self._as_json = 0, source, as_json

    def tell(self, line: str) -> None:
        self.lines += 1
        failure(self._source, line, self._as_json)


def _split_patients(frames: int, elsewhere: Elsewhere, dataset: Dataset) -> str:
    return (
        f"{frames} frames left out: their patients were hashed with another site key ({elsewhere.fingerprint}; here "
        f"{dataset.fingerprint}), so one patient would become two. Share one key: here lightvessel dataset key export "
        "WORKSPACE FILE, there lightvessel dataset init NEW --site-key FILE, and save the frames there once more."
    )
