"""Load a model once, segment many frames: the only way a frame becomes a probability, in every part."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src_training.cine import array_cine, luminance
from src_training.errors import LightVesselError
from src_training.inference.postprocess import component_px_for, mask_from_probability
from src_training.inference.preprocess import frame_probability, network_input
from src_training.inference.runtimes import Precision, Runtime, RuntimeName, open_runtime
from src_training.models.bounds import frames_at_a_time
from src_training.networks import stride_of

if TYPE_CHECKING:
    from src_training.cine import Cine
    from src_training.models import Model
    from src_training.workspace import Workspace

Segmented = tuple[int, NDArray[np.float32]]


class Predictor:
    """A loaded model.

    Attributes
    ----------
    model : the store's or built-in entry it was loaded from; ``card`` is its record.
    runtime : ``openvino`` or ``torch``.
    """

    def __init__(self, model: Model, runtime: Runtime, streams: int) -> None:
        self.model, self.card, self.streams = model, model.card, streams
        self._runtime = runtime
        self._stride = stride_of(model.card.architecture)

    @classmethod
    def load(
        cls,
        model: Model | str | Path = "small",
        *,
        workspace: Workspace | None = None,
        runtime: RuntimeName = "auto",
        device: str = "auto",
        precision: Precision = "float32",
        streams: int = 2,
    ) -> Predictor:
        """Load a model: an entry, the id of a built-in or workspace model, or a model folder.

        ``streams`` frames are worked on at a time, each with one thread; fewer of a model whose frames take so much
        memory that it would not be allowed (`models.bounds`). Raises ModelError.
        """
        if isinstance(model, str | Path):
            from src_training.models import load_model

            model = load_model(model, workspace)
        streams = frames_at_a_time(model.card, streams)
        return cls(model, open_runtime(model, runtime, device, precision, streams), streams)

    @property
    def runtime(self) -> str:
        return self._runtime.name

    @property
    def remark(self) -> str:
        """One line on why it is not the usual runtime; empty when it is."""
        return self._runtime.remark

    def probability(self, frame: NDArray, *, invert: bool = False) -> NDArray[np.float32]:
        """Vessel probability (Y, X) of one frame (Y, X) of any dtype, or RGB (Y, X, 3|4).

        ``invert``: the vessels of this frame are bright. Raises LightVesselError for any other shape.
        """
        card = self.card
        image, placement = network_input(
            _grey(frame), card.normalisation, card.input_size, self._stride, invert=invert
        )
        return frame_probability(self._runtime.run(image), placement)

    def segment(
        self,
        source: Cine | NDArray | Any,
        frames: Iterable[int] | None = None,
        *,
        invert: bool = False,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Segmented]:
        """Yield (t, probability (Y, X) float32) in the order of ``frames`` (default: all).

        ``source`` is a Cine or an array (Y, X), (T, Y, X), (Y, X, 3|4) or (T, Y, X, 3|4), dask and zarr
        included; a last axis of 3 or 4 is colour, read as luminance. Each frame is read when its turn
        comes. Stops quietly once ``cancelled()`` is true.

        Raises LightVesselError for anything else, and UnreadableCine for a frame that cannot be read.
        """
        cine = _cine_of(source)
        order = iter(range(cine.shape[0]) if frames is None else frames)
        pending: deque[tuple[int, Future]] = deque()
        reading = threading.Lock()  # file readers are not asked for two frames at once

        def work(t: int) -> NDArray[np.float32]:
            with reading:
                frame = cine.frame(t)
            return self.probability(frame, invert=invert)

        with ThreadPoolExecutor(self.streams, thread_name_prefix="segment") as pool:
            try:
                while cancelled is None or not cancelled():
                    for t in order:
                        pending.append((t, pool.submit(work, t)))
                        if len(pending) > self.streams:
                            break
                    if not pending:
                        return
                    t, future = pending.popleft()
                    yield t, future.result()
            finally:
                for _, future in pending:
                    future.cancel()

    def mask(
        self, probability: NDArray, threshold: float | None = None, min_component_px: int | None = None
    ) -> NDArray[np.uint8]:
        """The mask (Y, X) of 0/1 at the card's threshold and minimum component size, unless others are given.

        ``min_component_px`` counts pixels at working scale, as in the card.
        """
        threshold = self.card.threshold if threshold is None else threshold
        smallest = self.card.min_component_px if min_component_px is None else min_component_px
        size = component_px_for(smallest, self.card.input_size, probability.shape)  # type: ignore[arg-type]
        return mask_from_probability(probability, threshold, size)


def _cine_of(source: Any) -> Cine:
    if callable(getattr(source, "frame", None)):
        return source
    if not hasattr(source, "shape") or not hasattr(source, "dtype"):
        raise LightVesselError(f"a {type(source).__name__} is not a cine. Give a Cine or an array.")
    return array_cine(source, rgb=_is_colour(source.shape))


def _grey(frame: NDArray) -> NDArray:
    frame = np.asarray(frame)
    if frame.ndim == 3 and _is_colour(frame.shape):
        return luminance(frame)
    if frame.ndim != 2:
        raise LightVesselError(
            f"an array of shape {frame.shape} is not a frame (Y, X) or (Y, X, 3|4). Choose one frame."
        )
    return frame


def _is_colour(shape: tuple[int, ...]) -> bool:
    # No frame has so few columns.
    return len(shape) > 2 and shape[-1] in (3, 4)
