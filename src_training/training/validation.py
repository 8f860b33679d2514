"""How good a network is on held-out samples while it trains, and which threshold suits it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from src_training.networks.network import Network
from src_training.training.devices import has_bf16
from src_training.training.progress import Watcher
from src_training.training.samples import Sample

THRESHOLDS = np.round(np.arange(0.2, 0.81, 0.05), 2)


class Validator:
    """Mean per-frame Dice over samples; 255 is left out. Between two frames ``watcher`` may stop it."""

    def __init__(self, samples: Sequence[Sample], watcher: Watcher = Watcher()) -> None:
        self.samples, self.watcher = samples, watcher

    def __call__(self, network: Network) -> dict[str, float]:
        """{"dice": at the best of `THRESHOLDS`, "threshold", "precision", "recall"} of ``network``."""
        hit, predicted, true = self._counts(network, THRESHOLDS)
        dice = _dice(hit, predicted, true)
        best = int(dice.argmax())
        return {
            "dice": float(dice[best]),
            "threshold": float(THRESHOLDS[best]),
            "precision": float(((hit + 1) / (predicted + 1))[:, best].mean()),
            "recall": float(((hit + 1) / (true + 1))[:, best].mean()),
        }

    def at(self, network: Network, threshold: float) -> float:
        """Mean Dice of ``network`` at one threshold."""
        return float(self.curve(network, np.array([threshold]))[0])

    def curve(self, network: Network, thresholds: NDArray) -> NDArray[np.float64]:
        """Mean Dice of ``network`` at each threshold (K,)."""
        return _dice(*self._counts(network, thresholds))

    def _counts(self, network: Network, thresholds: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Pixels (N, K) that are hit, predicted, and vessel, for N samples and K thresholds."""
        fused = network.fused()

        def judged(sample: Sample) -> NDArray[np.float64]:
            self.watcher.check("judging frames")
            return _counts(predict(fused, sample), sample.label, thresholds)

        counts = np.stack([judged(sample) for sample in self.samples])
        return counts[..., 0], counts[..., 1], counts[..., 2]


def predict(network: Network, sample: Sample) -> NDArray[np.float32]:
    """Probability (H, W) of one sample at working scale."""
    network.eval()
    device = next(network.parameters()).device
    image = torch.from_numpy(sample.image.astype(np.float32))[None, None].to(device)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device)):
        logits = network(image.contiguous(memory_format=torch.channels_last)).logits
    return torch.sigmoid(logits.float())[0, 0].cpu().numpy()


def _dice(hit: NDArray, predicted: NDArray, true: NDArray) -> NDArray[np.float64]:
    return ((2 * hit + 1) / (predicted + true + 1)).mean(axis=0)


def _counts(
    probability: NDArray[np.float32], label: NDArray[np.uint8], thresholds: NDArray
) -> NDArray[np.float64]:
    reviewed = label != 255
    values, vessel = probability[reviewed], label[reviewed] == 1
    rows = [(np.count_nonzero((values >= t) & vessel), np.count_nonzero(values >= t)) for t in thresholds]
    return np.array([(hit, predicted, vessel.sum()) for hit, predicted in rows], dtype=np.float64)
