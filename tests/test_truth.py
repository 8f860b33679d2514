"""What README, docs and help say is what the cards and the code say, in the words of the field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src_training import __version__
from src_training.cli import build_app
from src_training.cli.dressing import dressed, leaves
from src_training.models import builtin_models
from src_training.training.settings import FinetuneSettings, TrainSettings

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS = {model.id: model.card for model in builtin_models()}
VAL = "ARCADE val, 200 frames"
PARTIAL = f"{VAL}, ridges beyond the outlines not judged"
TOLD = ("dice", "cldice", "precision", "recall", "hd95")
# What we called it -> what the field calls it.
OURS = {
    "home panel": "reference set",
    "live model": "active model",
    "live one": "active one",
    "is live": "is the active model",
    "drawn": "synthetic",
    "cure": "fix",
    "figures": "metrics",
    "twins": "duplicates",
    "settles": "resolves",
    "distil": "distill",
    "too much": "FP",
}


def row_of(text: str, model: str) -> list[str]:
    """The cells of a table's first row about a model."""
    line = next(line for line in text.splitlines() if line.startswith(f"| `{model}`"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def told(card, part: str) -> str:
    numbers = card.metrics[part]
    return " / ".join(f"{numbers[name]:.0f}" if name == "hd95" else f"{numbers[name]:.3f}" for name in TOLD)


@pytest.mark.parametrize("model", MODELS)
def test_the_table_of_models_is_that_of_their_cards(model):
    card, row = MODELS[model], row_of((REPOSITORY / "README.md").read_text(encoding="utf-8"), model)
    parameters = card.parameters / 1e6
    assert row[2] == (f"{parameters:.2f} M" if parameters < 1 else f"{parameters:.1f} M")
    assert row[3] == f"{card.gflop_512:.1f}"
    partial = f" ({told(card, PARTIAL)} *)" if PARTIAL in card.metrics else ""
    assert row[4] == told(card, VAL) + partial


@pytest.mark.parametrize("model", [name for name, card in MODELS.items() if PARTIAL in card.metrics])
def test_precision_and_distance_against_arcades_masks_stand_in_the_results(model):
    row = row_of((REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8"), model)
    whole, partial = (MODELS[model].metrics[part] for part in (VAL, PARTIAL))
    numbers = [whole[name] for name in ("dice", "precision", "recall", "cldice")]
    assert row[1:5] == [f"{number:.3f}" for number in numbers] and row[5] == f"{whole['hd95']:.1f}"
    assert row[6:9] == [f"{partial[name]:.3f}" for name in ("dice", "precision", "cldice")]


def test_the_citation_names_this_version():
    assert f"\nversion: {__version__}\n" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")


def test_the_readme_shows_every_group_of_commands():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert [
        name for name in leaves(dressed(build_app())) if f"lightvessel {name.split()[0]}" not in text
    ] == []


def words_of_the_shell() -> dict[str, str]:
    said = {}
    for name, leaf in leaves(dressed(build_app())).items():
        said[name] = " ".join([leaf.help, *(param.help or "" for param in leaf.params)])
    for kind in (TrainSettings, FinetuneSettings):
        for name, field in kind.model_fields.items():
            said[f"{kind.__name__}.{name}"] = f"{field.title or ''} {field.description or ''}"
    return said


def words_of_the_documents() -> dict[str, str]:
    names = ["README.md", "docs/results.md", "docs/method.md"]
    prose = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in names}
    return {name: re.sub(r"`[^`]*`", "", text) for name, text in prose.items()}


@pytest.mark.parametrize("ours", OURS)
def test_what_users_read_uses_the_words_of_the_field(ours):
    said = words_of_the_shell() | words_of_the_documents()
    pattern = re.compile(rf"\b{ours}\b", re.IGNORECASE)
    assert [name for name, text in said.items() if pattern.search(text)] == [], f"say {OURS[ours]}"


def test_what_the_page_on_security_names_is_there():
    text = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    files = set(re.findall(r"`([\w/]+\.py)`", text))
    there = {
        path.name
        for part in ("src_training", "napari_lightvessel", "tests")
        for path in (REPOSITORY / part).rglob("*.py")
    }
    assert len(files) > 30 and {file.split("/")[-1] for file in files} <= there
    parts = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"soak ((?:`\w+`(?:, )?)+)", text))))
    table = (REPOSITORY / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert len(parts) > 10 and all(f"`{part}`" in table for part in parts)
