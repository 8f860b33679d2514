"""Settings of every training: one object makes the form, the command's flags, the file and the record."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from src_training.distillation.recipe import AS_PUBLISHED, LITERAL, parse_method
from src_training.errors import LightVesselError
from src_training.models.card import MODEL_NAME, Architecture
from src_training.training.augment_settings import Augmentation

_LARGEST_CROP = 1024  # px: twice the side at which frames are seen
_MOST_CROPS = 8  # sizes
_LONGEST_REF = 4096  # a model's id or the path of its folder
_MOST_OTHERS = 0.9  # of a batch: frames that are not labelled by a person
IMAGENET = "imagenet"  # start_from: the encoder's weights from a package, see imagenet.py

Settings = TypeVar("Settings", bound=BaseModel)


def checked(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """Settings of these values; LightVesselError naming the field, the finding and the known fields."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        known = ", ".join(sorted(kind.model_fields))
        finding = first["msg"].removeprefix("Value error, ")
        raise LightVesselError(f"setting {field}: {finding}. Known settings: {known}.") from error


class LoopSettings(BaseModel):
    """What the one training loop needs, whoever uses it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    steps: int = Field(
        1000, ge=1, le=1_000_000, title="Steps", description="Optimiser steps; one batch of crops each."
    )
    learning_rate: float = Field(
        2e-3, gt=0, le=0.1, title="Learning rate", description="Peak of the one-cycle schedule (AdamW)."
    )
    weight_decay: float = Field(1e-2, ge=0, le=1, title="Weight decay")
    batch_pixels: int = Field(
        8 * 256**2,
        ge=64**2,
        le=64 * 512**2,
        title="Batch pixels",
        description="Pixels of one batch; the number of crops follows from their size.",
    )
    crop_sizes: tuple[int, ...] = Field(
        (256, 352, 512),
        max_length=_MOST_CROPS,
        title="Crop sizes",
        description="Sides of the square crops, px; multiples of 32.",
    )
    ema_decay: float = Field(
        0.999, ge=0, lt=1, title="Averaging", description="Decay of the averaged weights that are kept."
    )
    gradient_clip: float = Field(1.0, gt=0, le=1e6, title="Gradient clip")
    validate_every: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        title="Validate every",
        description="Steps between two looks at the validation frames.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Patience",
        description="Stop after this many validations without a better Dice; 0 never stops early.",
    )
    checkpoint_minutes: float = Field(
        3.0, gt=0, le=1440, title="Checkpoint every", description="Minutes between two checkpoints."
    )
    freeze_statistics: bool = Field(
        False, title="Freeze batch-norm", description="Keep the batch-norm statistics of the start model."
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, title="Seed")
    threads: int = Field(1, ge=1, le=256, title="Threads", description="CPU threads of the training.")
    loaders: int = Field(
        0,
        ge=0,
        le=64,
        title="Loaders",
        description="Processes that make batches ahead, for a GPU: each holds a core; 0: the training itself.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", title="Device")
    devices: int = Field(
        1, ge=1, le=64, title="Devices", description="GPUs or processes that compute each batch together."
    )
    augmentation: Augmentation = Augmentation()

    @field_validator("crop_sizes")
    @classmethod
    def _fits_every_network(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if not sizes or any(size < 32 or size % 32 for size in sizes):
            raise ValueError(f"{list(sizes)} are no multiples of 32. Give sides such as [256, 352]")
        if max(sizes) > _LARGEST_CROP:
            raise ValueError(f"{max(sizes)} px is more than {_LARGEST_CROP}. Give sides such as [256, 352]")
        return sizes


def largest_batch(settings: LoopSettings) -> int:
    """Pixels of the largest batch that a sampler draws with these settings: of two crops at least."""
    return max(max(2, round(settings.batch_pixels / size**2)) * size**2 for size in settings.crop_sizes)


class TaughtSettings(LoopSettings):
    """A training in which a teacher may take part (lightvessel.md §3); without one the student learns alone."""

    teacher: str = Field(
        "",
        max_length=_LONGEST_REF,
        title="Teacher",
        description="Model whose knowledge the student takes over; empty: none.",
    )
    method: str = Field(
        "lightvessel",
        max_length=500,
        title="Method",
        description="Preset or terms: lightvessel, as-published, plain, or e.g. fsd-map+soft-kd:0.5.",
    )
    balance: float = Field(
        0.2,
        ge=0,
        le=5,
        title="Balance",
        description="Gradient of each distillation term as a share of the task's; 0: plain weights.",
    )
    ramp: float = Field(
        0.05, ge=0, le=1, title="Ramp", description="Share of the steps in which the terms rise."
    )
    projector_steps: int = Field(
        300, ge=1, le=100_000, title="Projector steps", description="Of fsd-paper's first stage."
    )

    @property
    def is_taught(self) -> bool:
        """Whether a teacher has a part in it: with the method ``plain`` it has none."""
        return bool(self.teacher and parse_method(self.method))

    @model_validator(mode="before")
    @classmethod
    def _as_published_is_literal(cls, values: Any) -> Any:
        """The paper's preset has weights of one from the first step, unless something else is said."""
        if isinstance(values, dict) and str(values.get("method")).strip() == AS_PUBLISHED:
            return LITERAL | values
        return values

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        try:
            parse_method(method)
        except LightVesselError as error:
            raise ValueError(str(error)) from error
        return method.strip()


