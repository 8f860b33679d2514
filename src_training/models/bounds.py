"""How much a model, a run and their files may take: the bounds, written once, and the refusals that name them.

They are measured by what is known: the largest network that has a name here, `res-unet`, computes 129 GFLOP a frame
and is reckoned at 0.6 GiB. What lies far beyond came from elsewhere and would take a computer's memory or its day.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from src_training.errors import LightVesselError, ModelError, RunError

if TYPE_CHECKING:
    from src_training.models.card import Architecture, ModelCard
    from src_training.networks.reckoning import Cost

#: Set to a number, so many times the bounds are allowed: for who knows the model and has the computer.
LIMITS = "LIGHTVESSEL_LIMITS"
MODEL_BYTES = 1 << 30  # a loaded model and the frames that it works on
FRAME_GFLOP = 400.0  # about 8 s on one core
TRAINING_BYTES = (
    8 << 30
)  # a run of a workspace; a default one of the largest student with its teacher takes 5
_LOADER_BYTES = 256 << 20
_OWN_BYTES = 1 << 30  # a training's libraries and frames
_BATCH_PLANES = 4 * 8 * 4  # bytes a pixel: batches made ahead, eight planes of float32
_MOST_TIMES = 1000.0


def allowed_times() -> float:
    """How often the bounds may be exceeded: what the user has set, else 1.

    Raises LightVesselError when that is no number from 1 to 1000.
    """
    text = os.environ.get(LIMITS) or "1"
    try:
        times = float(text)
    except ValueError:
        times = 0.0
    if not 1 <= times <= _MOST_TIMES:
        raise LightVesselError(
            f"{LIMITS}={text[:40]!r}: give a number from 1 to {_MOST_TIMES:.0f}, or unset it."
        )
    return times


def check_model(card: ModelCard, called: str) -> Cost:
    """What a model of this card takes; ModelError, with the figures, when that is more than it may."""
    return check_network(card.architecture, card.input_size, called)


def check_network(architecture: Architecture, side: int, called: str) -> Cost:
    """The same of a network on frames of ``side`` px."""
    from src_training.networks.reckoning import reckoned

    cost, times = reckoned(architecture, side), allowed_times()
    memory, most = cost.weight_bytes + cost.frame_bytes, MODEL_BYTES * times
    if memory > most or cost.gflop > FRAME_GFLOP * times:
        raise ModelError(
            f"{called}: would take about {_gib(memory)} of memory and {cost.gflop:,.0f} GFLOP a frame "
            f"(allowed: {_gib(most)}, {FRAME_GFLOP * times:,.0f} GFLOP). "
            f"Use a smaller model, or, if you know this one, set {LIMITS}={_needed(memory, cost.gflop)}."
        )
    return cost


def frames_at_a_time(card: ModelCard, wished: int) -> int:
    """How many frames a model may work on together: as many as were wished for, as long as their memory is allowed."""
    from src_training.networks.reckoning import reckoned

    cost = reckoned(card.architecture, card.input_size)
    room = MODEL_BYTES * allowed_times() - cost.weight_bytes
    return max(1, min(wished, int(room // cost.frame_bytes)))


def check_training(
    called: str,
    pixels: int,
    learning: Architecture,
    watching: list[Architecture],
    *,
    loaders: int,
    on_cpu: bool,
) -> None:
    """Raise RunError, with the figures, when a run of a workspace would take more memory of the computer than it may.

    ``pixels``: of its largest batch; ``watching``: the networks that are only asked, such as a teacher.
    """
    import psutil

    from src_training.networks.reckoning import reckoned

    memory = float(_OWN_BYTES + loaders * (_LOADER_BYTES + _BATCH_PLANES * pixels))
    if on_cpu:
        memory += reckoned(learning, 512).training_bytes(pixels)
        for network in watching:
            cost = reckoned(network, 512)
            memory += cost.weight_bytes + cost.frame_bytes * pixels / 512**2
    most = min(float(TRAINING_BYTES), 0.75 * psutil.virtual_memory().total) * allowed_times()
    if memory > most:
        raise RunError(
            f"{called}: would take about {_gib(memory)} of memory (allowed: {_gib(most)}). Set smaller batch_pixels, "
            f"crop_sizes or loaders, or, if you know this run, set {LIMITS}={_times(memory / most)}."
        )


def _needed(memory: float, gflop: float) -> str:
    return _times(max(memory / MODEL_BYTES, gflop / FRAME_GFLOP))


def _times(ratio: float) -> str:
    return f"{int(ratio * allowed_times()) + 1}"


def _gib(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"
