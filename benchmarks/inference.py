"""Milliseconds per 512x512 frame of the shipped models, by runtime and precision; medians of one process.

Usage: python benchmarks/inference.py [model…]      (run it on a quiet machine; ratios travel, milliseconds do not)
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from src_training import Predictor, builtin_models

CASES = [("openvino", "float32"), ("openvino", "bf16"), ("torch", "float32")]
REPEATS, WARM_UP = 40, 5


def main(names: list[str]) -> None:
    """Print one row a model and case: network alone, and the whole way from frame to probability."""
    frame = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
    cine = np.stack([frame] * REPEATS)
    print(
        f"{'model':<14}{'runtime':<10}{'precision':<10}{'load s':>8}{'one frame ms':>14}{'cine ms/frame':>15}"
    )
    for name in names:
        for runtime, precision in CASES:
            started = time.perf_counter()
            predictor = Predictor.load(name, runtime=runtime, precision=precision)  # type: ignore[arg-type]
            loaded = time.perf_counter() - started
            single = median_ms(lambda p=predictor: p.probability(frame))
            started = time.perf_counter()
            for _ in predictor.segment(cine):
                pass
            whole = (time.perf_counter() - started) / REPEATS * 1000
            print(f"{name:<14}{runtime:<10}{precision:<10}{loaded:>8.2f}{single:>14.1f}{whole:>15.1f}")


def median_ms(call) -> float:
    """Median time of a call in milliseconds, after a warm-up."""
    times = []
    for index in range(WARM_UP + REPEATS):
        started = time.perf_counter()
        call()
        if index >= WARM_UP:
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main(sys.argv[1:] or [model.id for model in builtin_models()])
