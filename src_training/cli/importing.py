"""``lightvessel dataset import``: frames with their masks from folders, archives and datasets of other programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training.cli.common import JsonFlag, Unread, failure, say
from src_training.cli.saving import (
    Annotator,
    Bright,
    Status,
    Threshold,
    WorkspaceFolder,
    remark,
    remark_twins,
    tell_saved,
    writable,
)
from src_training.errors import BadMask, DatasetError, NotSaved, UnreadableCine, printable

if TYPE_CHECKING:
    from src_training.dataset import Dataset, Frame, Origin, Revision
    from src_training.dataset.folders import LabelledFrame, Matched
    from src_training.exchange.lightvessel import Arrival, Elsewhere

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
        None, "--masks", help="Folder of masks called like the images, or STEM_mask.", readable=False
    ),
    coco: Path = typer.Option(
        None, "--coco", metavar="JSON", help="COCO annotations of the --images.", readable=False
    ),
    nnunet: Path = typer.Option(
        None, "--nnunet", metavar="FOLDER", help="A dataset of nnU-Net v2.", readable=False
    ),
    patients: Path = typer.Option(
        None, "--patients", metavar="CSV", help="Image name, patient id.", readable=False
    ),
    status: str = Status,
    threshold: float = Threshold,
    annotator: str = Annotator,
    vessels_bright: bool = Bright,
    as_json: bool = JsonFlag,
) -> None:
    """Save many frames with their masks: an archive or folder, two folders, COCO polygons, or nnU-Net v2.

    What is bad is reported, the rest is saved (exit 2). Nothing is written where the frames come from. Of a workspace
    of LightVessel, what stands in it is saved with its status and its patients; what contradicts yours is a conflict.
    """
    from src_training.dataset import Origin
    from src_training.dataset.folders import read_patients

    dataset, origin = writable(workspace), Origin(status, annotator)
    patient_of = read_patients(patients) if patients else {}
    with contextlib.ExitStack() as stack:
        if source is not None and not (images or masks or coco or nnunet):
            found = stack.enter_context(_opened(source, threshold))
        else:
            found = _matched(source, images, masks, coco, nnunet, threshold)
        if not isinstance(found, Path):
            all_saved = _save_pairs(dataset, found, origin, patient_of, vessels_bright, as_json)
        elif (status, annotator) != ("accepted", "") or patients or threshold is not None or vessels_bright:
            raise DatasetError(
                f"{source.name}: a dataset of LightVessel says itself what was decided, by whom and "
                "about which patient. Leave these options out."
            )
        else:
            all_saved = _save_heads(dataset, found, as_json)
    if not all_saved:
        raise typer.Exit(2)


@contextlib.contextmanager
def _opened(source: Path, threshold: float | None) -> Iterator[Path | Matched]:
    """What lies in an archive or folder; the archive is unpacked as long as it is needed."""
    from src_training.exchange.archives import unpacked
    from src_training.exchange.recognising import recognise

    if not source.exists():
        raise DatasetError(f"{source.name}: there is no such file or folder. Check the path.")
    with contextlib.ExitStack() as stack:
        folder = source if source.is_dir() else stack.enter_context(unpacked(source))
        yield recognise(folder, source.name, threshold)


def _matched(
    source: Path | None,
    images: Path | None,
    masks: Path | None,
    coco: Path | None,
    nnunet: Path | None,
    threshold: float | None,
) -> Matched:
    """The pairs of whichever source was named."""
    from src_training.dataset.folders import match_pairs
    from src_training.exchange.arriving import match_coco, match_nnunet

    if source is not None:
        raise DatasetError(_ONE_SOURCE)
    if nnunet is not None and not (images or masks or coco):
        return match_nnunet(nnunet)
    if images is not None and nnunet is None:
        if coco is not None and masks is None:
            return match_coco(coco, images)
        if masks is not None and coco is None:
            return match_pairs(images, masks, threshold)
    raise DatasetError(_ONE_SOURCE)


# -- images with masks ---------------------------------------------------------------------------------------


def _save_pairs(
    dataset: Dataset,
    matched: Matched,
    origin: Origin,
    patient_of: dict[str, str],
    vessels_bright: bool,
    as_json: bool,
) -> bool:
    """Save every pair and say so; whether there was nothing bad."""
    from src_training.cine.sniff import same_name
    from src_training.dataset.folders import read_pair
    from src_training.dataset.outbox import save_or_keep

    for line in [*matched.remarks, *_nameless(patient_of, matched)]:
        say(line)
    for line in matched.failures:
        failure(matched.where, line, as_json)
    saved: list[tuple[LabelledFrame, Revision]] = []
    known = 0
    for image, mask in matched.pairs:
        name, stem = map(same_name, (image.name, image.stem))
        patient = patient_of.get(name) or patient_of.get(stem)
        try:
            labelled = read_pair(image, mask, patient=patient, vessels_bright=vessels_bright)
            before = _newest(dataset, labelled.frame)
            outcome = save_or_keep(dataset, labelled.frame, labelled.mask, origin)
            if tell_saved(outcome, as_json):
                saved.append((labelled, outcome))
                known += outcome == before
        except (UnreadableCine, BadMask) as error:
            failure(image, _naming(error, image, mask.name), as_json)
        except Unread as unread:  # the frame itself is saved
            raise Unread(f"{unread}: {len(saved) + 1} of {len(matched.pairs)} saved") from unread
    remark([labelled for labelled, _ in saved])
    remark_twins(dataset, [revision for _, revision in saved])
    found = len(matched.pairs) + len(matched.failures)
    say(_summary(len(saved), found, known))
    return len(saved) == found


def _newest(dataset: Dataset, frame: Frame) -> Revision | None:
    with contextlib.suppress(DatasetError, UnreadableCine):  # saving says what is wrong
        return dataset.find(frame)
    return None


def _summary(saved: int, found: int, known: int) -> str:
    there = (
        "" if not known else ", nothing new" if known == saved else f", {known} of them were there already"
    )
    return f"{saved} of {found} saved{there}"


def _nameless(patient_of: dict[str, str], matched: Matched) -> list[str]:
    from src_training.cine.sniff import same_name

    there = {same_name(name) for image in matched.images for name in (image.name, image.stem)}
    return [
        f"{name}: named in the CSV, but not in {matched.where}" for name in patient_of if name not in there
    ]


def _naming(error: Exception, image: Path, mask: str) -> str:
    text = printable(str(error))
    is_named = any(printable(name) in text for name in (image.name, mask))
    return text if is_named else f"{image.name}: {text}"


# -- a dataset of LightVessel --------------------------------------------------------------------------------


def _save_heads(dataset: Dataset, folder: Path, as_json: bool) -> bool:
    """Save what stands in another dataset and say so; whether there was nothing bad."""
    from src_training.exchange.lightvessel import Elsewhere

    elsewhere, bad = Elsewhere(folder), _Bad(folder.name, as_json)
    saved: list[tuple[Revision, bool]] = []
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
    found = len(saved) + bad.lines + strangers
    if not found:
        raise DatasetError(f"{folder.name}: no frame in this dataset yet: nothing to import.")
    if strangers:
        bad.tell(_split_patients(strangers, elsewhere, dataset))
    if unknown := sum(revision.patient_key is None for revision, _ in saved):
        say(f"{unknown} of {len(saved)}: patient unknown, so for training only")
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
