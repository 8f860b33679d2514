"""The dataset: frames with the masks people gave them, durable, split by patient, without personal data."""

from src_training.dataset.findings import VerifyReport
from src_training.dataset.frame import STATUSES, Frame, Origin
from src_training.dataset.masks import read_mask
from src_training.dataset.outbox import Kept, Outbox, save_or_keep
from src_training.dataset.patients import known_patient
from src_training.dataset.revision import Revision
from src_training.dataset.snapshot import Snapshot
from src_training.dataset.store import Dataset
from src_training.dataset.twins import one_sided, twins_of

__all__ = [
    "STATUSES",
    "Dataset",
    "Frame",
    "Kept",
    "Origin",
    "Outbox",
    "Revision",
    "Snapshot",
    "VerifyReport",
    "known_patient",
    "one_sided",
    "read_mask",
    "save_or_keep",
    "twins_of",
]
