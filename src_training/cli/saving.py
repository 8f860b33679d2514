"""What every command that saves frames shares: its options, the dataset it saves to, and what it says."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import typer

from src_training.annotator import own_pseudonym
from src_training.cli.common import listed, result, say, say_polarity, say_remarks
from src_training.errors import DatasetError, UnreadableCine

if TYPE_CHECKING:
    from src_training.dataset import Dataset, Frame, Revision
    from src_training.dataset.folders import LabelledFrame
    from src_training.dataset.outbox import Kept

WorkspaceFolder = typer.Argument(..., metavar="WORKSPACE", help="The workspace's folder.", readable=False)
Status = typer.Option("accepted", "--status", help="What was decided about the frames.")
Annotator = typer.Option(
    own_pseudonym, "--annotator", help="A pseudonym of who does it. Default: the one of your settings."
)
AcceptImplausible = typer.Option(
    False, "--accept-implausible", help="Take masks that do not fit their picture, too."
)
DistinctPatients = typer.Option(
    False, "--distinct-patients", help="Ids that differ in leading zeros only are two patients."
)


def open_dataset(workspace: Path) -> Dataset:
    """The dataset of a workspace."""
    from src_training.workspace import Workspace

    return Workspace.open(workspace).dataset


def writable(workspace: Path) -> Dataset:
    """The dataset of a workspace, whose site key this user has."""
    dataset = open_dataset(workspace)
    dataset.site_key()  # a missing key is told before anything is decoded
    return dataset


def newest(dataset: Dataset, frame: Frame) -> Revision | None:
    """What stands in a dataset about this very frame; None where nothing does."""
    with contextlib.suppress(DatasetError, UnreadableCine):  # saving says what is wrong
        return dataset.find(frame)
    return None


def tell_saved(outcome: Revision | Kept, as_json: bool = False) -> TypeGuard[Revision]:
    """Say how a frame was saved; whether it is in the dataset."""
    from src_training.dataset.outbox import Kept

    if isinstance(outcome, Kept):
        say(f"waits on this computer: {outcome.reason} Then: lightvessel dataset publish WORKSPACE.")
        if as_json:
            result("", {"waits": outcome.entry.name, "reason": outcome.reason}, True)
        return False
    record = {
        "case": outcome.case,
        "revision": outcome.name,
        "status": outcome.status,
        "split": outcome.bucket,
    }
    result(f"saved {outcome.case} {outcome.name}", record, as_json)
    return True


def remember_source(dataset: Dataset, saved: Revision, image: Path, patient: str | None) -> None:
    """Note in the user's own folder which file and patient a case came from, for `dataset list`."""
    from src_training.dataset.sources import Source, Sources

    with contextlib.suppress(OSError):  # it may be lost without harm
        Sources(dataset).remember(saved.case, Source(image.name, saved.frame_index, patient or ""))


def remark(saved: Sequence[LabelledFrame]) -> None:
    """Say what a person should know about the frames that were saved."""
    say_remarks(line for one in saved for line in one.remarks)
    say_polarity((one.name, one.polarity) for one in saved)
    unknown = sum(one.frame.patient is None for one in saved)
    if unknown:
        say(f"{unknown} of {len(saved)}: patient unknown, so for training only (--patient, --patients)")
    burned = sum(one.maybe_burned_in for one in saved)
    if burned:
        say(f"{burned} of {len(saved)}: not stated to be free of burned-in text; look at them before sharing")


def remark_twins(dataset: Dataset, saved: Sequence[Revision]) -> None:
    """Say which of the saved pictures are there already under another patient, maybe on another side of the split."""
    from src_training.dataset.twins import twins_of

    twins = [f"{one.case} as {other.case}" for one, other in twins_of(dataset, saved)]
    if twins:
        say(
            f"{len(twins)} of {len(saved)}: the same picture is there already under another patient, or under none "
            f"({listed(twins, 3)}); until the wrong one is saved again with --status rejected, only one part of the "
            "split uses it: test, else val, else train"
        )
