"""Layers > Segment > LightVessel: opens the dock in the viewer that asked."""

from __future__ import annotations

import napari


def open_dock(viewer: napari.Viewer) -> None:
    """Show the LightVessel dock, once; napari gives one that was closed without showing it."""
    dock, _widget = viewer.window.add_plugin_dock_widget("napari-lightvessel", "LightVessel")
    dock.show()
