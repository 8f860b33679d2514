"""Cines and their masks as napari layers: images become cines, masks become Labels, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Shapes
from napari.utils.colormaps import DirectLabelColormap

from napari_lightvessel._damage import LenientFrames, window_of
from napari_lightvessel._marks import UNSURE, VESSEL
from napari_lightvessel._texts import for_napari
from src_training import Cine, array_cine
from src_training.errors import LightVesselError, UnreadableCine

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_METADATA_KEY = "lightvessel_cine"
_NO_CINE_KEY = "lightvessel_no_cine"  # on an Image that is shown and is no cine to work on
_STATE_KEY = "lightvessel_state"  # on our Labels: the work it shows, so that a reopened dock finds it
_OUR_LABELS_KEY = "lightvessel_labels"  # on every Labels layer that we made
_REGION_KEY = "lightvessel_region"  # on the Shapes layer in which reviewed regions are drawn
AXES = ("frame", "y", "x")  # the name at napari's slider
_TRANSFORM = ("scale", "translate", "rotate", "shear", "affine")
VESSEL_COLOUR = "#ff8a1f"
UNSURE_COLOUR = "#b9c4d0"


def layer_data(cine: Cine, tell: Callable[[str], object] | None = None) -> tuple[Any, dict[str, Any], str]:
    """A cine as napari's reader tuple: a lazy (T, Y, X) stack, or (Y, X) for one frame.

    A damaged frame is shown black and its line goes to ``tell``; UnreadableCine when no frame is whole.
    """
    low, high = window_of(cine)
    stack = LenientFrames(cine, low, tell).stack()
    data = stack[0] if cine.shape[0] == 1 else stack
    settings: dict[str, Any] = {
        "name": for_napari(cine.name),
        "metadata": {_METADATA_KEY: cine},
        "axis_labels": AXES[-data.ndim :],
        "colormap": "gray",
        "contrast_limits": (low, high if high > low else low + 1),
    }
    return data, settings, "image"


def unwrapped(viewer: Any) -> Any:
    """The viewer itself: napari hands plugins a proxy, whose layers are other objects at each look."""
    return getattr(viewer, "__wrapped__", viewer)


def is_image(layer: Layer | None) -> bool:
    """Whether a layer is an Image to work on (Labels is none, though it derives from the same base)."""
    return isinstance(layer, Image) and _NO_CINE_KEY not in layer.metadata


def is_of_a_cine(layer: Layer) -> bool:
    """Whether a layer shows a cine or a mask of ours, whosever it is."""
    ours = isinstance(layer, Labels) and are_our_labels(layer.metadata)
    return ours or is_image(layer)


def is_seen(layer: Layer) -> bool:
    """Whether a layer is shown at all: its eye is open, and it is not wholly transparent."""
    return bool(layer.visible and layer.opacity > 0)


def no_cine() -> dict[str, Any]:
    """Metadata of an Image that is only shown."""
    return {_NO_CINE_KEY: True}


def cine_of(layer: Image) -> Cine:
    """The cine behind an Image layer, whoever opened it.

    Raises
    ------
    UnreadableCine
        When the layer is neither (Y, X) nor (T, Y, X).
    """
    data = layer.data[0] if layer.multiscale else layer.data
    spatial = tuple(int(n) for n in (data.shape[:-1] if layer.rgb else data.shape))
    if len(spatial) not in (2, 3):
        raise UnreadableCine(
            f"{layer.name}: has {len(spatial)} dimensions, a cine has (Y, X) or (T, Y, X). "
            "Choose one channel or plane of it as its own layer."
        )
    known = layer.metadata.get(_METADATA_KEY)
    if isinstance(known, Cine) and tuple(known.shape) in (spatial, (1, *spatial)):
        return known
    return array_cine(data, name=layer.name, rgb=bool(layer.rgb))


def forget_file(layer: Image) -> None:
    """The layer holds other pixels than the file it was opened from."""
    layer.metadata.pop(_METADATA_KEY, None)


def known_states(viewer: ViewerModel) -> list[Any]:
    """The states that our Labels layers in this viewer carry."""
    labels = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    found = [(layer.metadata.get(_STATE_KEY), layer) for layer in labels]
    # A copy of a layer carries the metadata of the original.
    return [state for state, layer in found if state is not None and state.mask and state.mask.layer is layer]


def lone_labels(data: np.ndarray, name: str) -> Labels:
    """Labels (T, Y, X) that belong to no open cine, in our colours."""
    return Labels(
        data,
        name=for_napari(name),
        opacity=0.55,
        colormap=_label_colours(),
        axis_labels=AXES,
        metadata={_OUR_LABELS_KEY: True},
    )


def are_our_labels(metadata: dict[str, Any]) -> bool:
    """Whether the metadata of a Labels layer say that its numbers are ours: 1 vessel, 2 unsure."""
    return _OUR_LABELS_KEY in metadata


class MaskLayer:
    """The Labels layer that is corrected, seen as (T, Y, X) planes; it keeps the image's transform."""

    def __init__(self, image: Image, shape: tuple[int, int, int], owner: object = None) -> None:
        self.single = image.ndim == 2
        data = np.zeros(shape[1:] if self.single else shape, np.uint8)
        self.layer = Labels(
            data,
            name=for_napari(f"{image.name} vessels"),
            opacity=0.55,
            colormap=_label_colours(),
            metadata={_OUR_LABELS_KEY: True},
            **_transform_of(image),
        )
        self.layer.n_edit_dimensions = 2
        self.layer.brush_size = max(3, round(max(shape[1:]) / 100))
        self._image = image
        self.belong_to(owner)
        _keep_transform(image, self.layer)

    def show(self, viewer: ViewerModel) -> None:
        """Put the layer into the viewer, right above its image; it may have been taken out before."""
        if self.layer in viewer.layers:
            return
        position = (
            viewer.layers.index(self._image) + 1 if self._image in viewer.layers else len(viewer.layers)
        )
        viewer.layers.insert(position, self.layer)

    def plane(self, t: int) -> np.ndarray:
        """A view of frame ``t``'s labels, (Y, X)."""
        return self.layer.data if self.single else self.layer.data[t]

    def hides_labels(self, t: int) -> bool:
        """Whether only the selected label is shown, and frame ``t`` holds another one."""
        shown = (0, self.layer.selected_label)
        return self.layer.show_selected_label and not np.isin(self.plane(t), shown).all()

    def belong_to(self, owner: object) -> None:
        """Let a reopened dock find ``owner`` through this layer."""
        self.layer.metadata[_STATE_KEY] = owner

    def put(self, t: int, mask: np.ndarray) -> None:
        """Set a frame without entering the undo history (a proposal is no person's edit)."""
        self.plane(t)[...] = mask

    def replace(self, t: int, mask: np.ndarray) -> None:
        """Set a frame as one undoable step."""
        where = np.nonzero(self.plane(t) != mask)
        index = where if self.single else (np.full(where[0].size, t), *where)
        with self.layer.block_history():
            self.layer.data_setitem(index, mask[where].astype(self.layer.data.dtype))
        self.refresh()

    def refresh(self) -> None:
        """Redraw what the canvas shows."""
        self.layer.refresh()


