"""Looking over an installation: versions, devices, runtimes and shipped models, each finding with its cure."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from src_training import durable

DISTRIBUTION = "napari-lightvessel"
_QT_BINDINGS = ("PyQt6", "PyQt5", "PySide6")
_LEAST_MEMORY = 2 * 2**30
_AGREEMENT = 2e-3  # in probability, between two runtimes in float32
_TIMED_RUNS = 3

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it stands, and what to do; ``problem`` means that something will not work."""

    code: str
    level: Level
    text: str
    cure: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)


def examine() -> Iterator[Finding]:
    """Look at everything, one finding after another; a check that breaks is itself a finding."""
    for check in (_versions, _packages, _qt, _plugin, _computer, _devices, _own_folder, _models, _runtimes):
        yield from _guarded(check)


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - whatever is broken here, the other checks still tell theirs
        name = check.__name__.strip("_").replace("_", "-")
        yield Finding(
            name, "problem", f"could not be checked ({type(error).__name__}: {error})", "Install again"
        )


def _versions() -> Iterator[Finding]:
    own = _version(DISTRIBUTION)
    if own is None:
        yield Finding(
            "version", "problem", f"{DISTRIBUTION} is not installed", "pip install napari-lightvessel"
        )
    else:
        yield Finding("version", "ok", f"{DISTRIBUTION} {own}")
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")


def _packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    for line in importlib.metadata.requires(DISTRIBUTION) or []:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        found, cure = _version(wanted.name), f"pip install '{wanted.name}{wanted.specifier}'"
        if found is None:
            yield Finding("package", "problem", f"{wanted.name} is missing", cure)
        elif not wanted.specifier.contains(found, prereleases=True):
            yield Finding("package", "problem", f"{wanted.name} {found} does not do", cure)
        else:
            yield Finding("package", "ok", f"{wanted.name} {found}")


def _qt() -> Iterator[Finding]:
    found = [f"{name} {version}" for name in _QT_BINDINGS if (version := _version(name))]
    if found:
        yield Finding("qt", "ok", ", ".join(found))
    else:
        cure = f"pip install '{DISTRIBUTION}[pyqt5]'"
        yield Finding("qt", "note", "no Qt binding: the shell works, napari's window does not", cure)
    shown = (
        sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if not shown:
        yield Finding("display", "note", "no display: the shell works, a window cannot open")


def _plugin() -> Iterator[Finding]:
    names = [entry.name for entry in importlib.metadata.entry_points(group="napari.manifest")]
    if DISTRIBUTION in names:
        yield Finding("plugin", "ok", "napari finds the plugin")
    else:
        cure = f"pip install --force-reinstall --no-deps {DISTRIBUTION}"
        yield Finding("plugin", "problem", "napari does not find the plugin", cure)


def _computer() -> Iterator[Finding]:
    import psutil

    yield Finding("cpu", "ok", f"{psutil.cpu_count()} cores, {platform.machine()}")
    free = psutil.virtual_memory().available
    level: Level = "ok" if free >= _LEAST_MEMORY else "note"
    cure = "" if level == "ok" else "Close other programs before training"
    yield Finding("memory", level, f"{free / 2**30:.1f} GiB free", cure)


def _devices() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return  # told among the packages
    import torch

    from src_training.training.devices import cpu_has_bf16, pick_device

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield Finding("device", "ok", f"cuda:{index} {torch.cuda.get_device_name(index)}")
    if torch.backends.mps.is_available():
        yield Finding("device", "ok", "mps (Apple)")
    bf16 = "native bf16" if cpu_has_bf16() else "no native bf16: float32 is used"
    yield Finding("device", "ok", f"cpu, {bf16}")
    yield Finding("training", "ok", f"trains on {pick_device('auto').type}")


def _own_folder() -> Iterator[Finding]:
    from src_training.workspace import user_config_dir

    folder = user_config_dir()
    try:
        durable.make_dir(folder, private=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        cure = "Make it writable, or set LIGHTVESSEL_CONFIG_DIR to a folder that is"
        yield Finding("settings", "problem", f"{folder} cannot be written ({error.strerror})", cure)
        return
    if os.name != "nt" and folder.stat().st_mode & 0o002:
        cure = f"Keep it to yourself: chmod o-w {folder}"
        yield Finding(
            "settings", "problem", f"{folder}: anybody may write there, beside your site keys", cure
        )
    else:
        yield Finding("settings", "ok", str(folder))


def _models() -> Iterator[Finding]:
    from src_training.errors import ModelError
    from src_training.models.library import builtin_ids, builtin_model

    for model_id in builtin_ids():
        try:
            model = builtin_model(model_id)
        except ModelError as error:
            yield Finding("model", "problem", str(error), f"pip install --force-reinstall {DISTRIBUTION}")
        else:
            assert model is not None
            card = model.card
            yield Finding("model", "ok", f"{model_id}, {card.label_protocol}, {card.parameters / 1e6:.2f} M")


def _runtimes() -> Iterator[Finding]:
    """Each runtime segments a shipped frame; all must give the same probabilities."""
    from src_training.cine import read_cine
    from src_training.errors import ModelError
    from src_training.samples import sample_frames

    frame = np.asarray(read_cine(sample_frames()[0]).frame(0))
    found: dict[str, NDArray[np.float32]] = {}
    for name, package in (("openvino", "openvino"), ("torch", "torch")):
        if importlib.util.find_spec(package) is None:
            yield Finding("runtime", "note", f"{name} is not installed", f"pip install {package}")
            continue
        try:
            found[name], milliseconds = _timed(name, frame)
        except ModelError as error:
            # Without OpenVINO the work goes on with torch.
            yield Finding("runtime", "note" if name == "openvino" else "problem", f"{name}: {error}")
            continue
        yield Finding(
            "runtime", "ok", f"{name}: {milliseconds:.0f} ms a frame of {frame.shape[1]}x{frame.shape[0]}"
        )
    if len(found) == 2:
        apart = float(np.abs(found["openvino"] - found["torch"]).max())
        level: Level = "ok" if apart <= _AGREEMENT else "problem"
        cure = "" if level == "ok" else "Use --runtime torch, and report this computer's processor"
        yield Finding("agreement", level, f"the runtimes differ by at most {apart:.1e} in probability", cure)
    elif not found:
        yield Finding("runtime", "problem", "nothing can run the network", "pip install openvino")


def _timed(runtime: Any, frame: NDArray) -> tuple[NDArray[np.float32], float]:
    """Probability of ``frame`` on the CPU, and the median milliseconds one takes."""
    from src_training.inference import Predictor

    predictor = Predictor.load("small", runtime=runtime, device="cpu", streams=1)
    taken = []
    for _ in range(_TIMED_RUNS):
        began = time.perf_counter()
        probability = predictor.probability(frame)
        taken.append(1000 * (time.perf_counter() - began))
    return probability, float(np.median(taken))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