class TrainSettings(TaughtSettings):
    """Train a student, alone or with a teacher, on a folder of frames and masks."""

    name: str = Field("student", title="Name", pattern=MODEL_NAME)
    architecture: Architecture = Architecture()
    label_protocol: Literal["full-tree", "syntax"] = Field(
        "full-tree",
        title="Label protocol",
        description="full-tree: thin branches are vessels, other ridges ignored; syntax: only outlines count.",
    )
    settle_with: str = Field(
        "",
        max_length=_LONGEST_REF,
        title="Second round",
        description="Model whose finds on ignored ridges are vessel; wide ones without are background again.",
    )
    skeleton_weight: float = Field(
        0.5, ge=0, le=5, title="Skeleton weight", description="Weight of the skeleton recall loss."
    )
    unlabelled_share: float = Field(
        0.0,
        ge=0,
        le=0.8,
        title="Unlabelled",
        description="Share of unlabelled frames in every batch; the teacher labels them softly.",
    )
    drawn_share: float = Field(
        0.0,
        ge=0,
        le=0.8,
        title="Synthetic trees",
        description="Share of frames with synthetic trees, whose labels are complete; for full-tree only.",
    )
    drawn_count: int = Field(
        600,
        ge=1,
        le=20_000,
        title="Synthetic frames",
        description="How many such frames are made beforehand.",
    )
    plain_steps: int = Field(
        0, ge=0, le=1_000_000, title="Steps alone", description="Steps without the teacher, first of all."
    )
    holdout: int = Field(
        100, ge=1, le=100_000, title="Held-out frames", description="Frames kept from training, to choose on."
    )
    start_from: str | None = Field(
        None,
        max_length=_LONGEST_REF,
        title="Start from",
        description="Model to start from; empty: scratch.",
    )
    steps: int = Field(30_000, ge=1, le=1_000_000, title="Steps")

    @field_validator("drawn_share")
    @classmethod
    def _leaves_labelled_frames(cls, share: float, info: ValidationInfo) -> float:
        if share + info.data.get("unlabelled_share", 0.0) > _MOST_OTHERS:
            raise ValueError(
                f"with unlabelled_share it is more than {_MOST_OTHERS}, which leaves too few labelled frames. "
                "Lower one of them"
            )
        return share


class FinetuneSettings(TaughtSettings):
    """One-click fine-tuning on newly accepted frames, without forgetting (lightvessel.md §4).

    With a ``teacher`` the model is distilled on these frames instead of being anchored to its former self.
    """

    steps: int = Field(
        300, ge=1, le=100_000, title="Steps", description="Optimiser steps; 300 take about 3 minutes."
    )
    learning_rate: float = Field(
        3e-4, gt=0, le=0.1, title="Learning rate", description="Small: the model should adapt, not forget."
    )
    base_model: str = Field(
        "",
        max_length=_LONGEST_REF,
        title="Start from",
        description="Model to fine-tune; empty: the active one.",
    )
    replay_share: float = Field(
        0.5, ge=0, le=0.9, title="Replay", description="Share of base frames in every batch."
    )
    anchor_weight: float = Field(
        1.0,
        ge=0,
        le=20,
        title="Anchor",
        description="How strongly replay frames and unreviewed pixels hold on to the previous model.",
    )
    skeleton_weight: float = Field(0.5, ge=0, le=5, title="Skeleton weight")
    average_steps: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (0.25, 0.5, 0.75, 1.0),
        min_length=1,
        max_length=16,
        title="Averaging factors",
        description="Shares of the new weights that are tried; the best on validation wins.",
    )
    crop_sizes: tuple[int, ...] = Field((256, 352), max_length=_MOST_CROPS, title="Crop sizes")
    validate_every: int = Field(100, ge=1, le=1_000_000, title="Validate every")
    checkpoint_minutes: float = Field(0.5, gt=0, le=1440, title="Checkpoint every")
    ema_decay: float = Field(0.99, ge=0, lt=1, title="Averaging")
    freeze_statistics: bool = Field(True, title="Freeze batch-norm")
