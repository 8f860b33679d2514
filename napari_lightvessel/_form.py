"""A form made from a pydantic settings class: titles, tooltips and ranges stand in the fields, nowhere else."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, LineEdit, SpinBox, Widget
from psygnal import Signal
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from napari_lightvessel._parts import call
from napari_lightvessel._texts import make_plain, tip_text
from src_training.errors import LightVesselError

_DECIMALS = 4  # of a spin box: an averaging of 0.9995 is told from one
_SMALL = 0.01  # below this a spin box's steps hide the value: such numbers are typed


class SettingsForm:
    """``value()``, ``set_value(settings)`` and ``changed`` over one settings class; ``native`` is the widget."""

    changed = Signal()

    def __init__(self, settings: type[BaseModel], leave_out: tuple[str, ...] = ()) -> None:
        self._settings = settings
        self._widgets = {
            name: _widget(name, field)
            for name, field in settings.model_fields.items()
            if name not in leave_out and not _is_nested(field)
        }
        self._own: dict[str, Any] = {}
        self._container = Container(widgets=list(self._widgets.values()), labels=True)
        self._container.margins = (0, 0, 0, 0)
        for widget in self._widgets.values():
            call(widget.native, widget.label)  # type: ignore[attr-defined]
        self._container.changed.connect(lambda _value: self.changed.emit())
        self.set_value(settings())
        self.native = self._container.native
        make_plain(self.native)

    def value(self) -> BaseModel:
        """The settings as they stand.

        Raises
        ------
        LightVesselError
            One line naming the field and what is wrong with it.
        """
        try:
            return self._settings(
                **{name: _read(widget, self._kind(name)) for name, widget in self._widgets.items()}
            )
        except ValidationError as error:
            raise LightVesselError(self._words(error)) from error

    def set_value(self, settings: BaseModel) -> None:
        """Show these settings."""
        for name, widget in self._widgets.items():
            _write(widget, getattr(settings, name))

    def fix(self, values: dict[str, Any]) -> None:
        """Show ``values``, which are decided elsewhere, and give back what was fixed before as it stood."""
        for name, value in self._own.items():
            self._widgets[name].value, self._widgets[name].enabled = value, True  # type: ignore[attr-defined]
        self._own = {name: widget.value for name, widget in self._widgets.items() if name in values}  # type: ignore[attr-defined]
        for name in self._own:
            _write(self._widgets[name], values[name])
            self._widgets[name].enabled = False

    def hide(self, names: Iterable[str]) -> None:
        """Show all fields but these."""
        for name, widget in self._widgets.items():
            widget.visible = name not in names

    def __getitem__(self, name: str) -> Widget:
        return self._widgets[name]

    def _kind(self, name: str) -> Any:
        return self._settings.model_fields[name].annotation

    def _words(self, error: ValidationError) -> str:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        field = self._settings.model_fields.get(name)
        title = (field.title if field else None) or name or "Settings"
        return f"{title}: {first['msg'][0].lower()}{first['msg'][1:]}, found {first.get('input')!r}."


def _widget(name: str, field: FieldInfo) -> Widget:
    kind = field.annotation
    options: dict[str, Any] = {
        "name": name,
        "label": field.title or name.replace("_", " ").capitalize(),
        "tooltip": tip_text(field.description or ""),
    }
    if kind is bool:
        return CheckBox(**options)
    if get_origin(kind) is Literal:
        return ComboBox(choices=list(get_args(kind)), **options)
    if kind is int:
        return SpinBox(value=field.default, **_limits(field, 1, 2**31 - 1), **options)
    if kind is float and not 0 < abs(field.default) < _SMALL:
        least = 10**-_DECIMALS
        box = FloatSpinBox(value=field.default, step=least, **_limits(field, least, 1e9), **options)
        box.step = 0.05  # the decimals stay
        return box
    return LineEdit(**options)


def _limits(field: FieldInfo, step: float, most: float) -> dict[str, Any]:
    limits: dict[str, Any] = {"min": -most, "max": most}
    for rule in field.metadata:
        if isinstance(rule, Ge):
            limits["min"] = rule.ge
        elif isinstance(rule, Gt):
            limits["min"] = float(rule.gt) + step  # type: ignore[arg-type]
        elif isinstance(rule, Le):
            limits["max"] = rule.le
        elif isinstance(rule, Lt):
            limits["max"] = float(rule.lt) - step  # type: ignore[arg-type]
    return limits


def _read(widget: Widget, kind: Any) -> Any:
    value = widget.value  # type: ignore[attr-defined]
    if not isinstance(widget, LineEdit):
        return value
    text = value.strip()
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return None if not text and _allows_none(kind) else text


def _write(widget: Widget, value: Any) -> None:
    if isinstance(widget, LineEdit):
        listed = isinstance(value, (tuple, list))
        widget.value = ", ".join(f"{one:g}" for one in value) if listed else _text(value)
    else:
        widget.value = value  # type: ignore[attr-defined]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _allows_none(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def _is_nested(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
