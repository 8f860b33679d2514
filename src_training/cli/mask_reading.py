"""What a person says about masks of other programs: where vessel starts, their classes, which colour it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from src_training.dataset import Dataset
    from src_training.exchange.classes import Classes

Threshold = typer.Option(None, "--mask-threshold", help="Mask values of at least this are vessel.")
InvertMasks = typer.Option(False, "--invert-masks", help="Masks are black on white: 0 is vessel.")
VesselClasses = typer.Option(None, "--vessel-classes", metavar="A,B", help="Classes that are vessel.")
IgnoreClasses = typer.Option(
    None, "--ignore-classes", metavar="A,B", help="Classes that nobody shall judge (255)."
)
BackgroundClasses = typer.Option(
    None, "--background-classes", metavar="A,B", help="Classes that are background."
)
ClassesFile = typer.Option(
    None,
    "--classes",
    metavar="JSON",
    help="The same in a file: vessel, ignore, background.",
    readable=False,
)


def told_classes(
    vessel: str | None,
    ignore: str | None,
    background: str | None,
    file: Path | None,
    dataset: Dataset | None = None,
) -> Classes:
    """What is said now over what was said before about the masks of this ``dataset``, and remembered for it.

    Raises DatasetError when a name is given two meanings, or the file is no record of classes.
    """
    from src_training.exchange.classes import Classes, remember, remembered, told_by

    told = told_by({"vessel": vessel, "ignore": ignore, "background": background}, file)
    if dataset is not None:
        uuid = str(dataset.facts["uuid"])
        told = remembered(uuid) | told
        remember(uuid, told)
    return Classes(told)
