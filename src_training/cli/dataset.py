"""``lightvessel dataset``: make, fill, check and list the dataset of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training.cli import importing
from src_training.cli.common import JsonFlag, result, say
from src_training.cli.saving import (
    Annotator,
    Bright,
    Status,
    Threshold,
    WorkspaceFolder,
    open_dataset,
    remark,
    remark_twins,
    tell_saved,
    writable,
)
from src_training.errors import DatasetError

if TYPE_CHECKING:
    from src_training.dataset import Dataset

_SEG = "dicom-seg"
_SPLITS = ("train", "val", "test")


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
    annotator: str = Annotator,
    vessels_bright: bool = Bright,
    resolve: bool = typer.Option(False, "--resolve", help="This mask resolves a conflict."),
    as_json: bool = JsonFlag,
) -> None:
    """Save one frame with its mask; prints `saved CASE REVISION` once it is durable."""
    from src_training.dataset import Origin
    from src_training.dataset.folders import MaskFile, read_pair
    from src_training.dataset.outbox import save_or_keep

    dataset, origin = writable(workspace), Origin(status, annotator)
    source = MaskFile(mask, threshold)
    labelled = read_pair(image, source, patient=patient, frame=frame, vessels_bright=vessels_bright)
    outcome = save_or_keep(dataset, labelled.frame, labelled.mask, origin, resolve=resolve)
    remark([labelled])
    if not tell_saved(outcome, as_json):
        raise typer.Exit(2)
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
    kind: str = typer.Option("png", "--format", help="nnunet, monai, coco, png, dicom-seg."),
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
    """List every case with its revisions, its status and its part of the split."""
    dataset = open_dataset(workspace)
    cases = [_described(dataset, case) for case in dataset.cases()]
    if json:
        result("", {"dataset": dataset.facts["uuid"], "cases": cases}, as_json=True)
        return
    for case in cases:
        conflict = "  CONFLICT" if case["conflict"] else ""
        result(f"{case['case']}  {case['revision']}  {case['status']:<13}  {case['split']:<5}{conflict}")


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


def publish(workspace: Path = WorkspaceFolder, as_json: bool = JsonFlag) -> None:
    """Save the frames that wait on this computer because the workspace's disk refused them."""
    from src_training.dataset.outbox import Outbox

    dataset = open_dataset(workspace)
    saved = []
    for _entry, revision in Outbox(dataset).publish():
        tell_saved(revision, as_json)
        saved.append(revision)
    remark_twins(dataset, saved)


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


def _described(dataset: Dataset, case: str) -> dict[str, Any]:
    revisions, heads = dataset.revisions(case), dataset.case_heads(case)
    head = heads[-1]
    return {
        "case": case,
        "revision": head.name,
        "status": head.status,
        "split": head.bucket,
        "patient_key": head.patient_key,
        "conflict": len({one.says for one in heads}) > 1,
        "heads": [one.name for one in heads],
        "revisions": [
            {"revision": one.name, "seq": one.seq, "status": one.status, "parent": one.record["parent"]}
            for one in revisions
        ],
    }
