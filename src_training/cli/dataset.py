"""``lightvessel dataset``: make, fill, check and list the dataset of a workspace."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training.cli import importing
from src_training.cli.common import BrightAlias, JsonFlag, Vessels, VesselsOption, result, say, told_polarity
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
    open_dataset,
    remark,
    remark_twins,
    remember_source,
    tell_saved,
    writable,
)
from src_training.errors import DatasetError

if TYPE_CHECKING:
    from src_training.dataset import Dataset, Revision
    from src_training.dataset.sources import Source

_SEG = "dicom-seg"
_SPLITS = ("train", "val", "test")
_COLUMNS = ("CASE", "REVISION", "STATUS", "SPLIT", "SOURCE", "FRAME", "PATIENT")
_HERE = "unknown here"  # another computer saved it
#: As many of its digits name a case as the dock shows. Fewer could be a row's or a frame's number, which
#: in a small dataset begins one case by chance.
_DIGITS = 4
Case = typer.Argument(
    ..., metavar="CASE", help=f"A case, or its first digits, {_DIGITS} or more; `list` names them."
)


def register(app: typer.Typer) -> None:
    """Add the ``dataset`` group."""
    group = typer.Typer(
        no_args_is_help=True, help="Make, fill, check, list and export the dataset of a workspace."
    )
    group.command("init")(init)
    group.command("append")(append)
    group.command("import")(importing.import_frames)
    group.command("publish")(publish)
    group.command("export")(export_frames)
    group.command("verify")(verify)
    group.command("list")(list_cases)
    group.command("label")(label_case)
    group.command("withdraw")(withdraw_case)
    group.command("move")(move_case)
    key = typer.Typer(no_args_is_help=True, help="Share the site key, so that a patient stays one patient.")
    key.command("export")(key_export)
    key.command("import")(key_import)
    group.add_typer(key, name="key")
    app.add_typer(group, name="dataset")


def init(
    workspace: Path = WorkspaceFolder,
    split_salt: str = typer.Option(
        None, "--split-salt", metavar="HEX", help="Split as another dataset does."
    ),
    site_key: Path = typer.Option(
        None, "--site-key", metavar="FILE", help="Default: this user's own key.", readable=False
    ),
    as_json: bool = JsonFlag,
) -> None:
    """Make a workspace: dataset, models and runs in one new folder."""
    from src_training.dataset.keyring import read_key
    from src_training.workspace import Workspace

    key = None if site_key is None else read_key(site_key)
    made = Workspace.create(workspace, split_salt=split_salt, site_key=key)
    record = {"workspace": str(workspace), "dataset": made.dataset.facts["uuid"]}
    record["site_key"] = made.dataset.fingerprint
    result(f"made {workspace} (site key {made.dataset.fingerprint})", record, as_json)


def append(
    workspace: Path = WorkspaceFolder,
    image: Path = typer.Option(..., "--image", help="An angiogram file.", readable=False),
    mask: Path = typer.Option(..., "--mask", help="The mask of the frame.", readable=False),
    patient: str = typer.Option(None, "--patient", help="Patient id; only its keyed hash is stored."),
    frame: int = typer.Option(None, "--frame", help="Which frame of a cine; the first is 0."),
    status: str = Status,
    threshold: float = Threshold,
    vessel_classes: str = VesselClasses,
    ignore_classes: str = IgnoreClasses,
    background_classes: str = BackgroundClasses,
    classes: Path = ClassesFile,
    annotator: str = Annotator,
    vessels: Vessels = VesselsOption,
    vessels_bright: bool = BrightAlias,
    invert_masks: bool = InvertMasks,
    accept_implausible: bool = AcceptImplausible,
    distinct_patients: bool = DistinctPatients,
    resolve: bool = typer.Option(False, "--resolve", help="This mask resolves a conflict."),
    as_json: bool = JsonFlag,
) -> None:
    """Save one frame with its mask; prints `saved CASE REVISION` once it is durable."""
    from src_training.dataset import Origin
    from src_training.dataset.folders import read_pair
    from src_training.dataset.intake import Inverted, check_plausible
    from src_training.dataset.outbox import save_or_keep
    from src_training.dataset.patient_table import check_alike
    from src_training.exchange.mask_sources import Reading

    bright = told_polarity(vessels, vessels_bright)
    dataset, origin = writable(workspace), Origin(status, annotator)
    known = told_classes(vessel_classes, ignore_classes, background_classes, classes, dataset)
    reading = Reading(threshold, known)
    drawn = reading.sources(mask.parent)(mask)
    source = Inverted(drawn) if invert_masks else drawn
    labelled = read_pair(image, source, patient=patient, frame=frame, vessels_bright=bright)
    if not distinct_patients:
        check_alike([(image.name, labelled.frame.patient)], dataset)
    if not accept_implausible:
        check_plausible(source, labelled, status)
    before = newest(dataset, labelled.frame)
    outcome = save_or_keep(dataset, labelled.frame, labelled.mask, origin, resolve=resolve)
    remark([labelled])
    if not tell_saved(outcome, as_json):
        raise typer.Exit(2)
    if before is not None and outcome != before:
        say(f"it takes the place of {before.name} ({before.status}), which is kept")
    remember_source(dataset, outcome, image, patient)
    remark_twins(dataset, [outcome])


def export_frames(
    workspace: Path = WorkspaceFolder,
    output: Path = typer.Option(
        ...,
        "-o",
        "--output",
        help="A new folder outside the workspace, and beside no --source.",
        readable=False,
    ),
    kind: str = typer.Option(
        "png", "--format", help="nnunet, monai, coco, nifti, labelme, yolo, png, dicom-seg."
    ),
    source: list[Path] = typer.Option(
        [],
        "--source",
        metavar="FILE",
        help="For dicom-seg: the DICOM files that the frames came from.",
        readable=False,
    ),
    json: bool = JsonFlag,
) -> None:
    """Write the reviewed frames for another program, split by patient; conflicts and rejected frames stay here.

    dicom-seg writes train/001.seg.dcm and so on: the number is that of the --source, the folder its part of the split.
    """
    from src_training.exchange import FORMATS, export
    from src_training.exchange.frames import left_out

    dataset = open_dataset(workspace)
    if kind not in (*FORMATS, _SEG):
        raise DatasetError(f"format {kind!r} is not known. Use one of: {', '.join([*FORMATS, _SEG])}.")
    if line := left_out(dataset):
        say(line)
    if kind == _SEG:
        _export_segs(dataset, source, output, json)
        return
    frames = export(dataset, kind, output)
    counts = {split: sum(frame.split == split for frame in frames) for split in _SPLITS}
    cut = sum(not frame.exact for frame in frames)
    if cut:
        say(f"{cut} of {len(frames)}: grey values that need more than 16 bits were rounded")
    if conflicts := dataset.conflicts():
        say(f"{len(conflicts)} cases left out: their revisions contradict each other")
    result(_told(output, counts), {"format": kind, "frames": len(frames), **counts}, json)


def verify(
    workspace: Path = WorkspaceFolder,
    deep: bool = typer.Option(False, "--deep", help="Read every image and mask too."),
    json: bool = JsonFlag,
) -> None:
    """Check that nothing is damaged: exit 0 when all is sound, 1 when it is not."""
    from src_training.dataset.verify import verify_folder

    folder = workspace / "dataset"
    if not folder.is_dir():
        open_dataset(workspace)
    report = verify_folder(folder, deep=deep)
    for note in report.notes:
        say(f"note: {note}")
    verdict = "sound" if report.sound else f"{len(report.problems)} problems"
    lines = [*report.problems, f"{verdict}: {report.cases} cases, {report.revisions} revisions"]
    told = {
        "sound": report.sound,
        "problems": report.problems,
        "notes": report.notes,
        "findings": [{"code": one.code, "text": one.text, "cure": one.cure} for one in report.findings],
        "cases": report.cases,
        "revisions": report.revisions,
    }
    result(lines, told, json)
    if not report.sound:
        raise typer.Exit(1)


def list_cases(workspace: Path = WorkspaceFolder, json: bool = JsonFlag) -> None:
    """List every case with its revisions, its status, its part of the split, and where it comes from.

    Names of files and patients never lie in a workspace: they are known on the computer that saved the case.
    """
    from src_training.dataset.sources import Sources

    dataset = open_dataset(workspace)
    sources = Sources(dataset).read()
    cases = [_described(dataset, case, sources.get(case)) for case in dataset.cases()]
    if json:
        result("", {"dataset": dataset.facts["uuid"], "cases": cases}, as_json=True)
        return
    rows = [_row(case) for case in cases]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    if rows:
        say(_aligned(_COLUMNS, widths))
    for row, case in zip(rows, cases, strict=True):
        result(_aligned(row, widths) + ("  CONFLICT" if case["conflict"] else ""))


def label_case(
    workspace: Path = WorkspaceFolder,
    case: str = Case,
    text: str = typer.Argument(..., help="What you call it; empty: the name of its file again."),
    json: bool = JsonFlag,
) -> None:
    """Give a case a name of your own, which stays on this computer and is shown by `list`."""
    from src_training.dataset.sources import Sources

    dataset = open_dataset(workspace)
    full = _case_of(dataset, case)
    Sources(dataset).call(full, text)
    result(f"labelled {full} {text}".rstrip(), {"case": full, "label": text}, json)


def withdraw_case(
    workspace: Path = WorkspaceFolder,
    case: str = Case,
    annotator: str = Annotator,
    json: bool = JsonFlag,
) -> None:
    """Take a frame back: nothing is deleted, and no training or export uses it any more."""
    from src_training.dataset.moving import withdraw

    dataset = open_dataset(workspace)
    full = _case_of(dataset, case)
    revision = withdraw(dataset, dataset.case_heads(full), annotator)
    result(f"withdrawn {full} {revision.name}", {"case": full, "revision": revision.name}, json)


def move_case(
    workspace: Path = WorkspaceFolder,
    case: str = Case,
    patient: str = typer.Option(..., "--patient", help="Patient id; only its keyed hash is stored."),
    annotator: str = Annotator,
    distinct_patients: bool = DistinctPatients,
    json: bool = JsonFlag,
) -> None:
    """Give a frame to its patient: it is saved there, and withdrawn where it was."""
    from src_training.dataset.moving import move
    from src_training.dataset.patient_table import check_alike
    from src_training.dataset.sources import Source, Sources

    dataset = writable(workspace)
    full = _case_of(dataset, case)
    heads = dataset.case_heads(full)
    if len({head.says for head in heads}) > 1:
        raise DatasetError(
            f"case {full}: its revisions contradict each other. Resolve them first: dataset append --resolve."
        )
    if not distinct_patients:
        check_alike([("--patient", patient)], dataset, without=full)
    moved = move(dataset, heads[-1], patient, annotator)
    sources = Sources(dataset)
    known = sources.read().get(full, Source(frame=moved.frame_index))
    with contextlib.suppress(OSError):
        sources.remember(moved.case, replace(known, patient=patient))
    told = {"case": moved.case, "revision": moved.name, "moved_from": full, "split": moved.bucket}
    result(f"moved {full} to {moved.case} {moved.name} ({moved.bucket})", told, json)


def key_export(
    workspace: Path = WorkspaceFolder,
    file: Path = typer.Argument(
        ..., help="A new file; hand it over as you would a password.", readable=False
    ),
    as_json: bool = JsonFlag,
) -> None:
    """Write the site key of a workspace's dataset, for a colleague who appends to it too."""
    from src_training import durable

    key = open_dataset(workspace).site_key()
    if workspace.resolve() in file.resolve().parents:
        raise DatasetError(
            f"{file.name}: a key never lies in the workspace it protects. Choose another place."
        )
    try:
        durable.write_new(file, key.hex().encode() + b"\n", private=True)
    except FileExistsError:
        raise DatasetError(f"{file.name}: exists already. Choose a new file.") from None
    except OSError as error:
        raise DatasetError(f"{file.name}: not written: {durable.cure_for(error)}") from error
    result(f"wrote {file}: whoever has it can test guesses of patient ids", {"file": str(file)}, as_json)


