"""The fair comparison of distillation methods: every row goes on from the same plain student, for as many steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src_training import durable
from src_training.distillation.recipe import LITERAL, PRESETS
from src_training.errors import Cancelled, LightVesselError
from src_training.models import load_model
from src_training.networks import network_named, stride_of
from src_training.regular import read_regular
from src_training.training.kept_settings import OF_THE_COMPUTER, differing
from src_training.training.material import Material
from src_training.training.method_ruler import Ruler, figures
from src_training.training.progress import Watcher
from src_training.training.settings import TrainSettings, checked
from src_training.training.train_student import fitting_start, train_on

PLAN_FILE = "plan.json"
TEACHER_FILE = "teacher.json"
PLAIN = "plain"
UNLABELLED = "lightvessel+unlabelled"
# Row → method text; the paper's weights are one, without ramp.
ROWS = {
    PLAIN: PRESETS["plain"],
    "soft-kd": "soft-kd",
    "at": "at",
    "ifv": "ifv",
    "skd": "skd",
    "cwd": "cwd",
    "fitnet": "fitnet",
    "fsd-paper": "fsd-paper",
    "asd-paper": "asd-paper",
    "as-published": PRESETS["as-published"],
    "fsd-map": "fsd-map",
    "asd-window": "asd-window",
    "fsd-map+asd-window": "fsd-map+asd-window",
    "lightvessel": PRESETS["lightvessel"],
    UNLABELLED: PRESETS["lightvessel"],
}
OF_THE_TABLE = {"architecture", "method", "seed", "start_from", "teacher", "unlabelled_share"}  # a row's own
_LARGEST = 16 << 20  # bytes of a record
_AS_PUBLISHED = ("fsd-paper", "asd-paper", "as-published")
FEW_ROWS = (PLAIN, "as-published", "lightvessel")  # for the paper's own students
UNLABELLED_SHARE = 0.25


@dataclass(frozen=True)
class Cell:
    """One training of the table."""

    student: str
    row: str
    seed: int

    @property
    def name(self) -> str:
        """Folder of the cell."""
        return f"{self.student}.{self.row}.s{self.seed}"


@dataclass(frozen=True)
class Plan:
    """What all cells have in common: ``base`` settings, the teacher, and steps alone before and together after.

    ``plain`` names, for some students, a model trained alone before: their rows go on from it. ``frames`` is
    the hash of the list of frames (`arcade.index_hash`).
    """

    base: TrainSettings
    teacher: str
    plain_steps: int
    frames: str
    plain: Mapping[str, str] = field(default_factory=dict)

    def alone(self, cell: Cell) -> TrainSettings:
        """The plain student from which every row of this seed goes on; LightVesselError where a setting forbids it."""
        return self._of(cell, steps=self.plain_steps)

    def row(self, cell: Cell, start: Path) -> TrainSettings:
        """The cell's own training; LightVesselError where a setting forbids it."""
        literal = cell.row in _AS_PUBLISHED
        return self._of(
            cell,
            start_from=str(start),
            teacher=self.teacher if ROWS[cell.row] else "",
            method=ROWS[cell.row],
            unlabelled_share=UNLABELLED_SHARE if cell.row == UNLABELLED else 0.0,
            **(LITERAL if literal else {}),
        )

    def _of(self, cell: Cell, **changes: Any) -> TrainSettings:
        values = (
            self.base.model_dump()
            | {"architecture": network_named(cell.student), "seed": cell.seed}
            | changes
        )
        return checked(TrainSettings, values)


