"""Words for figures: what a run is doing, what the comparison found, what a decision meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_lightvessel._jobs import docks_way

if TYPE_CHECKING:
    from napari_lightvessel._training import Figures, RunView

_STATUS = {
    "queued": "waiting to start",
    "cancelled": "cancelled; its checkpoint stays",
    "interrupted": "interrupted: its process is gone",
    "failed": "failed",
}


def figures_words(figures: Figures, model: str) -> str:
    """Whether training makes sense now."""
    if not figures.counted:
        return ""
    if not figures.accepted:
        return "No accepted frames yet. Correct a frame and press Accept."
    if not figures.new:
        return f"No new accepted frames since {model}."
    plural = "s" * (figures.new != 1)
    patients = f" of {figures.patients} patient{'s' * (figures.patients != 1)}" if figures.patients else ""
    return f"{figures.new} new accepted frame{plural}{patients} since {model}."


def run_words(view: RunView) -> str:
    """One line on where a run stands."""
    state = view.state
    if state.status == "running" and state.trained:
        return "choosing and comparing…"
    if state.status == "running" and state.step:
        left = f" · {time_left(state.eta_s)}" if state.eta_s is not None else ""
        return f"step {state.step}/{state.steps}{left}"
    if state.status == "running":
        return "preparing frames…"
    return _STATUS.get(state.status, state.status)


def time_left(seconds: float) -> str:
    """A rough time, as a person would say it."""
    return f"{max(1, round(seconds))} s left" if seconds < 90 else f"{round(seconds / 60)} min left"


def outcome(view: RunView | None) -> tuple[str | list[str], str]:
    """What a run that is over means: text and kind for a TellLine."""
    if view is None or not view.over:
        return "", "info"
    if view.state.status in ("failed", "interrupted"):
        return docks_way(
            view.state.message or ""
        ) or "The run ended without saying why; its log may tell.", "bad"
    if view.state.status == "finished" and view.state.compared is not None:
        return comparison_words(view.state.compared)
    if view.state.status == "cancelled" and view.state.message.startswith("ended by"):
        return view.state.message, "warn"  # it may still run on another computer
    return "", "info"


def comparison_words(compared: dict[str, Any]) -> tuple[list[str], str]:
    """For example ``better: Dice +0.031 [+0.012, +0.049], 14 patients; 0 worse``."""
    decision = _decision(compared)
    verdict = decision.get("verdict", "cannot_tell")
    lead, kind = {
        "promote": ("✓ better", "good"),
        "refuse": ("✗ not better", "bad"),
        "cannot_tell": ("? cannot tell yet", "warn"),
    }[verdict]
    return [f"{lead}: {figures_of(compared)}", *_reasons(decision)], kind


def figures_of(compared: dict[str, Any]) -> str:
    """The comparison's figures in one line."""
    parts = []
    if compared.get("delta_dice") is not None:
        interval = compared.get("dice_interval")
        spread = f" [{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else ""
        patients = compared.get("patients", 0)
        parts.append(f"Dice {compared['delta_dice']:+.3f}{spread}, {patients} patient{'s' * (patients != 1)}")
        parts.append(f"{compared.get('worse_patients', 0)} worse")
    else:
        parts.append("no test patients yet")
    if compared.get("home_delta_dice") is not None:
        parts.append(f"reference set {compared['home_delta_dice']:+.3f}")
    return "; ".join(parts)


def needs_reason(compared: dict[str, Any] | None) -> bool:
    """Whether promoting goes beyond what the gate could tell."""
    return _decision(compared).get("verdict") == "cannot_tell"


def refusal(compared: dict[str, Any] | None) -> str:
    """Why the gate refuses promotion; empty when it does not."""
    decision = _decision(compared)
    return " ".join(decision.get("reasons", [])) if decision.get("verdict") == "refuse" else ""


def _decision(compared: dict[str, Any] | None) -> dict[str, Any]:
    return (compared or {}).get("decision") or {}


def decided_words(action: str, model_id: str) -> str:
    """What a decision means from now on."""
    if action == "promoted":
        return f"{model_id} is the active model now: segmenting uses it."
    if action == "rolled back":
        return f"Back to {model_id}."
    return "Kept the old model active. The new one stays in the workspace."


def _reasons(decision: dict[str, Any]) -> list[str]:
    reasons = decision.get("reasons") or []
    return reasons[:1] if decision.get("verdict") != "promote" else []