def key_import(
    workspace: Path = WorkspaceFolder,
    file: Path = typer.Argument(..., help="The file that `key export` wrote.", readable=False),
    as_json: bool = JsonFlag,
) -> None:
    """Keep the site key of a workspace's dataset, so that frames can be appended here."""
    from src_training.dataset.keyring import read_key

    dataset = open_dataset(workspace)
    dataset.import_key(read_key(file))
    result(f"imported site key {dataset.fingerprint}", {"site_key": dataset.fingerprint}, as_json)


def publish(
    workspace: Path = WorkspaceFolder,
    moved: bool = typer.Option(
        False, "--moved", help="It lay elsewhere when they were kept, and is not there any more."
    ),
    as_json: bool = JsonFlag,
) -> None:
    """Save the frames that wait on this computer because the workspace's disk refused them."""
    from src_training.dataset.outbox import Outbox

    dataset = open_dataset(workspace)
    saved = []
    outbox = Outbox(dataset)
    for _entry, revision in outbox.publish(moved=moved):
        tell_saved(revision, as_json)
        saved.append(revision)
    remark_twins(dataset, saved)
    if left := outbox.moved():
        raise DatasetError(
            f"{left.count} frames wait for this dataset as it was at {left.place}, where it is not now. If this is it: "
            "lightvessel dataset publish WORKSPACE --moved."
        )


