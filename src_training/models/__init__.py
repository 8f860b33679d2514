"""Models, their cards, the store of a workspace and the promotion gate; importing this imports no torch."""

from src_training.models.card import ModelCard
from src_training.models.library import DEFAULT_MODEL, builtin_models, default_model, load_model
from src_training.models.loading import Model
from src_training.models.losing import Drawn, LosingFrame, losing_frames
from src_training.models.store import ModelStore

__all__ = [
    "DEFAULT_MODEL",
    "Drawn",
    "LosingFrame",
    "Model",
    "ModelCard",
    "ModelStore",
    "builtin_models",
    "default_model",
    "load_model",
    "losing_frames",
]
