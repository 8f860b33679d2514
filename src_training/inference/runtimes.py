"""What runs the network: OpenVINO on a CPU (no torch needed), torch on CUDA, MPS or where OpenVINO is missing."""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from src_training.errors import ModelError
from src_training.inference.golden import departure
from src_training.texts import logger

if TYPE_CHECKING:
    from src_training.models import Model

RuntimeName = Literal["auto", "openvino", "torch"]
Precision = Literal["float32", "bf16"]
IR_FILE = "openvino.xml"
_WARM_UP_PX = 128  # a multiple of every network's stride
_GOLDEN_TOLERANCE = {"float32": 0.01, "bf16": 0.05}  # in probability; bf16 was measured at 0.005
_FIRST_USE = threading.Lock()
_log = logger(__name__)


class Unserved(ModelError):
    """OpenVINO cannot run a sound network on this computer; ``problem`` says why, without the cure."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem} Use the runtime torch.")
        self.problem = problem


class Runtime(Protocol):
    """A loaded network; ``run`` may be called from several threads at once.

    ``remark``: one line on why it is not the usual one; empty when it is.
    """

    name: str
    remark: str

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) network input → (H, W) probability."""
        ...


def open_runtime(
    model: Model, runtime: RuntimeName, device: str, precision: Precision, streams: int
) -> Runtime:
    """The runtime asked for; ``auto`` is OpenVINO on a CPU, torch elsewhere and where OpenVINO cannot run it.

    Raises ModelError, saying what to install, when it is not to be had, and when the model does not compute
    there what it computed when it was made.
    """
    opened = _opened(model, runtime, device, precision, streams)
    _check_golden(opened, model, precision)
    return opened


def _opened(model: Model, runtime: RuntimeName, device: str, precision: Precision, streams: int) -> Runtime:
    if runtime == "auto":
        return _usual(model, device, precision, streams)
    if runtime == "openvino":
        if device not in ("auto", "cpu"):
            raise ModelError(
                f"the OpenVINO runtime works on the CPU, not on {device!r}. Use --runtime torch."
            )
        return OpenVinoRuntime(ir_of(model), precision, streams)
    return TorchRuntime(model, device, precision)


def _usual(model: Model, device: str, precision: Precision, streams: int) -> Runtime:
    if device not in ("auto", "cpu") or not importlib.util.find_spec("openvino"):
        return TorchRuntime(model, device, precision)
    try:
        return OpenVinoRuntime(ir_of(model), precision, streams)
    except Unserved as error:
        if not importlib.util.find_spec("torch"):
            raise
        instead = TorchRuntime(model, device, precision)
        instead.remark = f"{error.problem} It goes on with torch, which is slower on a CPU."
        _log.warning("%s", instead.remark)
        return instead


def _check_golden(runtime: Runtime, model: Model, precision: Precision) -> None:
    off = departure(runtime.run, model.card.golden) if model.card.golden else 0.0
    if off > _GOLDEN_TOLERANCE[precision]:
        other = "openvino" if runtime.name == "torch" else "torch"
        raise ModelError(
            f"{model.id}: {runtime.name} computes something else than when it was made (off by {off:.2f} in "
            f"vessel probability on its golden frame). Copy the model again, or use the runtime {other}."
        )


def ir_of(model: Model) -> Path:
    """The OpenVINO network to run: a shipped model's own, or what this computer made of the checked weights.

    A network can loop for ever or ask for any memory, and a folder's hashes come with the folder: so the one that
    lies in a folder from elsewhere is never run.
    """
    shipped = model.folder / IR_FILE
    if model.builtin and shipped.is_file():
        return shipped
    from src_training.inference.export import cached_ir

    return cached_ir(model)


def import_openvino() -> Any:
    """OpenVINO, kept from reporting its use over the network: nothing leaves a hospital's computer."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if not installed
    import openvino

    return openvino


class OpenVinoRuntime:
    """OpenVINO's CPU plugin, ``streams`` frames at a time, one thread each."""

    name = "openvino"
    remark = ""

    def __init__(self, ir: Path, precision: Precision, streams: int) -> None:
        try:
            openvino = import_openvino()
        except (ImportError, OSError) as error:  # not installed, or a library of the system is missing
            reason = str(error).strip().splitlines()[0]
            raise Unserved(f"OpenVINO cannot be loaded ({reason}).") from error
        # The default on a CPU with native bf16 would be bf16: results must not depend on the machine.
        config = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(streams),
        }
        # The first use of OpenVINO's tensors fills a C++ static that asks for the GIL inside its guard:
        # two threads arriving together wait for each other forever. So one thread uses everything first.
        with _FIRST_USE:
            try:
                self._compiled = openvino.Core().compile_model(str(ir), "CPU", config)
                self.run(np.zeros((_WARM_UP_PX, _WARM_UP_PX), np.float32))
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[-1]
                raise Unserved(f"OpenVINO cannot run the network on this computer ({reason}).") from error

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        request = self._compiled.create_infer_request()
        request.infer([image[None, None]])
        return np.array(request.get_output_tensor(0).data[0, 0], dtype=np.float32)


class TorchRuntime:
    """The fused network in torch, one CPU thread a frame, or on a CUDA or MPS device."""

    name = "torch"

    def __init__(self, model: Model, device: str, precision: Precision) -> None:
        try:
            import torch
        except ImportError as error:
            raise ModelError("neither OpenVINO nor torch is installed. Run: pip install openvino") from error
        from src_training.training.devices import pick_device
        from src_training.training.weights import load_fused

        self.remark = ""
        self._torch, self._device = torch, pick_device(device)
        if self._device.type == "cpu":
            torch.set_num_threads(1)
        # Convolutions of NVIDIA's newer cards would round to 10 bits: results must not depend on the machine.
        torch.backends.cudnn.allow_tf32 = False
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        network = load_fused(model.folder, model.card)
        self._network = network.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        torch = self._torch
        with torch.inference_mode():
            batch = torch.from_numpy(image)[None, None].to(self._device, self._dtype)
            logits = self._network(batch.contiguous(memory_format=torch.channels_last)).logits
            return torch.sigmoid(logits.float())[0, 0].cpu().numpy()
