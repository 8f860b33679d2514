"""The dataset: frames with the masks people gave them, durable, split by patient, without personal data."""

from src_training.dataset.findings import VerifyReport
from src_training.dataset.frame import STATUSES, Frame, Origin, check_pseudonym
from src_training.dataset.masks import read_mask
from src_training.dataset.moving import move, withdraw
from src_training.dataset.outbox import Kept, Moved, Outbox, save_or_keep, save_prepared
from src_training.dataset.patient_table import alike_patient
from src_training.dataset.patients import known_patient
from src_training.dataset.revision import Revision
from src_training.dataset.snapshot import Snapshot
from src_training.dataset.sources import Source, Sources
from src_training.dataset.store import Dataset, Prepared
from src_training.dataset.twins import one_sided, twins_of

__all__ = [
    "STATUSES",
    "Dataset",
    "Frame",
    "Kept",
    "Moved",
    "Origin",
    "Outbox",
    "Prepared",
    "Revision",
    "Snapshot",
    "Source",
    "Sources",
    "VerifyReport",
    "alike_patient",
    "check_pseudonym",
    "known_patient",
    "move",
    "one_sided",
    "read_mask",
    "save_or_keep",
    "save_prepared",
    "twins_of",
    "withdraw",
]
