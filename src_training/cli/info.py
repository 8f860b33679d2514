"""``lightvessel info FILE…``: what a file holds, without decoding its frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from src_training.cine import Cine, find_inputs, read_cine
from src_training.cli.common import JsonFlag, Unread, failure, result, say_remarks
from src_training.errors import LightVesselError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("info")(info)


def info(
    files: list[Path] = typer.Argument(
        ..., metavar="FILE…", help="Angiograms, folders of them, a DICOMDIR or a ZIP of one.", readable=False
    ),
    cine: bool = typer.Option(False, "--cine", help="A folder is one cine, its files are the frames."),
    as_json: bool = JsonFlag,
) -> None:
    """Show size, grey values, frame time, projection and calibration of angiograms.

    Exit code 2 when a file cannot be read; the others are shown all the same.
    """
    from src_training.exchange.discs import is_disc

    bad = 0
    for path in files if cine else find_inputs(files):
        try:
            if not cine and is_disc(path):
                _tell_disc(path, as_json)
            else:
                _tell(read_cine(path, as_cine=cine), path, as_json)
        except Unread:
            raise
        except LightVesselError as error:
            failure(path, error, as_json)
            bad += 1
    if bad:
        raise typer.Exit(2)


def _tell(opened: Cine, path: Path, as_json: bool) -> None:
    result(_sentence(opened), _record(opened, path), as_json)
    say_remarks(opened.remarks)


def _tell_disc(path: Path, as_json: bool) -> None:
    from src_training.exchange.discs import opened_disc

    with opened_disc(path) as disc:
        for run in disc.runs:
            result(_sentence(run.cine), {**_record(run.cine, path), "run": run.name}, as_json)
            say_remarks(run.cine.remarks)
    say_remarks(disc.remarks)


def _sentence(cine: Cine) -> str:
    frames, rows, columns = cine.shape
    parts = [
        f"{frames} frame{'s' if frames != 1 else ''} of {rows}x{columns} {cine.dtype}",
        _frame_time(cine),
        cine.projection.label,
        _spacing(cine),
        "shown inverted" if cine.inverted else "",
        "may show burned-in text" if (cine.burned_in or "").upper() == "YES" else "",
    ]
    return f"{cine.name}: " + " · ".join(part for part in parts if part)


def _frame_time(cine: Cine) -> str:
    if cine.frame_time_ms is None:
        return ""
    return f"{cine.frame_time_ms:.1f} ms/frame ({cine.frame_time_source})"


def _spacing(cine: Cine) -> str:
    calibration = cine.calibration
    if calibration.row_mm is None or calibration.column_mm is None:
        return calibration.badge
    return f"{calibration.badge} {calibration.row_mm:g}x{calibration.column_mm:g} mm"


def _record(cine: Cine, path: Path) -> dict[str, Any]:
    """Technical facts only: identity stays in the file."""
    return {
        "file": str(path),
        "frames": cine.shape[0],
        "rows": cine.shape[1],
        "columns": cine.shape[2],
        "dtype": str(cine.dtype),
        "inverted": cine.inverted,
        "frame_time_ms": cine.frame_time_ms,
        "frame_time_source": cine.frame_time_source,
        "projection": cine.projection.label,
        "primary_deg": cine.projection.primary_deg,
        "secondary_deg": cine.projection.secondary_deg,
        "calibration": cine.calibration.status,
        "row_mm": cine.calibration.row_mm,
        "column_mm": cine.calibration.column_mm,
        "burned_in": cine.burned_in,
        "remarks": list(cine.remarks),
    }