def frame_index(viewer: ViewerModel, layer: Layer, n_frames: int) -> int | None:
    """The frame of ``layer`` that the viewer shows (0 for a single image).

    None while it shows none: its slider stands elsewhere, or all frames are shown as one volume.
    """
    if layer.ndim < 3:
        return 0
    if viewer.dims.ndim - layer.ndim in viewer.dims.displayed:
        return None
    t = round(float(layer.world_to_data(viewer.dims.point[-layer.ndim :])[0]))
    return t if 0 <= t < n_frames else None


def go_to_frame(viewer: ViewerModel, layer: Layer, t: int) -> None:
    """Move the viewer's time slider to frame ``t`` of ``layer``."""
    if layer.ndim < 3:
        return
    here = list(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    here[0] = t
    axis = viewer.dims.ndim - layer.ndim
    viewer.dims.set_point(axis, float(layer.data_to_world(here)[0]))


def painted_frames(stroke: Any, layer: Labels) -> set[int]:
    """The frames of ``layer`` that a paint event's stroke touched."""
    if layer.ndim < 3:
        return {0}
    everywhere = range(layer.data.shape[0])
    touched: set[int] = set()
    for atom in stroke:
        place = getattr(atom, "slice_key", None) or atom[0]
        frames = place[0]
        touched.update(everywhere[frames] if isinstance(frames, slice) else np.unique(frames).tolist())
    return touched


@dataclass(frozen=True)
class Region:
    """The part of a frame that was reviewed, in rows and columns; ``where`` is what the person calls it."""

    rows: slice
    columns: slice
    where: str

    def is_whole(self, shape: tuple[int, int]) -> bool:
        """Whether it is all of a frame of this shape."""
        return (self.rows, self.columns) == (slice(0, shape[0]), slice(0, shape[1]))


def shown_region(layer: Labels) -> Region:
    """The rectangle of ``layer`` inside the canvas."""
    (top, left), (bottom, right) = layer.corner_pixels[:, -2:]
    return Region(slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1), "what the view shows")


