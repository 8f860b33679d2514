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

from src_training.evaluation import EvalItem, evaluate
from src_training.evaluation.partial import beyond_outlines_ignored
from src_training.evaluation.stress import mean_under_stress, stress_report
from src_training.inference import Predictor
from src_training.networks import network_named
from src_training.training.arcade import read_split
from src_training.training.method_ruler import Ruler
from src_training.training.progress import Watcher
from src_training.training.settings import TrainSettings
from src_training.training.train_student import train_student

_NO_DEVICES = {"hardware": 0.0, "vignette": 0.0, "jpeg": 0.0}
_DEFAULT_LOOK: dict[str, float] = {}
_STRESSED, _TREES = 40, 40
_OF_MASKS = ("dice", "recall")
_OF_OUTLINES = ("dice", "cldice", "precision")
_OF_TREES = ("dice", "cldice", "recall", "recall_thin")


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
    titles = [*_OF_MASKS, *(f"partial {name}" for name in _OF_OUTLINES), "stress dice"]
    titles += [f"drawn {name}" for name in _OF_TREES]
    print("| training | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|", sep="\n")
    ruler = Ruler.of([beyond_outlines_ignored(item) for item in val], _STRESSED, _TREES)
    for number, (name, changes) in enumerate(ladder(asked.network, asked.teacher)):
        folder = asked.out / f"{number}"
        figures = folder / "figures.json"
        if not (folder / "model" / "card.json").is_file():
            train_student(TrainSettings(**base, **changes), asked.arcade, folder, Watcher())
        if not figures.is_file():
            figures.write_text(json.dumps(judged(folder / "model", val, ruler)), encoding="utf-8")
        found = json.loads(figures.read_bytes())
        print(f"| {name} | " + " | ".join(f"{found[title]:.3f}" for title in titles) + " |", flush=True)


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


def judged(model: Path, val: list[EvalItem], ruler: Ruler) -> dict[str, float]:
    """Figure by title of its column; ``ruler`` has the items of ``val`` without what lies beyond the outlines."""
    predictor = Predictor.load(model)
    report = stress_report(predictor, ruler.stressed, ruler.drawn)
    of_masks, of_outlines = (
        evaluate(predictor, val, _OF_MASKS),
        evaluate(predictor, ruler.items, _OF_OUTLINES),
    )
    return {
        **{name: of_masks.mean(name) for name in _OF_MASKS},
        **{f"partial {name}": of_outlines.mean(name) for name in _OF_OUTLINES},
        "stress dice": mean_under_stress(report),
        **{f"drawn {name}": report["drawn"][name] for name in _OF_TREES},
    }


if __name__ == "__main__":
    main()
