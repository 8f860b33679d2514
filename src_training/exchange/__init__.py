"""Bringing data in and out: a dataset as other programs know it, always with its split by patient."""

from src_training.exchange.discs import is_disc, looks_like_disc, opened_disc
from src_training.exchange.exporting import FORMATS, export

__all__ = ["FORMATS", "export", "is_disc", "looks_like_disc", "opened_disc"]
