"""The site keys in the user's own configuration: what turns patient ids into keys, kept out of every dataset."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from src_training import durable
from src_training.errors import DatasetError
from src_training.regular import read_regular

_SHORTEST = 16  # bytes; with a shorter key the ids could be found by trying
_LONGEST = 64 << 10
_OWN, _IMPORTED = "own", "imported"


def user_config_dir() -> Path:
    """Where this user's settings and site keys live: ``$LIGHTVESSEL_CONFIG_DIR``, else the system's place."""
    chosen = os.environ.get("LIGHTVESSEL_CONFIG_DIR")
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_config_dir("lightvessel", appauthor=False))


def fingerprint(key: bytes) -> str:
    """16 hex digits that tell keys apart and do not give them away."""
    return hashlib.sha256(b"lightvessel site key|" + key).hexdigest()[:16]


def own_key() -> bytes:
    """The key that new datasets of this user get; made when first needed."""
    if not (own := _stored(_OWN)):
        remember(secrets.token_bytes(32), _OWN)
        own = _stored(_OWN)
    # Two processes may each have made one at once: both stay, so each dataset finds the key it was made with.
    return read_key(own[0])


def find_key(wanted: str) -> bytes | None:
    """The key with this fingerprint, if this user has it."""
    for kind in (_OWN, _IMPORTED):
        path = _folder() / f"{kind}-{wanted}.key"
        if path.is_file():
            key = read_key(path)
            return key if fingerprint(key) == wanted else None
    return None


def remember(key: bytes, kind: str = _IMPORTED) -> bytes:
    """Keep a key for this user, readable by nobody else; the key."""
    if len(key) < _SHORTEST:
        raise DatasetError(f"a site key has at least {_SHORTEST} bytes, found {len(key)}. Give a longer one.")
    if find_key(fingerprint(key)) == key:
        return key
    with _config_writable():
        durable.make_dir(_folder(), private=True)
        path = _folder() / f"{kind}-{fingerprint(key)}.key"
        durable.write_new(path, key.hex().encode() + b"\n", private=True)
    return key


def read_key(path: Path) -> bytes:
    """A key from a file: hex digits, or else one line of text as it is (16 bytes at least).

    Raises DatasetError when the file cannot be read, holds something else, or too little.
    """
    try:
        data = read_regular(path, _LONGEST)
    except OSError as error:
        raise DatasetError(f"{path.name}: {error.strerror}. Give the file with the site key.") from None
    text = data.strip()
    is_hex = len(text) % 2 == 0 and re.fullmatch(rb"[0-9A-Fa-f]+", text)
    if not is_hex and not _is_one_line(text):
        raise DatasetError(
            f"{path.name}: not a site key, which is hex digits or one line of text. "
            "Export it again with: lightvessel dataset key export."
        )
    key = bytes.fromhex(text.decode()) if is_hex else data
    if len(key) < _SHORTEST:
        raise DatasetError(
            f"{path.name}: a site key has at least {_SHORTEST} bytes ({2 * _SHORTEST} hex digits), found {len(key)}. "
            "Export it again with: lightvessel dataset key export."
        )
    return key


def _is_one_line(text: bytes) -> bool:
    try:
        return text.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _folder() -> Path:
    return user_config_dir() / "site-keys"


def _stored(kind: str) -> list[Path]:
    return sorted(_folder().glob(f"{kind}-*.key"))


@contextlib.contextmanager
def _config_writable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatasetError(
            "the site key cannot be kept in the user's configuration folder: "
            f"{durable.cure_for(error)} LIGHTVESSEL_CONFIG_DIR chooses another folder."
        ) from error
