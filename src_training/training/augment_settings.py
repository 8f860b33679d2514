"""How far training frames are varied; apart from the code that does it, so that a form needs no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Zoom = Annotated[float, Field(ge=0.1, le=10)]
UNSEEN_LIGHT = 0.35  # transmission of a collimator below which nobody can outline a vessel


class Augmentation(BaseModel):
    """How far frames are varied; 0 or (1, 1) switches an ingredient off."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rotation_deg: float = Field(25.0, ge=0, le=180, title="Rotation", description="Largest turn, degrees.")
    scale: tuple[_Zoom, _Zoom] = Field((0.65, 1.6), title="Scale", description="Smallest and largest zoom.")
    flip_horizontal: float = Field(0.5, ge=0, le=1)
    flip_vertical: float = Field(0.1, ge=0, le=1)
    gamma: float = Field(0.45, ge=0, le=2, description="Largest |log gamma|.")
    contrast: float = Field(0.3, ge=0, lt=1)
    brightness: float = Field(0.25, ge=0, le=1)
    bias_field: float = Field(0.2, ge=0, le=1, description="Strength of a slow shading.")
    noise: float = Field(0.15, ge=0, le=1, description="Largest noise, as a share of the grey range.")
    blur: float = Field(0.25, ge=0, le=1, description="How often a frame is blurred or coarsened.")
    blades: float = Field(0.15, ge=0, le=1, description="How often a collimator blade is drawn.")
    vignette: float = Field(0.1, ge=0, le=1, description="How often a round, soft field is drawn.")
    jpeg: float = Field(0.15, ge=0, le=1, description="How often a crop is compressed as JPEG.")
    hardware: float = Field(
        0.15, ge=0, le=1, description="How often a catheter, leads, wires or clips are drawn into a crop."
    )
    channel_dropout: float = Field(0.05, ge=0, lt=1, description="Share of channels dropped after the stem.")
