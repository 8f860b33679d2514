"""Segmentation of frames and cines; importing this package imports neither torch nor OpenVINO."""

from src_training.inference.postprocess import mask_from_probability
from src_training.inference.predictor import Predictor

__all__ = ["Predictor", "mask_from_probability"]
