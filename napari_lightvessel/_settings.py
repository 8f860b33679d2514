"""What a person chose for us in napari's own settings; our defaults where napari does not know the plugin."""

from __future__ import annotations

_PLUGIN = "napari-lightvessel"
_THREADS = 2  # as the manifest says


def threads() -> int:
    """How many frames are segmented at a time, with one thread each."""
    from napari.settings import get_plugin_settings

    try:
        return int(get_plugin_settings(_PLUGIN).segmenting.threads)  # type: ignore[attr-defined]
    except (AttributeError, KeyError):  # opened by hand, or in a napari that found no manifest of ours
        return _THREADS
