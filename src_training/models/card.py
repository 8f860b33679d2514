"""The model card: everything about a model that is not its weights, as one checked, hashable record."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

#: What a model may be called: its id, and so a folder, begins with it.
MODEL_NAME = r"^[a-z0-9][a-z0-9-]{0,40}$"
# The same, and longer by what every generation of fine-tuning adds: it becomes the name of a folder.
LONGEST_NAME = 201
_NAME_ON_CARD = rf"^[a-z0-9][a-z0-9-]{{0,{LONGEST_NAME - 1}}}$"
_ID_DIGITS, _OLD_ID_DIGITS = 32, 10
LabelProtocol = Literal["full-tree", "syntax", "unknown"]
_MOST_FILES = 16
_LARGEST_STRIDE = 64  # px: the side of the frame that a network is made into OpenVINO with
_Text = Annotated[str, Field(max_length=2000)]
# Older versions added to it with every generation of fine-tuning; the card's file is bounded as well.
_Story = Annotated[str, Field(max_length=1 << 16)]
_FileName = Annotated[str, Field(max_length=255)]
_Probability = Annotated[float, Field(ge=0, le=1)]


class Architecture(BaseModel):
    """Which network to build: the numbers `networks.build_network` needs.

    ``context``: so many blocks of the product family that look far around, at its coarsest level.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str = "s2d-repunet"
    base_channels: int = Field(16, ge=4, le=256)
    depth: int = Field(3, ge=1, le=5)
    blocks: int = Field(2, ge=1, le=4)
    stem_factor: int = Field(2, ge=1, le=4)
    context: int = Field(0, ge=0, le=4)

    @field_validator("stem_factor")
    @classmethod
    def _divides_every_frame(cls, factor: int) -> int:
        if factor == 3:
            raise ValueError("3 divides no frame's side. Give 1, 2 or 4")
        return factor

    @model_validator(mode="after")
    def _fits_a_frame(self) -> Architecture:
        if (stride := self.stem_factor * 2**self.depth) > _LARGEST_STRIDE:
            raise ValueError(
                f"depth {self.depth} behind a stem of {self.stem_factor} leaves nothing of {stride} px"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_no_context(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A network without context is written as it always was: older versions read it, kept settings stay equal."""
        record: dict[str, Any] = told(self)
        return record if self.context else {name: v for name, v in record.items() if name != "context"}


class Normalisation(BaseModel):
    """How grey values become network input: robust percentiles inside the collimated field."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low_percentile: float = Field(1.0, ge=0, le=50)
    high_percentile: float = Field(99.0, ge=50, le=100)
    clip: float = Field(1.5, gt=0, le=100)


class ModelCard(BaseModel):
    """One model's record, stored as ``card.json`` beside its weights.

    ``threshold`` is a probability; ``min_component_px`` counts pixels at the working scale
    (longer side = ``input_size``). ``golden`` is what the model answered to the golden frame when it was made
    (`inference.golden`), empty in cards of older versions. ``files`` maps each file of the model folder to its sha256.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    schema_version: int = 1
    name: str = Field(pattern=_NAME_ON_CARD)
    created_utc: str = Field(max_length=100)
    architecture: Architecture
    normalisation: Normalisation = Normalisation()
    input_size: int = Field(512, ge=64, le=2048)
    threshold: float = Field(0.5, gt=0, lt=1)
    min_component_px: int = Field(0, ge=0, le=100_000)
    label_protocol: LabelProtocol = "unknown"
    parameters: int = Field(0, ge=0, le=10**12)
    gflop_512: float = Field(0.0, ge=0, le=1e9)
    parent: _Text | None = None
    teacher: _Text | None = None
    run: _Text | None = None
    dataset_snapshot: _Text | None = None
    trained_on: _Story = ""
    recipe: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    licence: _Text = ""
    data_licence: _Story = ""
    golden: list[_Probability] = Field(default_factory=list, max_length=4096)
    files: dict[_FileName, str] = Field(default_factory=dict, max_length=_MOST_FILES)
    intended_use: _Text = "Research use only. Not a medical device, not for diagnosis."

    def to_json(self) -> str:
        """Canonical text: sorted keys, so that equal cards have equal hashes."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def model_id(self) -> str:
        """``<name>-<first 32 hex of the card's sha256>``: a changed card is another model."""
        return f"{self.name}-{self._sha256()[:_ID_DIGITS]}"

    def is_id(self, model_id: str) -> bool:
        """Whether the model may be called so: older versions took 10 hex digits."""
        return model_id in (self.model_id(), self.old_id())

    def old_id(self) -> str:
        """Its id of older versions, of which others with the same can be made in seconds."""
        return f"{self.name}-{self._sha256()[:_OLD_ID_DIGITS]}"

    def _sha256(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()
