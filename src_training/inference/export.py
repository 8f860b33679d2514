"""From a trained network to the OpenVINO network that a cold start loads without torch."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from src_training.inference.runtimes import IR_FILE, import_openvino

if TYPE_CHECKING:
    from src_training.models import Model
    from src_training.networks.network import Network

_FULL_BYTES = 1 << 20  # with less than this left, a write that failed did so for want of space


def write_ir(network: Network, folder: Path) -> None:
    """Write ``openvino.xml`` and ``.bin``: fused, float32 arithmetic on half-precision weights, any H and W.

    Input (1, 1, H, W) normalised; output probability of the same shape. Raises OSError when the disk is full.
    """
    import torch

    class Probability(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.fused()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.network(x).logits)

    openvino = import_openvino()
    example = torch.zeros(1, 1, 64, 64)
    with torch.inference_mode():
        converted = openvino.convert_model(Probability().eval(), example_input=example, input=[1, 1, -1, -1])
    try:
        openvino.save_model(converted, folder / IR_FILE, compress_to_fp16=False)
    except RuntimeError as error:  # OpenVINO does not say why it could not write
        if shutil.disk_usage(folder).free < _FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise


def cached_ir(model: Model) -> Path:
    """Build the model's OpenVINO network into the user's cache, once, and return its path."""
    from src_training.training.weights import WEIGHTS_FILE, load_network

    base = os.environ.get("LIGHTVESSEL_CACHE_DIR") or platformdirs.user_cache_path("lightvessel")
    key = model.card.files.get(WEIGHTS_FILE, model.id)[:16]
    target = Path(base) / "openvino" / key
    if not (target / IR_FILE).is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent))
        write_ir(load_network(model.folder, model.card.architecture), staging)
        # another process may be faster: its network is the same
        with contextlib.suppress(OSError):
            staging.rename(target)
    return target / IR_FILE