def drawn_region(viewer: ViewerModel, layer: Labels) -> Region | None:
    """The selected (else the last) rectangle of the Shapes layer that is selected, else of the dock's own.

    None while none is drawn there: rectangles of other layers were drawn for something else.

    Raises
    ------
    LightVesselError
        What is drawn is not in view on this frame, lies outside it, or is no upright rectangle.
    """
    places = (viewer.layers.selection.active, _region_layer(viewer))
    shapes = next((place for place in places if isinstance(place, Shapes) and place.nshapes), None)
    if shapes is None:
        return None
    if not is_seen(shapes):
        raise LightVesselError(f"{shapes.name} is hidden. Show it, then accept inside its rectangle.")
    chosen = max(shapes.selected_data) if shapes.selected_data else shapes.nshapes - 1
    corners = _in_pixels(shapes, shapes.data[chosen], layer)
    _check_frame(viewer, shapes, corners, layer)
    if shapes.shape_type[chosen] != "rectangle" or not _is_upright(corners[:, -2:]):
        raise LightVesselError(f"What is drawn in {shapes.name} is no upright rectangle. Draw one.")
    return _inside(corners[:, -2:], layer, f"inside the rectangle of {shapes.name}")


def _region_layer(viewer: ViewerModel) -> Shapes | None:
    known = (layer for layer in viewer.layers if _REGION_KEY in layer.metadata)
    return next((layer for layer in known if isinstance(layer, Shapes)), None)


def start_region(viewer: ViewerModel, layer: Labels) -> Shapes:
    """Make the one Shapes layer of this viewer ready to draw the rectangle that was reviewed; former ones go."""
    shapes = _region_layer(viewer)
    if shapes is None:
        shapes = Shapes(
            ndim=2,
            name="reviewed region",
            edge_color="#37c8ff",
            face_color="transparent",
            edge_width=2,
            metadata={_REGION_KEY: True},
        )
        viewer.layers.append(shapes)
    shapes.data = []
    for name, value in _transform_in_2d(layer).items():
        setattr(shapes, name, value)
    shapes.visible = True
    viewer.layers.selection.active = shapes
    shapes.mode = "add_rectangle"
    return shapes


def _in_pixels(shapes: Shapes, corners: np.ndarray, layer: Labels) -> np.ndarray:
    """Corners of a shape in the layer's own pixels; frame 0 for a shape that is of every frame."""
    world = np.array([shapes.data_to_world(corner) for corner in corners])
    shared = min(world.shape[1], layer.ndim)
    padded = np.zeros((len(world), layer.ndim))
    padded[:, -shared:] = world[:, -shared:]
    return np.array([layer.world_to_data(point) for point in padded])


def _check_frame(viewer: ViewerModel, shapes: Shapes, corners: np.ndarray, layer: Labels) -> None:
    if layer.ndim < 3 or shapes.ndim < 3:
        return
    frames = np.unique(corners[:, 0].round().astype(int))
    if frames.tolist() != [frame_index(viewer, layer, layer.data.shape[0])]:
        raise LightVesselError(
            f"The rectangle of {shapes.name} is of frame {frames[0]}. Draw one on this frame."
        )


def _is_upright(corners: np.ndarray) -> bool:
    """Whether every corner lies at an end of both axes, to the half pixel."""
    ends = np.abs(corners - corners.min(axis=0)), np.abs(corners - corners.max(axis=0))
    return bool((np.minimum(*ends) < 0.5).all())


def _inside(corners: np.ndarray, layer: Labels, where: str) -> Region:
    height, width = layer.data.shape[-2:]
    rows = np.clip([corners[:, 0].min(), corners[:, 0].max() + 1], 0, height).round().astype(int)
    columns = np.clip([corners[:, 1].min(), corners[:, 1].max() + 1], 0, width).round().astype(int)
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        raise LightVesselError("The rectangle lies outside the frame. Draw it over the image.")
    return Region(slice(*rows.tolist()), slice(*columns.tolist()), where)


def _label_colours() -> DirectLabelColormap:
    return DirectLabelColormap(
        color_dict={0: "transparent", VESSEL: VESSEL_COLOUR, UNSURE: UNSURE_COLOUR, None: "#d62fd6"}
    )


def _transform_of(image: Image) -> dict[str, Any]:
    settings: dict[str, Any] = {name: getattr(image, name) for name in _TRANSFORM}
    return {**settings, "units": image.units, "axis_labels": image.axis_labels}


def _transform_in_2d(layer: Layer) -> dict[str, Any]:
    """How a layer lies in its last two axes, rows and columns."""
    return {
        "scale": layer.scale[-2:],
        "translate": layer.translate[-2:],
        "rotate": layer.rotate[-2:, -2:],
        "shear": layer.shear[-1:],  # napari keeps what is above the diagonal, row by row
        "affine": layer.affine.affine_matrix[-3:, -3:],
    }


def _keep_transform(image: Image, labels: Labels) -> None:
    """Let the labels follow when the image is scaled, moved or turned later; alone they cannot be moved off it."""
    following = False

    def follow(_event: Any = None) -> None:
        nonlocal following
        if following or labels.ndim != image.ndim:  # it was given other pixels, of which these are no mask
            return
        following = True
        try:
            for name in _TRANSFORM:
                setattr(labels, name, getattr(image, name))
        finally:
            following = False

    for name in _TRANSFORM:
        getattr(image.events, name).connect(follow)
        getattr(labels.events, name).connect(follow)
