"""Whatever a person does to layers and slider: the canvas shows what the dock names, or the dock says it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_lightvessel import _layers
from napari_lightvessel._dock import LightVesselWidget

_PATIENT = (
    1000  # a pixel's grey value is 1000 × patient + frame + 1: the canvas tells by itself what it shows
)
_WINDOW = {"contrast_limits": (0, 60_000)}

lengths = st.sampled_from([1, 2, 5, 17])
scales = st.sampled_from([0.4, 1.0, 3.0])
offsets = st.sampled_from([-6.0, 0.0, 11.0])
which = st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.just("open"), lengths, scales, offsets),
    st.tuples(st.just("open"), lengths, st.just(1.0), st.just(0.0)),
    st.tuples(st.sampled_from(["select", "toggle", "delete", "rename", "move_up"]), which),
    st.tuples(st.just("slide"), st.floats(0, 1)),
    st.tuples(st.sampled_from(["paint", "volume", "points", "mend", "turn", "reverse", "last_frame"])),
)
stories = st.lists(st.tuples(st.integers(0, 1), steps), min_size=3, max_size=14)


class Window:
    """One viewer with its dock, and a person's hands."""

    def __init__(self, viewer, patients) -> None:
        self.viewer, self.dock, self._patients = viewer, LightVesselWidget(viewer), patients
        viewer.window.add_dock_widget(self.dock)
        self.patient_of: dict[int, int] = {}

    def clear(self) -> None:
        self.viewer.layers.clear()
        self.viewer.dims.ndisplay = 2
        self.patient_of.clear()

    def do(self, act: str, *rest) -> None:
        getattr(self, act)(*rest)

    def open(self, n_frames: int, scale: float, offset: float) -> None:
        self._add((n_frames, 6, 7) if n_frames > 1 else (6, 7), scale, offset)

    def volume(self) -> None:
        self._add((3, 4, 6, 7), 1.0, 0.0)

    def _add(self, shape: tuple[int, ...], scale: float, offset: float) -> None:
        patient = next(self._patients)
        frames = np.arange(shape[0]) if len(shape) > 2 else np.zeros(1, int)
        values = (_PATIENT * patient + frames + 1).astype(np.uint16).reshape(-1, *[1] * (len(shape) - 1))
        data = np.broadcast_to(values, shape if len(shape) > 2 else (1, *shape))
        placed = {"scale": (scale, 1, 1), "translate": (offset, 0, 0)} if len(shape) == 3 else {}
        layer = self.viewer.add_image(data if len(shape) > 2 else data[0], **placed, **_WINDOW)
        self.patient_of[id(layer)] = patient

    def _pick(self, index: int):
        layers = self.viewer.layers
        return layers[index % len(layers)] if len(layers) else None

    def select(self, index: int) -> None:
        self.viewer.layers.selection.active = self._pick(index)

    def toggle(self, index: int) -> None:
        layer = self._pick(index)
        if layer is not None:
            layer.visible = not layer.visible

    def delete(self, index: int) -> None:
        layer = self._pick(index)
        if layer is not None:
            self.viewer.layers.remove(layer)

    def rename(self, index: int) -> None:
        layer = self._pick(index)
        if layer is not None:
            layer.name = "IM5"

    def move_up(self, index: int) -> None:
        if len(self.viewer.layers):
            self.viewer.layers.move(index % len(self.viewer.layers), len(self.viewer.layers))

    def reverse(self) -> None:
        self.viewer.layers.reverse()

    def points(self) -> None:
        self.viewer.add_points(np.zeros((1, 2)))

    def paint(self) -> None:
        self.dock.correct.use_tool("paint")

    def mend(self) -> None:
        if not self.dock.header.view_row.isHidden():
            self.dock.header.view_button.click()
            assert self.seen() == self.named(), "the offered way out leads nowhere"

    def turn(self) -> None:
        self.viewer.dims.ndisplay = 5 - self.viewer.dims.ndisplay

    def slide(self, share: float) -> None:
        low, high, _step = self.viewer.dims.range[0]
        self.viewer.dims.set_point(0, low + share * (high - low))

    def last_frame(self) -> None:
        self.viewer.dims.set_current_step(0, self.viewer.dims.nsteps[0] - 1)

    # -- what the canvas shows, and what the dock says -----------------------------------------------------

    def seen(self) -> set[int]:
        """Grey values of images in napari's own slices."""
        shown = (layer for layer in self.viewer.layers if _layers.is_image(layer) and layer.visible)
        return {
            int(value)
            for layer in shown
            if not layer._slice.empty
            for value in np.unique(layer._slice.image.raw)
        }

    def named(self) -> set[int]:
        """The grey value of what the dock names: its cine and frame."""
        state, frame = self.dock.session.state, self.dock.session.frame
        if state is None or frame is None or state.layer_in(self.viewer) is not state.image:
            return set()
        return {_PATIENT * self.patient_of[id(state.image)] + frame + 1}

    def check(self) -> None:
        """What is in view is what the dock names, and then nothing is refused; else the dock says so, and refuses."""
        state, told, seen = self.dock.session.state, self.dock.header.view_line.text(), self.seen()
        button = self.dock.segment.frame_button
        if state is None:
            assert not button.isEnabled() and self.dock.session.blocked()
            return
        assert self.dock.correct.frames.count() == state.n_frames
        assert told == self.dock.session.out_of_view()
        alone = not self._masks_of_others(state)
        if state.image not in self.viewer.layers:
            assert told or (alone and not seen)
        elif alone and seen and seen == self.named():
            assert not told and not self.dock.session.blocked()
        else:
            assert told and not button.isEnabled(), (seen, self.named())
            assert self.dock.session.blocked() or self.dock.session.no_frame()

    def _masks_of_others(self, state) -> list[str]:
        owners = [(other, other.mask.layer) for other in self.dock.session.states() if other.mask is not None]
        return [
            mask.name
            for other, mask in owners
            if other is not state and mask in self.viewer.layers and mask.visible and not mask._slice.empty
        ]


@pytest.fixture
def windows(make_napari_viewer):
    """Two viewers with a dock each; patients are numbered through both."""
    patients = iter(range(1, 60_000))
    made = [Window(make_napari_viewer(), (1 + n % 58 for n in patients)) for _ in range(2)]
    yield made
    for window in made:
        window.dock.close_session()


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(story=stories)
def test_the_canvas_shows_the_docks_cine_and_frame_or_the_dock_says_that_it_does_not(windows, story):
    for window in windows:
        window.clear()
    for place, (act, *rest) in story:
        windows[place].do(act, *rest)
        for window in windows:
            window.check()
