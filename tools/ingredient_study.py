"""What each ingredient of a full-tree training brings, one after the other: the table of docs/results.md.

    python tools/ingredient_study.py ARCADE OUT [--network small] [--start MODEL] [--steps 600] [--seed 0]

A rung of the ladder has everything that the rungs above it have, and one thing more; every rung goes on from the same
model (or starts afresh) and takes the same steps. Judged on ARCADE's val part, on the stress set and on drawn trees.
Finished rungs are kept in OUT.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src_training.evaluation import EvalItem
from src_training.networks import network_named
from src_training.training.arcade import read_split
from src_training.training.method_ruler import Ruler, figures
from src_training.training.progress import Watcher
from src_training.training.settings import TrainSettings
from src_training.training.train_student import train_student

_NO_DEVICES = {"hardware": 0.0, "vignette": 0.0, "jpeg": 0.0}
_DEFAULT_LOOK: dict[str, float] = {}
_STRESSED, _TREES = 40, 40
_COLUMNS = ("dice", "cldice", "precision", "recall", "stress_dice", "drawn_recall")


def main() -> None:
    """Command line of the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arcade", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", default="small")
    parser.add_argument("--start", metavar="ID|PATH", help="model of that network without context blocks")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--drawn", type=int, default=300, help="frames with drawn trees")
    parser.add_argument("--batch-pixels", type=int, default=4 * 256**2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--teacher", default="teacher")
    asked = parser.parse_args()
    val = [EvalItem(f.name, None, f.image, f.mask) for f in read_split(asked.arcade, "val")]
    ruler = Ruler.of(val, _STRESSED, _TREES)
    base = {
        "name": "rung",
        "steps": asked.steps,
        "start_from": asked.start,
        "learning_rate": asked.learning_rate,
        "drawn_count": asked.drawn,
        "validate_every": asked.steps,
        "batch_pixels": asked.batch_pixels,
        "seed": asked.seed,
    }
    print("| training | " + " | ".join(_COLUMNS) + " |", "|---" * (len(_COLUMNS) + 1) + "|", sep="\n")
    for number, (name, changes) in enumerate(ladder(asked.network, asked.teacher)):
        folder = asked.out / f"{number}"
        settings = TrainSettings(**base, **changes)
        found = climbed(settings, asked.arcade, folder, ruler)
        print(f"| {name} | " + " | ".join(f"{found[column]:.3f}" for column in _COLUMNS) + " |", flush=True)


def ladder(network: str, teacher: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, settings) of every rung."""
    architecture = network_named(network)
    have: dict[str, Any] = {
        "label_protocol": "syntax",
        "augmentation": _NO_DEVICES,
        "architecture": architecture.model_copy(update={"context": 0}),
    }
    rungs: tuple[tuple[str, dict[str, Any]], ...] = (
        ("as labelled", {}),
        ("+ branches grown, ridges ignored", {"label_protocol": "full-tree"}),
        ("+ second round", {"settle_with": teacher}),
        ("+ drawn trees", {"drawn_share": 0.25}),
        ("+ devices, vignette, JPEG", {"augmentation": _DEFAULT_LOOK}),
        ("+ context blocks", {"architecture": architecture.model_copy(update={"context": 2})}),
        ("+ teacher", {"teacher": teacher, "method": "lightvessel"}),
        ("+ unlabelled frames", {"unlabelled_share": 0.25}),
    )
    for name, more in rungs:
        have = have | more
        yield name, have


def climbed(settings: TrainSettings, arcade: Path, folder: Path, ruler: Ruler) -> dict[str, Any]:
    """The figures of a rung, which is trained where it was not before."""
    record = folder / "figures.json"
    if not record.is_file():
        train_student(settings, arcade, folder, Watcher())
        record.write_text(json.dumps(figures(folder / "model", ruler)), encoding="utf-8")
    found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
