"""A real window with the dock in it and the sample cine open: where the demo and the tour begin."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._samples import beating_cine

if TYPE_CHECKING:
    import napari


def open_segmented_sample() -> tuple[napari.Viewer, LightVesselWidget]:
    """A viewer with the dock and the synthetic cine at its best-filled frame, ready to be segmented."""
    import napari

    _hide_toolkit_notices()
    viewer = napari.Viewer(title="LightVessel")
    dock = show_dock(viewer)
    open_sample(viewer)
    return viewer, dock


def _hide_toolkit_notices() -> None:
    """Nothing of napari's that Qt 6 would be better: the demo chose PyQt5, and a toast would lie over the picture."""
    from napari._qt import qt_main_window

    if hasattr(qt_main_window, "SHOW_QT_WARNING"):
        qt_main_window.SHOW_QT_WARNING = False
    warnings.filterwarnings("ignore", "System theme detection requires a Qt6 backend", UserWarning)


def show_dock(viewer: napari.Viewer) -> LightVesselWidget:
    """Dock the widget at the right, as the Plugins menu does."""
    dock = LightVesselWidget(viewer)
    viewer.window.add_dock_widget(dock, name="LightVessel", area="right")
    return dock


def open_sample(viewer: napari.Viewer) -> None:
    """Open the synthetic cine, as File > Open Sample does, and show its middle frame."""
    for data, settings, _kind in beating_cine():
        viewer.add_image(data, **settings)
    viewer.dims.set_current_step(0, viewer.dims.nsteps[0] // 2)
