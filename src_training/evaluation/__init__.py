"""How good a model is on frames with masks, and whether another is better; imports neither torch nor Qt."""

from src_training.evaluation.compare import Comparison, compare
from src_training.evaluation.evaluate import EvalItem, Evaluation, FrameScore, evaluate, home_panel
from src_training.evaluation.metrics import METRICS, frame_metrics

__all__ = [
    "METRICS",
    "Comparison",
    "EvalItem",
    "Evaluation",
    "FrameScore",
    "compare",
    "evaluate",
    "frame_metrics",
    "home_panel",
]
