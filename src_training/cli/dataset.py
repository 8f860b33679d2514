"""``lightvessel dataset``: make, fill, check and list the dataset of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training.cli.common import JsonFlag, result, say
from src_training.errors import BadMask, DatasetError, UnreadableCine

if TYPE_CHECKING:
    from src_training.dataset import Dataset, Revision
    from src_training.dataset.folders import LabelledFrame, Matched
    from src_training.dataset.outbox import Kept

_Folder = typer.Argument(..., metavar="WORKSPACE", help="The workspace's folder.")
_Threshold = typer.Option(None, "--threshold", help="Mask values of at least this are vessel.")
_Status = typer.Option("accepted", "--status", help="What was decided about the frames.")
_Annotator = typer.Option("", "--annotator", help="A pseudonym of who drew the masks.")
_SEG = "dicom-seg"
_Bright = typer.Option(False, "--vessels-bright", help="The vessels are brighter than the background.")


def register(app: typer.Typer) -> None:
    """Add the ``dataset`` group."""
    group = typer.Typer(
        no_args_is_help=True, help="Make, fill, check, list and export the dataset of a workspace."
    )
    group.command("init")(init)
    group.command("append")(append)
    group.command("import")(import_folders)
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
    workspace: Path = _Folder,
    split_salt: str = typer.Option(
        None, "--split-salt", metavar="HEX", help="Split as another dataset does."
    ),
    site_key: Path = typer.Option(None, "--site-key", metavar="FILE", help="Default: this user's own key."),
) -> None:
    """Make a workspace: dataset, models and runs in one new folder."""
    from src_training.dataset.keyring import read_key
    from src_training.workspace import Workspace

    key = None if site_key is None else read_key(site_key)
    made = Workspace.create(workspace, split_salt=split_salt, site_key=key)
    result(f"made {workspace} (site key {made.dataset.fingerprint})")


def append(
    workspace: Path = _Folder,
    image: Path = typer.Option(..., "--image", help="An angiogram file."),
    mask: Path = typer.Option(..., "--mask", help="The mask of the frame."),
    patient: str = typer.Option(None, "--patient", help="Patient id; only its keyed hash is stored."),
    frame: int = typer.Option(None, "--frame", help="Which frame of a cine; the first is 0."),
    status: str = _Status,
    threshold: float = _Threshold,
    annotator: str = _Annotator,
    vessels_bright: bool = _Bright,
    resolve: bool = typer.Option(False, "--resolve", help="This mask settles a conflict."),
) -> None:
    """Save one frame with its mask; prints `saved CASE REVISION` once it is durable."""
    from src_training.dataset import Origin
    from src_training.dataset.folders import MaskFile, read_pair
    from src_training.dataset.outbox import save_or_keep

    dataset, origin = _writable(workspace), Origin(status, annotator)
    source = MaskFile(mask, threshold)
    labelled = read_pair(image, source, patient=patient, frame=frame, vessels_bright=vessels_bright)
    outcome = save_or_keep(dataset, labelled.frame, labelled.mask, origin, resolve=resolve)
    _remark([labelled])
    if not _told(outcome):
        raise typer.Exit(2)


def import_folders(
    workspace: Path = _Folder,
    images: Path = typer.Option(None, "--images", help="Folder of single images."),
    masks: Path = typer.Option(None, "--masks", help="Folder of masks called like the images, or STEM_mask."),
    coco: Path = typer.Option(None, "--coco", metavar="JSON", help="COCO annotations of the --images."),
    nnunet: Path = typer.Option(None, "--nnunet", metavar="FOLDER", help="A dataset of nnU-Net v2."),
    patients: Path = typer.Option(None, "--patients", metavar="CSV", help="Image name, patient id."),
    status: str = _Status,
    threshold: float = _Threshold,
    annotator: str = _Annotator,
    vessels_bright: bool = _Bright,
) -> None:
    """Save many images with their masks: two folders, COCO polygons, or a dataset of nnU-Net v2.

    A bad pair is reported, the others are saved (exit 2). Nothing is written where the images lie.
    """
    from src_training.dataset import Origin
    from src_training.dataset.folders import read_pair, read_patients
    from src_training.dataset.outbox import save_or_keep

    dataset, origin = _writable(workspace), Origin(status, annotator)
    matched = _matched(images, masks, coco, nnunet, threshold)
    patient_of = read_patients(patients) if patients else {}
    for line in [*matched.remarks, *_nameless(patient_of, matched), *matched.failures]:
        say(line)
    saved: list[LabelledFrame] = []
    for image, mask in matched.pairs:
        patient = patient_of.get(image.name) or patient_of.get(image.stem)
        try:
            labelled = read_pair(image, mask, patient=patient, vessels_bright=vessels_bright)
            if _told(save_or_keep(dataset, labelled.frame, labelled.mask, origin)):
                saved.append(labelled)
        except (UnreadableCine, BadMask) as error:
            say(_naming(error, image, mask.name))
    _remark(saved)
    say(f"{len(saved)} of {len(matched.pairs) + len(matched.failures)} saved")
    if matched.failures or len(saved) < len(matched.pairs):
        raise typer.Exit(2)


def export_frames(
    workspace: Path = _Folder,
    output: Path = typer.Option(..., "-o", "--output", help="A new folder outside the workspace."),
    kind: str = typer.Option("png", "--format", help="nnunet, monai, coco, png, dicom-seg."),
    source: list[Path] = typer.Option(
        [], "--source", metavar="FILE", help="For dicom-seg: the DICOM files that the frames came from."
    ),
    json: bool = JsonFlag,
) -> None:
    """Write the reviewed frames for another program, split by patient; conflicts and rejected frames stay here."""
    from src_training.exchange import FORMATS, export

    dataset = _open(workspace)
    if kind == _SEG:
        _export_segs(dataset, source, output, json)
        return
    if kind not in FORMATS:
        raise DatasetError(f"format {kind!r} is not known. Use one of: {', '.join([*FORMATS, _SEG])}.")
    frames = export(dataset, kind, output)
    counts = {split: sum(frame.split == split for frame in frames) for split in ("train", "val", "test")}
    cut = sum(not frame.exact for frame in frames)
    if cut:
        say(f"{cut} of {len(frames)}: grey values that need more than 16 bits were rounded")
    if conflicts := dataset.conflicts():
        say(f"{len(conflicts)} cases left out: their revisions contradict each other")
    told = ", ".join(f"{count} {split}" for split, count in counts.items())
    result(f"wrote {output}: {told}", {"format": kind, "frames": len(frames), **counts}, json)


def verify(
    workspace: Path = _Folder,
    deep: bool = typer.Option(False, "--deep", help="Read every image and mask too."),
    json: bool = JsonFlag,
) -> None:
    """Check that nothing is damaged: exit 0 when all is sound, 1 when it is not."""
    from src_training.dataset.verify import verify_folder

    folder = workspace / "dataset"
    if not folder.is_dir():
        _open(workspace)
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
    result("\n".join(lines), told, json)
    if not report.sound:
        raise typer.Exit(1)


def list_cases(workspace: Path = _Folder, json: bool = JsonFlag) -> None:
    """List every case with its revisions, its status and its part of the split."""
    dataset = _open(workspace)
    cases = [_described(dataset, case) for case in dataset.cases()]
    if json:
        result("", {"dataset": dataset.facts["uuid"], "cases": cases}, as_json=True)
        return
    for case in cases:
        conflict = "  CONFLICT" if case["conflict"] else ""
        result(f"{case['case']}  {case['revision']}  {case['status']:<13}  {case['split']:<5}{conflict}")


def key_export(
    workspace: Path = _Folder,
    file: Path = typer.Argument(..., help="A new file; hand it over as you would a password."),
) -> None:
    """Write the site key of a workspace's dataset, for a colleague who appends to it too."""
    from src_training import durable

    key = _open(workspace).site_key()
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
    result(f"wrote {file}: whoever has it can test guesses of patient ids")


