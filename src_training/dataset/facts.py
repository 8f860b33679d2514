"""``dataset.json``: what a dataset says of itself. It may come from elsewhere, and nothing of it is used unread."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from src_training.dataset.record import DATASET_SCHEMA, LABELS, read_record
from src_training.errors import DatasetError, printable


def _plain_uuid(text: str) -> str:
    # It names folders and files of the user's own: nothing but a UUID in its plain form may do that.
    if str(uuid.UUID(text)) != text:
        raise ValueError("not written as a UUID is")
    return text


def _known_labels(labels: dict[str, str]) -> dict[str, str]:
    if labels != LABELS:
        raise ValueError("not those of this version")
    return labels


_Uuid = Annotated[str, AfterValidator(_plain_uuid)]
_Labels = Annotated[dict[str, str], AfterValidator(_known_labels)]
_Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
_Salt = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){1,128}$")]


class _Split(BaseModel):
    """Buckets of 10,000: below ``val_below`` is val, below ``test_below`` test, the rest train."""

    model_config = ConfigDict(strict=True)

    salt: _Salt
    val_below: int = Field(ge=0, le=10_000)
    test_below: int = Field(ge=0, le=10_000)

    @model_validator(mode="after")
    def _in_order(self) -> _Split:
        if self.val_below > self.test_below:
            raise ValueError("val_below is above test_below")
        return self


class _Facts(BaseModel):
    """The keys that are used; others are free."""

    model_config = ConfigDict(strict=True)

    uuid: _Uuid
    split: _Split
    labels: _Labels
    site_key_fingerprint: _Fingerprint


def read_facts(path: Path) -> dict[str, Any]:
    """The sealed facts of a dataset; DatasetError, a line, where they are not what a dataset's can be."""
    facts = read_record(path, DATASET_SCHEMA)
    try:
        _Facts.model_validate(facts)
    except (ValidationError, RecursionError) as error:
        raise DatasetError(
            f"{path.parent.name}/{path.name}: {_first(error)}. Restore dataset.json from a backup."
        ) from error
    return facts


def _first(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested without end"
    one = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, one["loc"])) or "it"
    return printable(f"{where} cannot be used ({one['msg']})")[:300]
