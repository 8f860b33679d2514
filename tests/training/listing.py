"""What lies in a folder of a test."""

from __future__ import annotations

from pathlib import Path


def outside_of_settings(folder: Path) -> list[Path]:
    """Everything but what is in the user's own folder, where keys and the computer's id are made when first used."""
    return sorted(path for path in folder.rglob("*") if "user-config" not in path.parts)
