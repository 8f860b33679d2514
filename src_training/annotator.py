"""The pseudonym under which a user's work and decisions are recorded: chosen once, for the window and the shell."""

from __future__ import annotations

import json

#: The user's own settings, below `user_config_dir`.
SETTINGS = "plugin.json"


def own_pseudonym() -> str:
    """The user's pseudonym; empty until one was chosen."""
    from src_training.dataset.keyring import user_config_dir

    try:
        found = json.loads((user_config_dir() / SETTINGS).read_text(encoding="utf-8")).get("annotator", "")
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""
