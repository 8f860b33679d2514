"""The napari plugin: one dock to segment angiograms, correct the vessels, and fine-tune on the corrections."""

from src_training import __version__

__all__ = ["__version__"]
