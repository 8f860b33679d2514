"""The fair comparison of distillation methods: every row goes on from the same plain student, for as many steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src_training import durable
from src_training.distillation.recipe import LITERAL
from src_training.errors import Cancelled, LightVesselError
from src_training.models import load_model
from src_training.networks import network_named, stride_of
from src_training.training.kept_settings import keep_settings
from src_training.training.material import Material
from src_training.training.method_ruler import Ruler, figures
from src_training.training.progress import Watcher
from src_training.training.settings import TrainSettings
from src_training.training.train_student import train_on

PLAIN = "plain"
FULL = "fsd-map+asd-window+soft-kd"
UNLABELLED = "lightvessel+unlabelled"
# Row → method text; the paper's weights are one, without ramp.
ROWS = {
    PLAIN: "",
    "soft-kd": "soft-kd",
    "at": "at",
    "ifv": "ifv",
    "skd": "skd",
    "cwd": "cwd",
    "fitnet": "fitnet",
    "fsd-paper": "fsd-paper",
    "asd-paper": "asd-paper",
    "as-published": "fsd-paper+asd-paper",
    "fsd-map": "fsd-map",
    "asd-window": "asd-window",
    "fsd-map+asd-window": "fsd-map+asd-window",
    "lightvessel": FULL,
    UNLABELLED: FULL,
}
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

    ``plain`` names, for some students, a model trained alone before: their rows go on from it.
    """

    base: TrainSettings
    teacher: str
    plain_steps: int
    plain: Mapping[str, str] = field(default_factory=dict)

    def alone(self, cell: Cell) -> TrainSettings:
        """The plain student from which every row of this seed goes on."""
        return self._of(cell, steps=self.plain_steps)

    def row(self, cell: Cell, start: Path) -> TrainSettings:
        """The cell's own training."""
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
        return TrainSettings(**values)


def cells_of(students: Sequence[str], rows: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """Every cell: all ``rows`` for the first student, the few of `FEW_ROWS` among them for the others.

    Raises LightVesselError for an unknown row.
    """
    for row in rows:
        if row not in ROWS:
            raise LightVesselError(f"{row!r} is not a row of the table. Known: {', '.join(ROWS)}.")
    return [
        Cell(student, row, seed)
        for seed in seeds
        for student in students
        for row in rows
        if student == students[0] or row in FEW_ROWS
    ]


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
    _keep_plan(plan, output)
    materials: dict[tuple[int, bool, int], Material] = {}

    def material_for(settings: TrainSettings) -> Material:
        drawn = settings.seed if settings.drawn_share else 0
        key = (stride_of(settings.architecture), bool(settings.unlabelled_share), drawn)
        if key not in materials:
            materials.clear()  # one at a time: frames fill the memory
            materials[key] = gather(settings)
        return materials[key]

    for cell in cells:
        folder = output / cell.name
        record = folder / "cell.json"
        if not record.is_file():
            watcher.emit({"event": "log", "message": f"cell {cell.name}"})
            try:
                found = _judged(cell, _trained(cell, plan, material_for, output, watcher), ruler)
            except Cancelled:
                raise
            except (LightVesselError, RuntimeError, MemoryError) as error:
                yield _line(cell) | {"error": str(error)}
                continue
            durable.replace(record, json.dumps(found, indent=1).encode())
        yield json.loads(record.read_bytes())


def _keep_plan(plan: Plan, output: Path) -> None:
    """Remember what the cells have in common; raises LightVesselError where others were made under another plan."""
    told = plan.base.model_dump(mode="json") | {
        "teacher": load_model(plan.teacher).id,
        "plain_steps": plan.plain_steps,
        "plain": {student: load_model(model).id for student, model in plan.plain.items()},
    }
    keep_settings(output / "plan.json", told)


def judge_teacher(teacher: str, ruler: Ruler) -> dict[str, Any]:
    """The record of the teacher's row."""
    model = load_model(teacher)
    return _judged(Cell(model.id, "teacher", 0), model.folder, ruler)


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