def _export_segs(dataset: Dataset, sources: Sequence[Path], output: Path, as_json: bool) -> None:
    from src_training.quiet import importing_quietly

    with importing_quietly():
        from src_training.exchange.dicom_seg import export_segs

    if not sources:
        raise DatasetError("dicom-seg needs the DICOM files: --source FILE, once for each.")
    written = export_segs(dataset, sources, output)
    counts = {split: sum(one.frames for one in written if one.split == split) for split in _SPLITS}
    lines = [f"wrote {output / one.file}: {one.frames} frames of {one.source.name}" for one in written]
    files = {one.file: one.frames for one in written}
    told = {"format": _SEG, "frames": sum(files.values()), **counts, "files": files}
    result([*lines, _told(output, counts)], told, as_json)


def _told(output: Path, counts: dict[str, int]) -> str:
    return f"wrote {output}: " + ", ".join(f"{count} {split}" for split, count in counts.items())


def _case_of(dataset: Dataset, text: str) -> str:
    """The case that these digits begin, of which there must be one."""
    wanted = text.strip().lower()
    found = [case for case in dataset.cases() if case.startswith(wanted)]
    if len(wanted) < _DIGITS:
        what = f"{_DIGITS} digits of a case or more name it"
    elif len(found) == 1:
        return found[0]
    else:
        what = f"{len(found)} cases begin so" if found else "there is no such case"
    raise DatasetError(f"case {text[:40]!r}: {what}. lightvessel dataset list names them.")


def _row(case: dict[str, Any]) -> list[str]:
    source = case["source"]
    frame = "-" if case["frame"] is None else str(case["frame"])
    label = _HERE if source is None else source
    return [case["case"], case["revision"], case["status"], case["split"], label, frame, case["patient"]]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _patient(head: Revision, source: Source | None) -> str:
    if head.patient_key is None:
        return "unknown"
    if source is None:
        return _HERE
    return source.patient or "as the file says"


def _described(dataset: Dataset, case: str, source: Source | None) -> dict[str, Any]:
    revisions, heads = dataset.revisions(case), dataset.case_heads(case)
    head = heads[-1]
    return {
        "case": case,
        "revision": head.name,
        "status": head.status,
        "split": head.bucket,
        "source": source.label if source is not None and source.label else None,
        "frame": head.frame_index,
        "patient": _patient(head, source),
        "annotator": head.annotator,
        "patient_key": head.patient_key,
        "conflict": len({one.says for one in heads}) > 1,
        "heads": [one.name for one in heads],
        "revisions": [
            {"revision": one.name, "seq": one.seq, "status": one.status, "parent": one.record["parent"]}
            for one in revisions
        ],
    }
