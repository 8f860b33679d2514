"""Knowledge from a teacher into a student: one file a method. Importing this package needs no torch."""

from src_training.distillation.recipe import LITERAL, METHODS, PRESETS, parse_method

__all__ = ["LITERAL", "METHODS", "PRESETS", "parse_method"]
