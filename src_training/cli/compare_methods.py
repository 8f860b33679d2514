"""``lightvessel compare-methods``: the table of distillation methods; stopped and started again, it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training.cli.common import JsonFlag, check_folder, result
from src_training.cli.forms import settings_from
from src_training.cli.watching import watch_here
from src_training.errors import LightVesselError

if TYPE_CHECKING:
    from src_training.evaluation import EvalItem
    from src_training.training.progress import Watcher

_QUICK = {
    "batch_pixels": 2 * 128**2,
    "crop_sizes": (128,),
    "holdout": 2,
    "validate_every": 4,
    "projector_steps": 3,
}
_QUICK_STEPS = 4
_STEPS = 3000
_RULER, _QUICK_RULER = (20, 20), (1, 1)  # frames under stress, drawn trees


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare-methods", no_args_is_help=True)(compare_methods)


def compare_methods(
    output: Path = typer.Option(
        ...,
        "-o",
        "--output",
        help="Folder of the cells; finished ones are skipped.",
        readable=False,
    ),
    arcade: Path | None = typer.Option(
        None,
        "--arcade",
        help="Folder with index.csv, train/, unlabelled/, val/.",
        readable=False,
    ),
    teacher: str = typer.Option("", "--teacher", metavar="ID|PATH", help="The model that teaches."),
    students: str = typer.Option(
        "small,mobilenetv2-unet,enet,erfnet",
        "--students",
        help="All rows for the first, the main ones for the others.",
    ),
    rows: str = typer.Option("", "--rows", help="Only these rows, by name; default: all."),
    seeds: str = typer.Option("0", "--seeds", help="Seeds, e.g. 0,1,2."),
    plain_steps: int | None = typer.Option(
        None, "--plain-steps", min=1, help=f"Steps alone, before every row; default: {_STEPS}."
    ),
    plain: list[str] = typer.Option(
        [], "--plain", metavar="STUDENT=ID|PATH", help="A student trained alone before, instead."
    ),
    steps: int | None = typer.Option(None, "--steps", min=1, help=f"Steps of every row; default: {_STEPS}."),
    assignments: list[str] = typer.Option([], "--set", metavar="FIELD=VALUE", help="Any training setting."),
    quick: bool = typer.Option(False, "--quick", help="Every row in a few steps on synthetic frames."),
    as_json: bool = JsonFlag,
) -> int:
    """Compare distillation methods fairly: same start, frames, augmentation, seeds and steps for every row.

    The table holds all finished cells of the folder, those of earlier calls too.

    Exit code 1 when a cell failed; the others are done all the same.
    """
    from src_training.models import load_model
    from src_training.training.arcade import index_hash
    from src_training.training.material import gather
    from src_training.training.method_report import method_table
    from src_training.training.method_ruler import Ruler
    from src_training.training.method_table import (
        OF_THE_TABLE,
        ROWS,
        Plan,
        cells_of,
        finished_records,
        judge_teacher,
        keep_plan,
        run_cells,
    )
    from src_training.training.settings import TrainSettings

    check_folder(output)
    networks = students.split(",")
    cells = cells_of(networks, rows.split(",") if rows else list(ROWS), _seeds(seeds))
    starts = _named(plain, networks)
    if own := sorted(OF_THE_TABLE & {text.partition("=")[0] for text in assignments}):
        raise LightVesselError(f"--set {own[0]}: every row has its own. Leave it out.")
    watcher = watch_here(as_json)
    values: dict[str, Any] = {}
    if quick:
        brought = {"--arcade": arcade, "--teacher": teacher, "--steps": steps, "--plain-steps": plain_steps}
        if given := [name for name, value in brought.items() if value]:
            raise LightVesselError(f"--quick brings its own {given[0].strip('-')}. Leave one of them out.")
        values = dict(_QUICK)
        arcade, teacher = _quick_start(output, watcher)
        steps = plain_steps = _QUICK_STEPS
    if arcade is None or not teacher:
        raise LightVesselError("give --arcade and --teacher, or --quick.")
    values |= {"steps": steps or _STEPS, "label_protocol": load_model(teacher).card.label_protocol}
    settings = settings_from(TrainSettings, values, assignments)
    if settings.devices > 1:
        raise LightVesselError("--set devices: the cells of a table are trained on one device. Leave it out.")
    plan = Plan(settings, teacher, plain_steps or _STEPS, index_hash(arcade), starts)
    ruler = Ruler.of(_val_items(arcade), *(_QUICK_RULER if quick else _RULER))
    keep_plan(plan, cells, ruler, output)
    of_teacher, failed = judge_teacher(teacher, ruler, output), False
    _show(of_teacher, as_json)
    for record in run_cells(cells, plan, lambda s: gather(s, arcade, watcher), ruler, output, watcher):
        failed |= record["error"] is not None
        _show(record, as_json)
    table = method_table([of_teacher, *finished_records(networks, output)])
    (output / "table.md").write_text(table + "\n", encoding="utf-8")
    result(table.splitlines(), {"table": str(output / "table.md")}, as_json)
    return 1 if failed else 0


def _seeds(text: str) -> list[int]:
    seeds = [part.strip() for part in text.split(",")]
    if not all(seed.isdecimal() for seed in seeds):
        raise LightVesselError(f"--seeds {text}: not whole numbers from 0. Give for example --seeds 0,1,2.")
    return [int(seed) for seed in seeds]


def _named(plain: list[str], students: list[str]) -> dict[str, str]:
    """Student → model of ``--plain``; raises LightVesselError for what is no such pair of one of the students."""
    pairs = [text.partition("=") for text in plain]
    if unclear := [student for student, _, model in pairs if not model]:
        raise LightVesselError(f"--plain {unclear[0]}: name the student and its model, as small=MODEL.")
    if strange := [student for student, _, _ in pairs if student not in students]:
        raise LightVesselError(
            f"--plain {strange[0]}: not a student of this table ({', '.join(students)}). Add it to --students."
        )
    return {student: model for student, _, model in pairs}


def _quick_start(output: Path, watcher: Watcher) -> tuple[Path, str]:
    """Synthetic frames and a teacher that has hardly learnt."""
    from src_training.networks import network_named
    from src_training.training.quick_frames import write_quick_arcade
    from src_training.training.settings import TrainSettings
    from src_training.training.train_student import train_student

    arcade = write_quick_arcade(output / "frames")
    folder = output / "teacher"
    if not (folder / "model" / "card.json").is_file():
        settings = TrainSettings(
            name="teacher",
            label_protocol="syntax",
            architecture=network_named("base"),
            steps=_QUICK_STEPS,
            **_QUICK,
        )
        train_student(settings, arcade, folder, watcher)
    return arcade, str(folder / "model")


def _val_items(arcade: Path) -> list[EvalItem]:
    from src_training.evaluation import EvalItem
    from src_training.training.arcade import read_split

    return [EvalItem(frame.name, None, frame.image, frame.mask) for frame in read_split(arcade, "val")]


def _show(record: dict[str, Any], as_json: bool) -> None:
    told = {name: value for name, value in record.items() if name != "frames"}
    failed = record["error"] is not None
    figures = record["error"] if failed else f"Dice {record['dice']:.4f} clDice {record['cldice']:.4f}"
    result(f"{record['student']} {record['method']} seed {record['seed']}: {figures}", told, as_json)
