"""Where a training computes: one device, several processes, and in which precision."""

from __future__ import annotations

import logging
import os

import torch
from lightning_fabric import Fabric

from src_training.errors import ModelError

logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it would announce its precision on stderr
logging.getLogger("lightning.fabric").setLevel(logging.WARNING)


def pick_device(wish: str) -> torch.device:
    """The device asked for (``cpu``, ``cuda``, ``cuda:1``, ``mps``), or with ``auto`` the best there is.

    Raises ModelError when this computer has no such device.
    """
    there = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if wish == "auto":
        return torch.device(next(kind for kind, count in there.items() if count))
    kind, _, index = wish.partition(":")
    if kind not in there or (index and not index.isdecimal()):
        raise ModelError(f"{wish!r} is not a device. Choose auto, cpu, cuda or mps.")
    if int(index or 0) >= there[kind]:
        raise ModelError(
            f"this computer has no {wish}. Use auto or cpu; lightvessel doctor lists the devices."
        )
    return torch.device(wish)


def open_fabric(device: torch.device, processes: int) -> Fabric:
    """Lightning Fabric on ``processes`` devices of one kind; under torchrun, as many as it started on its nodes.

    Several processes are started by repeating this command; they compute one batch together (DDP).
    """
    nodes = 1
    if "LOCAL_WORLD_SIZE" in os.environ:  # torchrun's; Fabric tells its own processes nothing of the kind
        processes = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // processes
    fabric = Fabric(
        accelerator=device.type,
        devices=processes if processes > 1 or device.index is None else [device.index],
        num_nodes=nodes,
        strategy="ddp" if processes * nodes > 1 else "auto",
        precision="bf16-mixed" if has_bf16(device) else "32-true",
    )
    fabric.launch()
    return fabric


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 natively; a CPU without was measured 7x slower with it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and cpu_has_bf16()


def cpu_has_bf16() -> bool:
    """True where the CPU multiplies bfloat16 natively (AVX-512 BF16 or AMX)."""
    capable = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(capable and capable())


def is_first_process() -> bool:
    """Whether this is the one of several processes that writes files."""
    return not in_company() or torch.distributed.get_rank() == 0


def wait_for_all() -> None:
    """Go on when every process of the training has come here."""
    if in_company():
        torch.distributed.barrier()


def in_company() -> bool:
    """Whether several processes train together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
