"""A candidate against the live model: on the workspace's test patients and on the home panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from src_training import durable
from src_training.errors import DatasetError, NotSaved
from src_training.evaluation import EvalItem, compare, evaluate, home_panel
from src_training.inference import Predictor
from src_training.losing import judged_name
from src_training.models.gate import Decision, decide
from src_training.models.library import default_model
from src_training.models.loading import Model

if TYPE_CHECKING:
    from src_training.dataset import Revision
    from src_training.workspace import Workspace

_STATUSES = ("accepted", "no_vessel")
_JUDGED, _JUDGED_AT_HOME = ("dice", "cldice"), ("dice",)  # what a comparison tells; others would take longer


class NotKept(DatasetError):
    """What was compared, as ``decision``, and that the workspace's disk did not take it."""

    def __init__(self, decision: Decision, error: Exception) -> None:
        reason = durable.cure_for(error) if isinstance(error, OSError) else str(error)
        super().__init__(f"{decision.comparison.candidate}: its comparison was not kept. {reason}")
        self.decision = decision


def contest(
    workspace: Workspace,
    candidate: Model,
    current: Model | None = None,
    check: Callable[[], None] = lambda: None,
) -> Decision:
    """Compare, keep the comparison in the store, and say what the gate thinks.

    ``check`` is called before every frame, and may raise to end it: then nothing is kept. The test frames
    are frozen as a snapshot, named after their content, that the comparison cites.

    Raises
    ------
    NotKept : all is compared, and then the disk refuses.
    """
    current = current or default_model(workspace)
    revisions = unlearnt(workspace, (candidate, current))
    items = [_item(revision) for revision in revisions]
    panel = home_panel(candidate.card.label_protocol)
    predictors = Predictor.load(candidate), Predictor.load(current)
    on_test = [evaluate(predictor, items, _JUDGED, check) for predictor in predictors]
    at_home = [evaluate(predictor, panel, _JUDGED_AT_HOME, check) for predictor in predictors]
    comparison = compare(on_test[0], on_test[1], at_home[0], at_home[1], None)
    try:
        comparison = replace(comparison, snapshot=_freeze(workspace, revisions))
        workspace.models.keep_comparison(comparison)
    except (OSError, NotSaved) as error:
        raise NotKept(decide(comparison), error) from error
    return decide(comparison)


def unlearnt(workspace: Workspace, models: Sequence[Model]) -> list[Revision]:
    """Reviewed frames of test patients of whose pictures none of the models, nor their ancestors, has seen one."""
    heads = workspace.dataset.heads(bucket="test")
    learnt = frozenset().union(*(_learnt(workspace, model) for model in models))
    patients = {head.patient_key for head in heads if head.case in learnt or head.picture in learnt}
    return [head for head in heads if head.status in _STATUSES and head.patient_key not in patients]


def _learnt(workspace: Workspace, model: Model) -> set[str]:
    """Cases, and pictures, that a model of this workspace, and the models it was made from, were trained on."""
    learnt: set[str] = set()
    seen: set[tuple[str, str | None]] = set()
    step: Model | None = model
    while step is not None and step.card.run is not None:
        if (step.card.run, step.card.parent) in seen:  # ids of older versions are short enough for a circle
            break
        seen.add((step.card.run, step.card.parent))
        revisions = workspace.dataset.load_snapshot(step.card.run).revisions
        learnt |= {mark for revision in revisions for mark in (revision.case, revision.picture)}
        parent = step.card.parent
        step = workspace.models.get(parent) if parent and workspace.models.has(parent) else None
    return learnt


def _item(revision: Revision) -> EvalItem:
    return EvalItem(judged_name(revision), revision.patient_key, revision.frame(), revision.mask())


def _freeze(workspace: Workspace, revisions: list[Revision]) -> str | None:
    if not revisions:
        return None
    from src_training.dataset.snapshot import list_hash

    listed = sorted([revision.case, revision.sha] for revision in revisions)
    return workspace.dataset.snapshot(f"gate-{list_hash(listed)[:16]}", revisions).sha256
