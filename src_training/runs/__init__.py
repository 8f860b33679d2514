"""Runs: a training is a folder and a process of its own, which outlives whoever started it."""

from src_training.runs.context import RunContext
from src_training.runs.process import Identity
from src_training.runs.run import Run
from src_training.runs.state import ENDED, RunState
from src_training.runs.store import RunStore

__all__ = ["ENDED", "Identity", "Run", "RunContext", "RunState", "RunStore"]
