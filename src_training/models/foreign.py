"""Run as a process of its own: read weights that came from elsewhere, and write them as safetensors.

``python -m src_training.models.foreign SOURCE TARGET``; it ends with one line when they cannot be used. A pickle can
only name tensors here (``weights_only``), and what a decoder may do with a hostile file stays in this process, which
has a cap on its memory and is killed after a while.
"""

from __future__ import annotations

import contextlib
import sys
import zipfile
from pathlib import Path
from typing import Any

_MEMORY = (
    2**30
)  # of address space, beyond what torch maps; a file of the largest size takes three quarters of it
_LARGEST_WRITTEN = 300 * 2**20
_LARGEST_PROGRAM = 16 * 2**20  # of a pickle that names the tensors of a zip archive
_WRAPPINGS = ("state_dict", "model_state_dict", "model")


def main(source: Path, target: Path) -> None:
    """Convert, or leave with a line that says why not."""
    _cap_memory()
    try:
        _check_packed(source)
        tensors = _tensors(source)
    # A decoder raises what it likes; whatever it is, these are no weights.
    except Exception as error:
        raise SystemExit(" ".join(str(error).split())[:300] or type(error).__name__) from error
    from safetensors.torch import save_file

    save_file(tensors, target)


def _tensors(source: Path) -> dict[str, Any]:
    import torch

    if source.suffix == ".safetensors":
        from safetensors.torch import load_file

        found: Any = load_file(source)
    else:
        found = _unpickled(source)
    while (
        isinstance(found, dict) and len(inner := [found[name] for name in _WRAPPINGS if name in found]) == 1
    ):
        found = inner[0]
    if not isinstance(found, dict) or not found:
        raise ValueError("it holds no dictionary of weights")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ValueError(f"{str(name)[:80]!r} is no weight")
    kept = {name: tensor for name, tensor in found.items() if tensor.is_floating_point()}
    if sum(tensor.numel() * tensor.element_size() for tensor in kept.values()) > _LARGEST_WRITTEN:
        raise ValueError(
            f"its weights take more than {_LARGEST_WRITTEN >> 20} MiB of memory"
        )  # more than is in the file
    return {name: tensor.contiguous().clone() for name, tensor in kept.items()}


def _check_packed(source: Path) -> None:
    """A zip archive of PyTorch is never packed: what is would be larger than the file that it came in."""
    if not zipfile.is_zipfile(source):
        return
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
    if sum(member.file_size for member in members) > source.stat().st_size:
        raise ValueError("its members are larger than the file")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("its members are packed")
    if any(m.filename.endswith(".pkl") and m.file_size > _LARGEST_PROGRAM for m in members):
        raise ValueError("it holds more than weights")


def _unpickled(source: Path) -> Any:
    import torch

    if not _is_saved(source):
        raise ValueError("not a file of weights")
    try:
        return torch.load(source, weights_only=True, map_location="cpu")
    except Exception as error:
        if "weights_only" in str(error):  # PyTorch tells how to run what is in the file
            raise ValueError("it holds more than weights, or is damaged") from error
        raise


def _is_saved(source: Path) -> bool:
    """Whether PyTorch wrote it: a zip archive, and a pickle before 1.6."""
    with open(source, "rb") as stream:
        return stream.read(2) in (b"PK", b"\x80\x02")


def _cap_memory() -> None:
    import psutil
    import safetensors.torch  # noqa: F401 - it and torch are mapped before the cap is set

    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such cap
        import resource

        most = psutil.Process().memory_info().vms + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
