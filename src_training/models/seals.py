"""Whether a decision was made here: sealed with a key that this user holds, which no workspace does."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.dataset import keyring
from src_training.dataset.facts import read_facts
from src_training.errors import DatasetError
from src_training.regular import read_regular

_UNSEALED = ("seals", "nonce")
_LARGEST = 64 << 10


class Seals:
    """The seals of one workspace's decisions.

    A decision is sealed with the site key of the dataset, if this user holds it, so that the members of a site believe
    each other, and with the user's own. Who imports a site's key believes that site's decisions.
    """

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def of(self, record: dict[str, Any]) -> list[str]:
        """A decision's seals; none where this user's keys can neither be read nor made."""
        with contextlib.suppress(DatasetError):
            keyring.own_key()  # made now where there is none
        return [self._seal(key, record) for key in self._keys()]

    def hold(self, record: dict[str, Any]) -> bool:
        """Whether one of the decision's seals is of a key that this user holds."""
        found = record.get("seals")
        listed = found if isinstance(found, list) else []
        told = [one for one in listed if isinstance(one, str) and one.isascii()]
        wanted = [self._seal(key, record) for key in self._keys()]
        return any(hmac.compare_digest(one, seal) for one in told for seal in wanted)

    def agree(self, model_id: str, card_sha256: str) -> None:
        """Note that a person agreed to this model in this workspace; OSError when the user's folder refuses."""
        path = self._note(card_sha256)
        durable.make_dir(path.parent, private=True)
        durable.write_new(path, model_id.encode() + b"\n", private=True)

    def agreed(self, card_sha256: str) -> bool:
        """Whether this user has agreed to it."""
        return confined.is_there(self._note(card_sha256))

    def worked_here(self) -> bool:
        """Whether this user has put cases into this dataset, with its key, and so knows it."""
        from src_training.dataset.sources import sources_file

        uuid, fingerprint = self._facts()
        try:
            known = confined.is_file(sources_file(uuid))
            return known and keyring.find_key(fingerprint) is not None
        except (DatasetError, OSError):
            return False

    def believes(self, unsealed: dict[str, Any]) -> bool:
        """Whether what an older version left unsealed counts: this user has worked here, and has not sealed since.

        Once there are seals, what has none may be of anybody who was given a copy; but for what counted before.
        """
        try:
            before = read_regular(self._first_seal(), _LARGEST).decode()
        except FileNotFoundError:
            return self.worked_here()
        except (OSError, ValueError):
            return False
        return _digest(unsealed) in before.split() and self.worked_here()

    def begin(self, believed: dict[str, Any] | None = None) -> None:
        """Note that this user's decisions in this dataset are sealed from now on; ``believed`` goes on to count.

        The first such note stays. Nothing is noted where the user's folder refuses.
        """
        path = self._first_seal()
        with contextlib.suppress(OSError):
            if confined.is_there(path):
                return
            durable.make_dir(path.parent, private=True)
            durable.write_new(path, f"{_digest(believed)}\n".encode() if believed else b"", private=True)

    def _first_seal(self) -> Path:
        name = hashlib.sha256(self._facts()[0].encode()).hexdigest()[:32]
        return keyring.user_config_dir() / "sealed-datasets" / name

    def _seal(self, key: bytes, record: dict[str, Any]) -> str:
        told = {name: value for name, value in record.items() if name not in _UNSEALED}
        text = json.dumps([self._facts()[0], told], sort_keys=True)
        return hmac.new(key, b"lightvessel decision|" + text.encode(), hashlib.sha256).hexdigest()

    def _keys(self) -> list[bytes]:
        keys = dict.fromkeys(keyring.own_keys())
        try:
            site = keyring.find_key(self._facts()[1])
        except DatasetError:
            site = None
        return [*dict.fromkeys([*([site] if site else []), *keys])]

    def _facts(self) -> tuple[str, str]:
        """The dataset's uuid and the fingerprint of its key; empty where there is none, as in a store alone."""
        try:
            facts = read_facts(self._workspace / "dataset" / "dataset.json")
        except (DatasetError, OSError):
            return "", ""
        return str(facts["uuid"]), str(facts["site_key_fingerprint"])

    def _note(self, card_sha256: str) -> Path:
        name = hashlib.sha256(f"{self._facts()[0]}|{card_sha256}".encode()).hexdigest()[:32]
        return keyring.user_config_dir() / "agreed-models" / name


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