def key_import(
    workspace: Path = _Folder,
    file: Path = typer.Argument(..., help="The file that `key export` wrote."),
) -> None:
    """Keep the site key of a workspace's dataset, so that frames can be appended here."""
    from src_training.dataset.keyring import read_key

    dataset = _open(workspace)
    dataset.import_key(read_key(file))
    result(f"imported site key {dataset.fingerprint}")


def _open(workspace: Path) -> Dataset:
    from src_training.workspace import Workspace

    return Workspace.open(workspace).dataset


def _writable(workspace: Path) -> Dataset:
    dataset = _open(workspace)
    dataset.site_key()  # a missing key is told before anything is decoded
    return dataset


def publish(workspace: Path = _Folder) -> None:
    """Save the frames that wait on this computer because the workspace's disk refused them."""
    from src_training.dataset.outbox import Outbox

    for _entry, revision in Outbox(_open(workspace)).publish():
        _told(revision)


def _told(outcome: Revision | Kept) -> bool:
    """Say how a frame was saved; whether it is in the dataset."""
    from src_training.dataset.outbox import Kept

    if isinstance(outcome, Kept):
        say(f"waits on this computer: {outcome.reason} Then: lightvessel dataset publish WORKSPACE.")
        return False
    result(f"saved {outcome.case} {outcome.name}")
    return True


def _remark(saved: Sequence[LabelledFrame]) -> None:
    unknown = sum(one.frame.patient is None for one in saved)
    if unknown:
        say(f"{unknown} of {len(saved)}: patient unknown, so for training only (--patient, --patients)")
    burned = sum(one.maybe_burned_in for one in saved)
    if burned:
        say(f"{burned} of {len(saved)}: not stated to be free of burned-in text; look at them before sharing")


def _export_segs(dataset: Dataset, sources: Sequence[Path], output: Path, as_json: bool) -> None:
    from src_training.quiet import importing_quietly

    with importing_quietly():
        from src_training.exchange.dicom_seg import export_segs

    if not sources:
        raise DatasetError("dicom-seg needs the DICOM files: --source FILE, once for each.")
    counts = export_segs(dataset, sources, output)
    lines = [
        f"wrote {output / name}: {frames} frames of {source.name}"
        for source, (name, frames) in zip(sources, counts.items(), strict=True)
    ]
    result("\n".join(lines), {"format": _SEG, "files": counts}, as_json)


def _matched(
    images: Path | None, masks: Path | None, coco: Path | None, nnunet: Path | None, threshold: float | None
) -> Matched:
    """The pairs of whichever source was named."""
    from src_training.dataset.folders import match_pairs
    from src_training.exchange.arriving import match_coco, match_nnunet

    if nnunet is not None and not (images or masks or coco):
        return match_nnunet(nnunet)
    if images is not None and nnunet is None:
        if coco is not None and masks is None:
            return match_coco(coco, images)
        if masks is not None and coco is None:
            return match_pairs(images, masks, threshold)
    raise DatasetError("name one source: --images with --masks, --images with --coco, or --nnunet.")


def _nameless(patient_of: dict[str, str], matched: Matched) -> list[str]:
    there = {name for image in matched.images for name in (image.name, image.stem)}
    return [
        f"{name}: named in the CSV, but not in {matched.where}" for name in patient_of if name not in there
    ]


def _naming(error: Exception, image: Path, mask: str) -> str:
    text = str(error)
    return text if image.name in text or mask in text else f"{image.name}: {text}"


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
