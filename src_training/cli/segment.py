"""``lightvessel segment``: files in, masks out; one bad file among many is skipped and said."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer
from numpy.typing import NDArray

from src_training import decoding
from src_training.cli.common import (
    BrightAlias,
    JsonFlag,
    Vessels,
    VesselsOption,
    check_folder,
    failure,
    progress,
    result,
    say,
    say_left_out,
    say_left_out_folders,
    say_left_out_masks,
    say_polarity,
    say_remarks,
    told_polarity,
)
from src_training.errors import LightVesselError

if TYPE_CHECKING:
    from src_training.cine import Cine
    from src_training.inference import Predictor


@dataclass(frozen=True)
class Job:
    """One input, what its masks are called, the files that are read for it, and the run of a disc that it is."""

    source: Path
    stem: str
    files: tuple[Path, ...]
    cine: Cine | None = None
    problem: LightVesselError | None = None

    @property
    def name(self) -> str:
        """What a run of a disc is called; empty for others."""
        return "" if self.cine is None else self.cine.name

    @property
    def label(self) -> str:
        """Its source, and which run of that it is."""
        return f"{self.source} ({self.name})" if self.name else str(self.source)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("segment", no_args_is_help=True)(segment)


def segment(
    inputs: list[Path] = typer.Argument(
        ..., metavar="INPUT…", help="Files, folders of files, a DICOMDIR or a ZIP of one.", readable=False
    ),
    output: Path = typer.Option(
        ..., "-o", "--output", metavar="OUT_DIR", help="Folder for the masks.", readable=False
    ),
    model: str = typer.Option(
        "", "--model", metavar="ID|PATH", help="Built-in id, model folder, or workspace id."
    ),
    workspace: Path | None = typer.Option(
        None,
        "--workspace",
        help="Where --model is looked up; its active model by default.",
        readable=False,
    ),
    threshold: float | None = typer.Option(
        None,
        "--threshold",
        min=0.0,
        max=1.0,
        help="Probability from which on a pixel is vessel; default: the model card's.",
    ),
    probability: bool = typer.Option(False, "--probability", help="Also write <stem>_prob.tif (float32)."),
    cine: bool = typer.Option(False, "--cine", help="A folder is one acquisition, its files are frames."),
    vessels: Vessels = VesselsOption,
    invert: bool = BrightAlias,
    runtime: str = typer.Option("auto", "--runtime", help="auto, openvino or torch."),
    device: str = typer.Option("auto", "--device", help="auto, cpu, cuda or mps."),
    precision: str = typer.Option("float32", "--precision", help="float32 or bf16."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace masks that are there and differ."),
    as_json: bool = JsonFlag,
) -> int:
    """Write a vessel mask for every input: <stem>.png for an image, <stem>.tif for a multi-frame or DICOM file.

    A mask holds 0 background and 1 vessel. Research use only, not for diagnosis.
    """
    bright = told_polarity(vessels, invert)
    decoding.warm_up()  # it gets ready while the network is loaded
    with contextlib.ExitStack() as discs:
        jobs = plan(inputs, output, as_cine=cine, probability=probability, discs=discs)
        predictor = load_predictor(model, workspace, runtime=runtime, device=device, precision=precision)
        _make_folder(output)
        failed = 0
        for number, job in enumerate(jobs, 1):
            try:
                record = segment_one(
                    job, output, predictor, threshold, probability, cine, bright, overwrite=overwrite
                )
            except LightVesselError as error:
                failed += 1
                failure(job.source, error, as_json)
                continue
            name = job.name or job.source.name or job.stem
            progress(f"[{number}/{len(jobs)}] {name}: {record['frames']} frame(s)")
            result(str(record["mask"]), record, as_json)
    if failed and len(jobs) > 1:
        say(f"{len(jobs) - failed} of {len(jobs)} segmented")
    return 2 if failed else 0


def plan(
    inputs: list[Path], output: Path, *, as_cine: bool, probability: bool, discs: contextlib.ExitStack
) -> list[Job]:
    """What is read and what is written, checked before anything is; of a disc, which ``discs`` closes, each run.

    Raises LightVesselError when nothing is to be read, when two inputs would write one file, when
    an output would replace an input, or when the output cannot be a folder.
    """
    from src_training.cine import find_inputs

    say_left_out(inputs)
    say_left_out_masks(inputs)
    say_left_out_folders(inputs, output)
    sources = list(inputs) if as_cine else find_inputs(inputs)
    jobs = [job for source in sources for job in _jobs(source, discs, as_cine=as_cine)]
    _refuse_collisions(jobs, output, probability)
    check_folder(output)
    return jobs


def segment_one(
    job: Job,
    output: Path,
    predictor: Predictor,
    threshold: float | None,
    probability: bool,
    as_cine: bool,
    bright: bool | None = None,
    *,
    overwrite: bool = False,
) -> dict[str, object]:
    """Segment one input and write its files; the record names them. ``bright`` None: its polarity is looked at.

    Raises LightVesselError when the input cannot be read, a file cannot be written, or is there and holds something
    else: what was corrected by hand or made from another cine is not replaced unless ``overwrite`` says so.
    """
    from src_training.cine import polarity_of, read_cine
    from src_training.masks import stack_tiff

    if job.problem is not None:
        raise job.problem
    source = read_cine(job.source, as_cine=as_cine) if job.cine is None else job.cine
    say_remarks(source.remarks)
    polarity = polarity_of(source, bright)
    say_polarity([(source.name, polarity)])
    masks, probabilities = [], []
    for _, frame in predictor.segment(source, invert=polarity.bright):
        masks.append(predictor.mask(frame, threshold))
        if probability:
            probabilities.append(frame)
    mask, data = _mask_file(job, output, source, np.stack(masks))
    written = {mask: data}
    if probability:
        written[output / f"{job.stem}_prob.tif"] = stack_tiff(np.stack(probabilities))
    if not overwrite:
        _refuse_to_replace(written)
    for path, content in written.items():
        _write(path, content)
    record: dict[str, object] = {
        "input": str(job.source),
        "mask": str(mask),
        "frames": len(masks),
        "vessels_bright": polarity.bright,
        "polarity": polarity.source,
        "vessel_share": round(float(np.mean(masks)), 5),
        "model": predictor.model.id,
        "threshold": predictor.card.threshold if threshold is None else threshold,
        "remarks": list(source.remarks),
    }
    if job.name:
        record["run"] = job.name
    if probability:
        record["probability"] = str(output / f"{job.stem}_prob.tif")
    return record


def load_predictor(
    model: str,
    workspace: Path | None,
    *,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "float32",
) -> Predictor:
    """The model of ``--model`` and ``--workspace``; without either the shipped default."""
    from src_training.inference import Predictor
    from src_training.models import default_model, load_model

    if runtime not in ("auto", "openvino", "torch") or precision not in ("float32", "bf16"):
        raise LightVesselError("--runtime is auto, openvino or torch; --precision is float32 or bf16.")
    place = None
    if workspace is not None:
        from src_training.workspace import Workspace

        place = Workspace.open(workspace)
        if not model and (warning := place.models.warning()):
            say(f"lightvessel: {warning}")
    entry = load_model(model, place) if model else default_model(place)
    return Predictor.load(entry, runtime=runtime, device=device, precision=precision)  # type: ignore[arg-type]


def _jobs(source: Path, discs: contextlib.ExitStack, *, as_cine: bool) -> list[Job]:
    from src_training.cine import find_inputs
    from src_training.cine.sniff import stem_of
    from src_training.exchange.discs import is_disc, opened_disc

    if as_cine or not is_disc(source):
        return [Job(source, _stem(source), tuple(find_inputs([source])))]
    try:
        disc = discs.enter_context(opened_disc(source))
    except LightVesselError as error:  # told when its turn comes: the other inputs are done all the same
        return [Job(source, _stem(source), (source,), problem=error)]
    say_remarks(disc.remarks)
    return [Job(source, stem_of(Path(run.name)), tuple(run.files), run.cine) for run in disc.runs]


def _stem(source: Path) -> str:
    from src_training.cine.sniff import stem_of

    if os.path.isdir(source):
        # "." and ".." do not say what the folder is called.
        return source.name if source.name not in ("", "..") else source.resolve().name
    return stem_of(source)


def _refuse_collisions(jobs: list[Job], output: Path, probability: bool) -> None:
    owners: dict[Path, str] = {}
    inputs = {_place(file) for job in jobs for file in job.files}
    for job in jobs:
        endings = [".png", ".tif"] + (["_prob.tif"] if probability else [])
        for target in (output / f"{job.stem}{ending}" for ending in endings):
            place = _place(target)
            if place in inputs:
                raise LightVesselError(
                    f"{target.name}: the mask would replace an input. Choose another folder with -o."
                )
            other = owners.setdefault(place, job.label)
            if other != job.label:
                raise LightVesselError(
                    f"{other} and {job.label} would both write {target.name}. Segment them into separate folders."
                )


def _place(path: Path) -> Path:
    """Where a file lies; case-folded, because on Windows and macOS IM1.tif and im1.tif are one file."""
    real = Path(os.path.realpath(path))
    return real.parent / real.name.casefold()


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LightVesselError(
            f"{output}: this folder cannot be made: {error.strerror}. Choose another folder with -o."
        ) from error


def _mask_file(job: Job, output: Path, source: Cine, masks: NDArray[np.uint8]) -> tuple[Path, bytes]:
    from src_training.masks import indexed_png, stack_tiff

    if source.is_multiframe_file or len(masks) > 1:
        return output / f"{job.stem}.tif", stack_tiff(masks)
    return output / f"{job.stem}.png", indexed_png(masks[0])


def _refuse_to_replace(written: dict[Path, bytes]) -> None:
    for path, data in written.items():
        if os.path.lexists(path) and not os.path.isdir(path) and not _holds(path, data):
            raise LightVesselError(
                f"{path}: is there already and holds something else. Give --overwrite to replace it, "
                "or choose another folder with -o."
            )


def _holds(path: Path, data: bytes) -> bool:
    from src_training.regular import read_regular

    try:
        return read_regular(path, len(data) + 1) == data
    except OSError:
        return False


def _write(path: Path, data: bytes) -> Path:
    from src_training import durable

    if os.path.isdir(path):
        raise LightVesselError(f"{path}: a folder is called so. Rename it, or choose another folder with -o.")
    try:
        durable.replace(path, data)
    except OSError as error:
        raise LightVesselError(f"{path}: not written: {durable.cure_for(error)}") from error
    return path
