"""The settings form is made from the settings class: nothing is said twice."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from napari_lightvessel._form import SettingsForm
from src_training import FinetuneSettings
from src_training.errors import LightVesselError


class Settings(BaseModel):
    steps: int = Field(30, ge=1, le=100, title="Steps", description="Optimiser steps.")
    share: float = Field(0.5, ge=0, le=0.9, title="Share")
    rate: float = Field(3e-4, gt=0, le=0.1, title="Rate")
    sizes: tuple[int, ...] = Field((256, 352), title="Sizes")
    device: Literal["auto", "cpu"] = "auto"
    frozen: bool = True
    start: str | None = None


@pytest.fixture
def form(qtbot):
    made = SettingsForm(Settings)
    qtbot.addWidget(made.native)
    return made


def test_title_description_and_range_come_from_the_field(form):
    steps = form["steps"]
    assert (steps.label, steps.tooltip, steps.min, steps.max) == ("Steps", "Optimiser steps.", 1, 100)
    assert list(form["device"].choices) == ["auto", "cpu"]


def test_defaults_make_the_round_trip(form):
    assert form.value() == Settings()


def test_any_settings_make_the_round_trip(form):
    wanted = Settings(steps=7, share=0.25, rate=1e-5, sizes=(64,), device="cpu", frozen=False, start="small")
    form.set_value(wanted)
    assert form.value() == wanted


@pytest.mark.parametrize(
    ("field", "typed", "expected"),
    [
        ("rate", "fast", r"Rate: input should be a valid number.*found 'fast'"),
        ("rate", "3", r"Rate: input should be less than or equal to 0\.1, found '3'"),
        ("sizes", "256, big", r"Sizes: input should be a valid integer.*found 'big'"),
    ],
)
def test_a_wrong_entry_is_named_in_one_line(form, field, typed, expected):
    form[field].value = typed
    with pytest.raises(LightVesselError, match=expected) as caught:
        form.value()
    assert "\n" not in str(caught.value)


def test_a_change_is_announced(form, qtbot):
    seen = []
    form.changed.connect(lambda: seen.append(1))
    form["steps"].value = 8
    assert seen


def test_the_real_settings_fit_the_form(qtbot):
    form = SettingsForm(FinetuneSettings)
    qtbot.addWidget(form.native)
    assert form.value() == FinetuneSettings()


@pytest.mark.parametrize(
    ("field", "typed"), [("weight_decay", 0.001), ("ema_decay", 0.999), ("checkpoint_minutes", 0.25)]
)
def test_a_small_or_nearly_whole_number_stays_what_was_typed(qtbot, field, typed):
    form = SettingsForm(FinetuneSettings)
    qtbot.addWidget(form.native)
    box = form[field].native
    box.selectAll()
    qtbot.keyClicks(box, box.locale().toString(typed, "f", 4))
    assert getattr(form.value(), field) == typed
    assert form["ema_decay"].max < 1 and form["checkpoint_minutes"].min > 0


def test_what_is_decided_elsewhere_is_shown_and_what_was_chosen_comes_back(form):
    form["share"].value = 0.25
    form.fix({"share": 0.0, "elsewhere": 1})
    assert form.value().share == 0.0 and not form["share"].enabled
    form.fix({"share": 0.5})
    form.fix({})
    assert form.value().share == 0.25 and form["share"].enabled