def cells_of(students: Sequence[str], rows: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """Every cell: all ``rows`` for the first student, the few of `FEW_ROWS` among them for the others.

    Raises LightVesselError for an unknown row or student.
    """
    for row in rows:
        if row not in ROWS:
            raise LightVesselError(f"{row!r} is not a row of the table. Known: {', '.join(ROWS)}.")
    for student in students:
        network_named(student)
    return [
        Cell(student, row, seed)
        for seed in seeds
        for student in students
        for row in rows
        if student == students[0] or row in FEW_ROWS
    ]


def keep_plan(plan: Plan, cells: Sequence[Cell], ruler: Ruler, output: Path) -> None:
    """Remember what the cells in ``output`` have in common.

    Raises LightVesselError where some were made with other settings, frames, ruler, rows or plain students,
    and where a row cannot have these settings.
    """
    for cell in cells:
        plan.alone(cell), plan.row(cell, output)
    for student, model in plan.plain.items():
        fitting_start(model, network_named(student))
    told = _told(plan, cells, ruler)
    path = output / PLAN_FILE
    before = _read_plan(path) if path.is_file() else told
    if other := _differences(before, told, _begun(cells, output)):
        raise LightVesselError(
            f"{output}: its cells were made with other settings ({', '.join(other)}). "
            "Give another folder, or the same settings."
        )
    durable.make_dir(output)
    kept = told | {name: before[name] | told[name] for name in ("plain", "rows")}
    durable.replace(path, json.dumps(kept, indent=1).encode())


def run_cells(
    cells: Sequence[Cell],
    plan: Plan,
    gather: Callable[[TrainSettings], Material],
    ruler: Ruler,
    output: Path,
    watcher: Watcher,
) -> Iterator[dict[str, Any]]:
    """Train and judge every cell that is not finished yet; yields the record of each, finished ones too.

    A cell that fails yields its error and the others go on; stopped in the middle, it resumes.
    """
    materials: dict[tuple[int, bool, int], Material] = {}

    def material_for(settings: TrainSettings) -> Material:
        drawn = settings.seed if settings.drawn_share else 0
        key = (stride_of(settings.architecture), bool(settings.unlabelled_share), drawn)
        if key not in materials:
            materials.clear()  # one at a time: frames fill the memory
            materials[key] = gather(settings)
        return materials[key]

    for cell in cells:
        path = output / cell.name / "cell.json"
        try:
            if not path.is_file():
                watcher.emit({"event": "log", "message": f"cell {cell.name}"})
                _keep(path, _judged(cell, _trained(cell, plan, material_for, output, watcher), ruler))
            record = _kept(path)
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the other cells do not depend on it
            record = _line(cell) | {"error": str(error) or type(error).__name__}
        yield record


def finished_records(students: Sequence[str], output: Path) -> list[dict[str, Any]]:
    """The records of all finished cells in ``output``, of earlier calls too, in the table's order.

    ``students`` come first, then the others; a damaged record is left out.
    """
    records = []
    for path in output.glob("*/cell.json"):
        try:
            records.append(_kept(path))
        except LightVesselError:
            continue
    others = sorted({record["student"] for record in records} - set(students))
    order = [*students, *others]
    rows = list(ROWS)
    return sorted(records, key=lambda r: (order.index(r["student"]), rows.index(r["method"]), r["seed"]))


def _told(plan: Plan, cells: Sequence[Cell], ruler: Ruler) -> dict[str, Any]:
    """What the cells have in common, as it is kept: no folder of this computer, nothing that only costs time."""
    settings = plan.base.model_dump(mode="json", exclude=OF_THE_COMPUTER)
    return settings | {
        "teacher": load_model(plan.teacher).id,
        "plain_steps": plan.plain_steps,
        "frames": plan.frames,
        "ruler": ruler.sizes(),
        "plain": {student: load_model(model).id for student, model in plan.plain.items()},
        "rows": {cell.row: ROWS[cell.row] for cell in cells},
    }


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        before: dict[str, Any] = json.loads(read_regular(path, _LARGEST))
        return before | {name: dict(before.get(name, {})) for name in ("plain", "rows")}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LightVesselError(f"{path}: damaged. Give another folder with -o.") from error


def _begun(cells: Sequence[Cell], output: Path) -> list[str]:
    """Students of these cells that have some training in the folder."""
    return [student for student in {cell.student for cell in cells} if any(output.glob(f"{student}.*"))]


def _differences(before: dict[str, Any], told: dict[str, Any], begun: Sequence[str]) -> list[str]:
    """Names of what differs: a table may get more rows and students, each with a plain one of its own."""
    other = [name for name in differing(before, told) if name not in ("plain", "rows")]
    if any(before["plain"].get(student) != told["plain"].get(student) for student in begun):
        other.append("plain")
    if any(before["rows"].get(row, text) != text for row, text in told["rows"].items()):
        other.append("rows")
    return sorted(other)


def judge_teacher(teacher: str, ruler: Ruler, output: Path) -> dict[str, Any]:
    """The record of the teacher's row, kept in ``output``: it is judged once. LightVesselError if it is damaged."""
    path = output / TEACHER_FILE
    if not path.is_file():
        model = load_model(teacher)
        _keep(path, _judged(Cell(model.id, "teacher", 0), model.folder, ruler))
    return _kept(path)


def _keep(path: Path, record: dict[str, Any]) -> None:
    durable.replace(path, json.dumps(record, indent=1).encode())


def _kept(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(read_regular(path, _LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise LightVesselError(f"{path}: damaged. Delete this file: what it held is judged anew.") from error
    return record


def _trained(
    cell: Cell, plan: Plan, material_for: Callable[[TrainSettings], Material], output: Path, watcher: Watcher
) -> Path:
    settings = plan.row(cell, _plain_student(cell, plan, material_for, output, watcher))
    train_on(material_for(settings), settings, output / cell.name, watcher)
    return output / cell.name / "model"


def _plain_student(
    cell: Cell, plan: Plan, material_for: Callable[[TrainSettings], Material], output: Path, watcher: Watcher
) -> Path:
    if cell.student in plan.plain:
        return load_model(plan.plain[cell.student]).folder
    start = output / f"{cell.student}.alone.s{cell.seed}"
    if not (start / "model" / "card.json").is_file():
        settings = plan.alone(cell)
        train_on(material_for(settings), settings, start, watcher)
    return start / "model"


def _judged(cell: Cell, model: Path, ruler: Ruler) -> dict[str, Any]:
    return _line(cell) | figures(model, ruler) | {"error": None}


def _line(cell: Cell) -> dict[str, Any]:
    return {"method": cell.row, "student": cell.student, "seed": cell.seed, "dice": None, "cldice": None}
