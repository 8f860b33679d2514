"""Archives and datasets that mean no good are imported: nothing is written elsewhere, nothing of theirs is taken."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import signal
import stat
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import archive_files as made
import numpy as np
import typer
from archive_files import header, named, raw_tar, special, tar_of, zip_of
from durable_disks import SIZE, frame, mask
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import cli
from src_training.cli import dataset as dataset_commands
from src_training.dataset import Frame
from src_training.dataset import record as record_module
from src_training.exchange import archives
from src_training.exchange.archive_budget import MEMBERS, Budget
from src_training.workspace import Workspace

_EVERY = {"quick": 14, "full": 1}  # of the long tables every so many entries
_TARS = {"quick": ("w:gz",), "full": ("w", "w:gz", "w:bz2", "w:xz")}
_INTERRUPTS = {"quick": 5, "full": 60}
_MIB = 1 << 20
Files = dict[str, bytes]


@dataclass(frozen=True)
class Attempt:
    """One hostile archive or folder, built in a folder of its own; ``sound``: the cases that are to be taken."""

    name: str
    build: Callable[[Path], Path]
    sound: frozenset[str] = frozenset()


@dataclass
class Found:
    """What all attempts did."""

    tried: int = 0
    outside: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    sound: int = 0
    left: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Hostile names, kinds, bombs, records; then Ctrl-C and kill -9 in the middle."""
    sandbox = _Sandbox(folder)
    found = Found()
    with sandbox.temporary():
        for attempt in _attempts(size, sandbox):
            sandbox.attempt(attempt, found)
        cut_short = _interrupted(sandbox, _INTERRUPTS[size])
        killed = _killed(sandbox)
    what = f"{found.tried} hostile archives and datasets"
    yield none_of(f"{what}: which created or changed something elsewhere", len(found.outside), found.tried)
    yield none_of(f"{what}: whose bad frames were taken", len(found.taken), found.tried)
    yield all_of(
        f"{what}: sound frames among bad ones that were taken", found.sound - len(found.missed), found.sound
    )
    yield none_of(
        f"{what}: that ended otherwise than in a line with its cure", len(found.crashed), found.tried
    )
    yield none_of(f"{what}: that were not reported (exit code 2)", len(found.silent), found.tried)
    yield none_of(f"{what}: temporary folders left", len(found.left), found.tried)
    yield none_of(
        f"{_INTERRUPTS[size]} Ctrl-C while unpacking: temporary folders left", cut_short, _INTERRUPTS[size]
    )
    yield none_of("kill -9 while unpacking: temporary folders left after a later import", killed, 1)


class _Sandbox:
    """A receiving workspace, a canary beside it, and the folder that temporary ones are made in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temp, self.canary, self.inbox = folder / "temp", folder / "canary", folder / "inbox"
        for path in (self.temp, self.canary, self.inbox):
            path.mkdir(parents=True)
        (self.canary / "secret.png").write_bytes(made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)))
        self.receiving = folder / "receiving"
        Workspace.create(self.receiving)
        self.files = self._sound(folder / "sound")
        exact = [
            name
            for name in made.records_in(self.files)
            if b'"dtype": "uint8"' in self.files[name].partition(b'"mask"')[0]
        ]
        self.target = exact[0]
        shutil.rmtree(folder / "sound")

    @staticmethod
    def _sound(folder: Path) -> Files:
        workspace = Workspace.create(folder)
        workspace.dataset.append(frame(1), mask(1))
        floats = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
        workspace.dataset.append(Frame(floats, "P3"), mask(3))
        return made.files_of(folder)

    @functools.cached_property
    def cases(self) -> frozenset[str]:
        """All cases of the sound workspace."""
        return frozenset(name.split("/")[-2] for name in made.records_in(self.files))

    @property
    def but_target(self) -> frozenset[str]:
        """Those that stay sound when the target's record is made hostile."""
        return self.cases - {self.target.split("/")[-2]}

    @contextlib.contextmanager
    def temporary(self) -> Iterator[None]:
        with mock.patch.object(tempfile, "tempdir", str(self.temp)):
            yield

    def attempt(self, attempt: Attempt, found: Found) -> None:
        """Import it and note what should not be."""
        home = self.inbox / "one"
        home.mkdir()
        source = attempt.build(home)
        before = self._snapshot()
        code, saved = self.imported(source)
        after = self._snapshot()
        found.tried += 1
        if before != after:
            found.outside.append(attempt.name)
        if any(self.temp.iterdir()):
            found.left.append(attempt.name)
        if saved - attempt.sound:
            found.taken.append(attempt.name)
        found.sound += len(attempt.sound)
        found.missed += [attempt.name] * len(attempt.sound - saved)
        if code not in (0, 2):
            found.crashed.append(attempt.name)
        if code == 0:
            found.silent.append(attempt.name)
        self._clear(home)

    def imported(self, source: Path) -> tuple[int, set[str]]:
        """Exit code and saved cases of ``dataset import``."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(cli, "build_app", _command),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = cli.main(["dataset", "import", str(self.receiving), str(source)])
        return code, {line.split()[1] for line in out.getvalue().splitlines() if line.startswith("saved ")}

    def _snapshot(self) -> dict[str, Any]:
        """Everything but the receiving dataset's cases: name, kind, time and content."""
        cases = self.receiving / "dataset" / "cases"
        found: dict[str, Any] = {}
        for parent, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if Path(parent, name) != cases]
            for path in (Path(parent, name) for name in [*folders, *names]):
                facts = path.lstat()
                found[str(path)] = (facts.st_mode, facts.st_size, _content(path, facts))
        return found

    def _clear(self, home: Path) -> None:
        shutil.rmtree(home)
        for path in [*self.temp.iterdir(), *self.canary.iterdir()]:
            if path.name != "secret.png":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in [self.folder / "x", self.inbox / "x"]:
            path.unlink(missing_ok=True)


@functools.cache
def _command() -> Any:
    """``lightvessel dataset …`` alone, put together once: that takes longer than most imports here."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    dataset_commands.register(app)
    return typer.main.get_command(app)


def _content(path: Path, facts: os.stat_result) -> Any:
    if not stat.S_ISREG(facts.st_mode):
        return None
    return facts.st_mtime_ns, hashlib.sha256(path.read_bytes()).digest() if facts.st_size < _MIB else 0


# -- what is tried -------------------------------------------------------------------------------------------


def _attempts(size: Size, box: _Sandbox) -> Iterator[Attempt]:
    every = _EVERY[size]
    yield from _named_badly(box, every)
    yield from _odd_zips(box)
    yield from _odd_tars(box, _TARS[size])
    yield from _bombs(box, size)
    yield from list(_bad_records(box))[::every]
    yield from list(_bad_blobs(box))[:: (every + 2) // 3]
    yield from list(_bad_json(box))[:: (every + 2) // 3]
    yield from _bad_folders(box)
    yield from list(_bad_others())[::every]


def _named_badly(box: _Sandbox, every: int) -> Iterator[Attempt]:
    """The sound dataset, and with it a member whose name is none."""
    names = [name.format(out=box.canary) for name in made.BAD_NAMES]
    for at, name in enumerate(names):
        for kind, pack in (("zip", zip_of), ("tar", tar_of)):
            if at < 2 or (at + (kind == "tar")) % every == 0:
                yield Attempt(f"{kind} {name!r}", _packing(pack, box.files, (name, b"x")))
    yield Attempt("zip NUL", _packing(zip_of, box.files, ("a\0b", b"x")))
    long = tarfile.TarInfo("a")
    long.pax_headers = {"path": "../x"}
    yield Attempt("tar: pax path ..", _packing(tar_of, box.files, (long, b"x")))
    nul = tarfile.TarInfo("a")
    nul.pax_headers = {"path": "a\0b"}
    yield Attempt("tar: pax path NUL", _packing(tar_of, box.files, (nul, b"x")))
    for at, (first, second) in enumerate(made.CLASHES):
        for kind, pack in (("zip", zip_of), ("tar", tar_of)):
            if every == 1 or at % 2 == (kind == "tar"):
                more = (first, b"x"), (second, b"y")
                yield Attempt(f"{kind} {first!r}, {second!r}", _packing(pack, box.files, *more))


def _packing(
    pack: Callable[..., Path], files: Mapping[str, bytes], *more: tuple[Any, bytes]
) -> Callable[[Path], Path]:
    return lambda home: pack(home / "archive", *files.items(), *more)


def _odd_zips(box: _Sandbox) -> Iterator[Attempt]:
    """Members that are no files, and lists that lie."""
    files, canary = box.files, str(box.canary).encode()
    link = named("link", stat.S_IFLNK | 0o777)
    yield Attempt("zip: link to a folder", _packing(zip_of, files, (link, canary), ("link/x", b"x")))
    for kind, mode in (
        ("link", stat.S_IFLNK),
        ("pipe", stat.S_IFIFO),
        ("device", stat.S_IFCHR),
        ("disk", stat.S_IFBLK),
    ):
        yield Attempt(
            f"zip: {kind}", _packing(zip_of, files, (named("odd", mode | 0o644), canary + b"/secret.png"))
        )
    yield Attempt("zip: socket", _packing(zip_of, files, (named("odd", stat.S_IFSOCK | 0o644), b"")))
    yield Attempt("zip: folder with content", _packing(zip_of, files, ("d/", b"x")))
    yield Attempt("zip: no name", _packing(zip_of, files, (".", b"x")))
    yield Attempt(
        "zip: locked",
        lambda home: made.locked(_packing(zip_of, files, ("lockedfile", b"x"))(home), "lockedfile"),
    )
    for kind, packed in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        pack = functools.partial(zip_of, packed=packed)
        yield Attempt(f"zip: {kind}", _packing(pack, files))
    stored = functools.partial(zip_of, packed=zipfile.ZIP_STORED)
    mark = b"0123456789abcdef" * 4
    whole = _packing(stored, files, ("mark", mark))
    yield Attempt("zip: content changed", lambda home: made.changed(whole(home), mark, mark[::-1]))
    yield Attempt("zip: two names for one", lambda home: _renamed_in_list(whole(home)))
    for part in (0.3, 0.6, 0.9, 0.99):
        yield Attempt(f"zip: {part} of it", lambda home, part=part: _cut(whole(home), part))
    yield Attempt("zip: longer than it is", lambda home: _announcing(whole(home), "mark", 999_999))
    yield Attempt("zip: in a zip", lambda home: zip_of(home / "a", ("inner.zip", whole(home).read_bytes())))
    yield Attempt("no archive: text", lambda home: _file(home, b"a letter\n" * 99))
    yield Attempt("no archive: nothing", lambda home: _file(home, b""))
    yield Attempt("no archive: a ZIP's first bytes", lambda home: _file(home, b"PK\3\4" + os.urandom(5000)))
    yield Attempt("no archive: rar", lambda home: _file(home, b"Rar!\x1a\7\1\0" + bytes(600)))
    yield Attempt("zip: empty", _packing(zip_of, {}))


def _odd_tars(box: _Sandbox, modes: Sequence[str]) -> Iterator[Attempt]:
    files, canary = box.files, str(box.canary)
    kinds = {
        "link": (tarfile.SYMTYPE, f"{canary}/secret.png"),
        "hard link": (tarfile.LNKTYPE, f"{canary}/secret.png"),
        "hard link inside": (tarfile.LNKTYPE, next(iter(files))),
        "device": (tarfile.CHRTYPE, ""),
        "disk": (tarfile.BLKTYPE, ""),
        "pipe": (tarfile.FIFOTYPE, ""),
        "unknown": (b"Z", ""),
    }
    for kind, (code, target) in kinds.items():
        for mode in modes:
            pack = functools.partial(tar_of, mode=mode)
            yield Attempt(f"tar {mode}: {kind}", _packing(pack, files, (special("odd", code, target), b"")))
    through = ((special("link", tarfile.SYMTYPE, canary), b""), ("link/x", b"x"))
    yield Attempt("tar: through a link", _packing(tar_of, files, *through))
    blocks = {
        "file with holes": (header("holes", 0, b"S"),),
        "size below 0": (header("a", -512),),
        "size far below 0": (header("a", -(1 << 40)),),
        "size beyond its end": (header("a", 1 << 40),),
        "longest name below 0": (header("././@LongLink", -512, b"L"),),
        "damaged in the middle": (b"\1" * 512, header("a", 0)),
        "second archive": (bytes(1024), header("b", 0)),
        "5,000 names for one": (
            *[header("././@LongLink", 2, b"L") + b"a\0".ljust(512, b"\0")] * 5000,
            header("a", 0),
        ),
        "pax of nonsense": (header("x", 512, b"x") + b"99999 path=a\n".ljust(512, b"\0"), header("a", 0)),
        "pax sparse": (
            _pax(b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.realsize=9"),
            header("a", 0),
        ),
        "pax sizes below 0": (_pax(b"size=-5"), header("a", 0)),
        "pax size beyond": (_pax(b"size=99999999999999"), header("a", 0)),
    }
    for kind, parts in blocks.items():
        yield Attempt(f"tar: {kind}", lambda home, parts=parts: raw_tar(home / "a", files, *parts))
    yield Attempt("tar: no end", lambda home: raw_tar(home / "a", files, end=False))
    for mode in modes:
        whole = _packing(functools.partial(tar_of, mode=mode), files)
        for part in (0.2, 0.4):
            yield Attempt(
                f"tar {mode}: {part} of it", lambda home, whole=whole, part=part: _cut(whole(home), part)
            )
    twice = _packing(tar_of, files)
    yield Attempt("tar: packed twice", lambda home: _file(home, gzip.compress(twice(home).read_bytes())))
    yield Attempt("gz: no tar", lambda home: _file(home, gzip.compress(b"a letter" * 999)))
    yield Attempt("tar.gz: checksum", lambda home: _flipped(twice(home), -6))


def _pax(*facts: bytes) -> bytes:
    body = b"".join(f"{len(fact) + 4:02d} ".encode() + fact + b"\n" for fact in facts)
    return header("x", len(body), b"x") + body.ljust(512, b"\0")


def _bombs(box: _Sandbox, size: Size) -> Iterator[Attempt]:
    """Archives that give far more than they are, whatever they announce."""
    files, much = box.files, bytes(80 * _MIB)
    yield Attempt(
        "overlapping zip", lambda home: made.overlapping_zip(home / "a", files, copies=300, kernel=_MIB // 4)
    )
    yield Attempt(
        "tar: endless name", lambda home: raw_tar(home / "a", files, header("L", len(much), b"L"), much)
    )
    yield Attempt("tar: bomb after its end", lambda home: raw_tar(home / "a", files, bytes(1024), much))
    if size == "quick":
        return
    yield Attempt("zip bomb", _packing(zip_of, files, ("zeros", bytes(300 * _MIB))))
    yield Attempt("list of a zip", lambda home: _many_members(home / "a", files, MEMBERS + 1))
    yield Attempt(
        "zip announcing a terabyte",
        lambda home: _announcing(zip_of(home / "a", *files.items(), ("z", much)), "z", 1 << 31),
    )

    def plain(home: Path) -> bytes:
        return gzip.decompress(raw_tar(home / "p", files, header("z", len(much)), much).read_bytes())

    for kind, squeeze in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        yield Attempt(f"tar.{kind} bomb", lambda home, squeeze=squeeze: _file(home, squeeze(plain(home))))
    yield Attempt(
        "tar: endless pax header", lambda home: raw_tar(home / "a", files, header("x", len(much), b"x"), much)
    )
    yield Attempt(
        "tar: endless list of holes", lambda home: raw_tar(home / "a", files, _holes(), b"0\n" * (20 * _MIB))
    )
    folders = header("d/", 0, b"5") * 50_000
    yield Attempt(
        "tar of folders",
        lambda home: raw_tar(home / "a", files, *[folders] * (MEMBERS // 50_000), folders[:512]),
    )


def _holes() -> bytes:
    facts = (b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.realsize=9")
    return _pax(*facts) + header("holes", 40 * _MIB) + b"20000000\n".ljust(512, b"1")


# -- records that lie ----------------------------------------------------------------------------------------

NAN, INFINITE = float("nan"), float("inf")
_LETTERS = "a" * 64
_BLOBS = (None, 5, [], "x", {})
_VALUES: dict[str, tuple[Any, ...]] = {
    "schema": (None, 5, "lightvessel-revision/2", "nnunet", []),
    "case": (None, 5, "../../../../canary/aaaaa", "a" * 24, []),
    "seq": (None, 0, 1.5, True, "1", 10**30, []),
    "parent": ("x", 5, [], {}, True, "../../canary"),
    "supersedes": ("x", 5, {}, [5], [[]], [None], ["../x"]),
    "status": (None, "fine", 5, [], {}, "accepted\n"),
    "annotator": (None, 5, [], {}, "jane@example.org", "x" * 65, "a\nb", "\x1b[2J"),
    "model_id": (5, [], {}, "/home/jane/model", "a" * 129),
    "proposal_sha256": (5, "x", [], {}),
    "effort": (5, [], "x", {"seconds": "x"}, {"strokes": [1]}, {"seconds": INFINITE}, {"seconds": NAN}),
    "patient_key": (5, "x", "P1", [], {}, "a" * 63, "A" * 64, "Doe^Jane"),
    "frame_index": ("x", -1, 1.5, [], True, NAN),
    "projection": (None, 5, [], "x", {"primary_deg": "x"}, {"primary_deg": []}, {"secondary_deg": NAN}),
    "calibration": (None, 5, [], {"status": "exact"}, {"status": []}, {"row_mm": "x"}, {"row_mm": INFINITE}),
    "grey": (5, [], "x", {"low": "x"}, {"inverted": 1}, {"padding": [1]}, {"padding": "xx"}, {"slope": None}),
    "vessels_bright": (None, 5, "x", []),
    "created_utc": (None, 5, [], {}),
    "image": _BLOBS,
    "mask": _BLOBS,
    "image.file": ("../../x", "/etc/passwd", "..\\x", "image-x.png", "", 5, None, []),
    "mask.file": ("../../../../../canary/secret.png", "C:\\x", "mask-0.png"),
    "image.sha256": (f"../../../../../{_LETTERS[15:]}", "A" * 64, _LETTERS, "", 5, None, []),
    "image.shape": (
        *([100_000, 100_000], [0, 0], [-1, 5], [15, 15], [4097, 16], [SIZE], [SIZE, SIZE, 1]),
        *("24x24", 5, None, [24.0, 24.0], [True, 24], [INFINITE, 5], [NAN, NAN]),
    ),
    "image.dtype": ("object", "O", "uint8,uint8", "S8", "complex64", "float128", 5, None, []),
    "image.offset": ("x", [], INFINITE, 1 << 70),
    "image.scale": ("x", [], NAN),
    "image.lossless": ("x", 5, None),
    "image.bytes": ("x", -1, []),
    "mask.dtype": ("uint16", "object"),
    "mask.shape": ([100_000, 100_000], [SIZE, SIZE + 1]),
    "mask.pixels_sha256": (None, "x", _LETTERS, 5),
}


def _bad_records(box: _Sandbox) -> Iterator[Attempt]:
    """One record each that holds what no writer of ours writes, sealed as if it did; its neighbours are sound."""
    for where, values in _VALUES.items():
        for value in values:
            files = made.resealed(box.files, box.target, functools.partial(_put, where=where, value=value))
            yield Attempt(f"{where} = {value!r:.40}", _packing(zip_of, files), box.but_target)
        missing = where not in ("supersedes", "effort", "grey", "vessels_bright", "annotator", "model_id")
        if (
            missing
            and where not in ("proposal_sha256", "frame_index", "projection", "calibration")
            and "." not in where
        ):
            files = made.resealed(box.files, box.target, functools.partial(_drop, where=where))
            yield Attempt(f"no {where}", _packing(zip_of, files), box.but_target)


def _put(record: dict[str, Any], where: str, value: Any) -> None:
    outer, _, inner = where.rpartition(".")
    (record[outer] if outer else record)[inner] = value


def _drop(record: dict[str, Any], where: str) -> None:
    record.pop(where)


def _bad_blobs(box: _Sandbox) -> Iterator[Attempt]:
    """Images and masks that are not what their record says."""
    files, target, sound = box.files, box.target, box.but_target
    shape = [SIZE, SIZE]
    side = 100_000
    blobs = {
        "PNG of 100,000x100,000": ("image", made.png(side, side, b"x" * 99), {"shape": [side, side]}),
        "PNG of 100,000x100,000, recorded as small": (
            "image",
            made.png(side, side, b"x" * 99),
            {"shape": shape},
        ),
        "PNG of 4,096x4,096 without its pixels": (
            "image",
            made.png(4096, 4096, b"x"),
            {"shape": [4096, 4096]},
        ),
        "PNG that goes on for 20 MB": ("image", made.png(SIZE, SIZE, bytes(20 * _MIB)), {"shape": shape}),
        "PNG cut off": ("image", made.png(SIZE, SIZE, bytes(600))[:60], {"shape": shape}),
        "no PNG": ("image", b"GIF89a" * 99, {"shape": shape}),
        "other pixels": ("image", made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)), {"shape": shape}),
        "other pixels, as if in steps": (
            "image",
            made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)),
            {"lossless": False},
        ),
        "mask of 7": ("mask", made.png(SIZE, SIZE, bytes([0] + [7] * SIZE) * SIZE), {}),
        "mask of other pixels": ("mask", made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)), {}),
        "mask of another size": ("mask", made.png(SIZE, SIZE + 1, bytes((SIZE + 2) * SIZE)), {}),
    }
    for kind, (which, data, facts) in blobs.items():
        changed = made.with_blob(files, target, which, data, **facts)
        yield Attempt(kind, _packing(zip_of, changed), sound)
    folder = target.rpartition("/")[0]
    image = next(name for name in files if name.startswith(f"{folder}/image-"))
    yield Attempt("image missing", _packing(zip_of, {k: v for k, v in files.items() if k != image}), sound)
    yield Attempt("image changed", _packing(zip_of, {**files, image: files[image][:-20] + bytes(20)}), sound)
    yield Attempt("case of another", _packing(zip_of, _moved(files, target, "ab" * 12)), sound)


def _bad_json(box: _Sandbox) -> Iterator[Attempt]:
    """JSON that is none, and heads of a dataset that lie."""
    files, target, sound = box.files, box.target, box.but_target
    record = json.loads(files[target])
    for name, data in _no_records(record):
        # The last one is refused for what it unpacks to, with all that lies beside it.
        beside = frozenset() if name.startswith("100 MB") else sound
        yield Attempt(f"record: {name}", _replacing(files, target, data), beside)
    yield Attempt("parents in a circle", _packing(zip_of, _in_a_circle(files, target)), sound)
    head = next(name for name in files if name.endswith("dataset.json"))
    facts = json.loads(files[head])
    for name, data in _no_records(facts):
        yield Attempt(f"dataset.json: {name}", _replacing(files, head, data))
    lies: dict[str, tuple[Any, ...]] = {
        "site_key_fingerprint": (None, 5, [], "x", "0" * 15, {}, "\x1b[2J" + "0" * 12),
        "labels": (None, {"0": "vessel", "1": "background"}, [], 5),
        "schema": (None, 5, "lightvessel-dataset/2", "lightvessel-revision/1", []),
    }
    for key, values in lies.items():
        for value in values:
            lying = made.resealed_head(files, functools.partial(_put, where=key, value=value))
            yield Attempt(f"dataset.json: {key} = {value!r:.30}", _packing(zip_of, lying))
    other = made.resealed_head(files, functools.partial(_put, where="site_key_fingerprint", value="0" * 16))
    yield Attempt("another site key", _packing(zip_of, other))


def _replacing(files: Files, name: str, make: Callable[[], bytes]) -> Callable[[Path], Path]:
    return lambda home: zip_of(home / "archive", *(files | {name: make()}).items())


def _no_records(record: dict[str, Any]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    text = json.dumps(record).encode()
    yield "changed after it was sealed", lambda: json.dumps(record | {"tool_version": "0"}).encode()
    yield "not closed", lambda: text[:-1]
    yield "no text", lambda: os.urandom(900)
    yield "nothing", bytes
    yield "a list", lambda: b"[" + text + b"]"
    yield "nested 400,000 deep", lambda: b"[" * 400_000
    yield "nested 900 deep", lambda: text[:-1] + b', "x": ' + b"[" * 900 + b"]" * 900 + b"}"
    yield "a number too long", lambda: text[:-1] + b', "x": ' + b"9" * 9000 + b"}"
    yield "not a number", lambda: text[:-1] + b', "x": NaN}'
    yield "infinite", lambda: text[:-1] + b', "x": 1e999}'
    yield "50 MB deep", lambda: b'{"a":' * (10 * _MIB)
    yield "50 MB of nothing", lambda: b"[" + b"{}," * (17 * _MIB) + b"{}]"
    yield "100 MB deep", lambda: b"[" * (100 * _MIB)


def _in_a_circle(files: Files, target: str) -> Files:
    folder, record = target.rpartition("/")[0], json.loads(files[target])
    rest = {name: data for name, data in files.items() if name != target}
    for sha, parent, seq in (("a" * 64, "b" * 64, 1), ("b" * 64, "a" * 64, 2)):
        one = record | {"self_sha256": sha, "parent": parent, "seq": seq}
        rest[f"{folder}/r{seq:04d}-{sha[:16]}.json"] = json.dumps(one).encode()
    return rest


def _moved(files: Files, target: str, case: str) -> Files:
    """A whole case under another name, sealed again."""
    changed = made.resealed(files, target, functools.partial(_put, where="case", value=case))
    old = target.split("/")[-2]
    return {name.replace(f"{old[:2]}/{old}", f"{case[:2]}/{case}"): data for name, data in changed.items()}


def _bad_folders(box: _Sandbox) -> Iterator[Attempt]:
    """Plain folders: what no archive may hold can lie there."""
    folder = box.target.rpartition("/")[0]
    image = next(name for name in box.files if name.startswith(f"{folder}/image-"))
    head = next(name for name in box.files if name.endswith("dataset.json"))

    def planted(path: str, plant: Callable[[Path], object]) -> Callable[[Path], Path]:
        def build(home: Path) -> Path:
            made.write(home, box.files)
            place = home / path
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            plant(place)
            return home / "w"

        return build

    def link(place: Path) -> None:
        place.symlink_to(box.canary / "secret.png")

    for name in (image, box.target):
        for kind, plant in (("link", link), ("pipe", os.mkfifo), ("folder", Path.mkdir)):
            yield Attempt(f"{Path(name).suffix} is a {kind}", planted(name, plant), box.but_target)
    away = functools.partial(_link_to_copy, box)
    yield Attempt("case is a link", planted(folder, away), box.but_target)
    yield Attempt("dataset.json is a link", planted(head, link))
    yield Attempt("dataset.json is a pipe", planted(head, os.mkfifo))
    yield Attempt("nothing in it", lambda home: home)


def _link_to_copy(box: _Sandbox, place: Path) -> None:
    """A link to the very case, lying elsewhere: what it shows is sound, but nobody gave it."""
    elsewhere = made.write(place.parents[4] / "elsewhere", box.files)
    place.symlink_to(next(elsewhere.rglob(place.name)))


# -- datasets of other programs ------------------------------------------------------------------------------


def _bad_others() -> Iterator[Attempt]:
    """COCO and nnU-Net whose one annotation or label means nothing."""
    picture = made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE))
    sound = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    huge = 10**400
    segmentations: tuple[Any, ...] = (
        *(None, 5, "x", [], [None], [[1, 2]], [[1, 2, 3]], [["a"] * 6], [[NAN] * 6], [[huge] * 6], [[[]]]),
        *({}, {"counts": "abc", "size": [SIZE, SIZE]}, {"counts": [huge], "size": [SIZE, SIZE]}),
        *(
            {"counts": [1 << 62] * 4 + [SIZE * SIZE], "size": [SIZE, SIZE]},
            {"counts": [-1], "size": [SIZE, SIZE]},
        ),
        *(
            {"counts": [[1]], "size": [SIZE, SIZE]},
            {"counts": [1], "size": [INFINITE, 1]},
            {"counts": [1], "size": 5},
        ),
    )
    for value in segmentations:
        yield Attempt(
            f"segmentation {value!r:.40}", _coco(picture, annotations=[sound | {"segmentation": value}])
        )
    for key, values in {
        "image_id": (None, "x", INFINITE, [], {}),
        "category_id": ([], {}),
    }.items():
        for value in values:
            yield Attempt(f"annotation {key} = {value!r}", _coco(picture, annotations=[sound | {key: value}]))
    image = {"id": 1, "file_name": "a.png", "height": SIZE, "width": SIZE}
    for key, values in {
        "id": (None, INFINITE, []),
        "file_name": ("../../canary/secret.png", "/etc/passwd", None, 5),
        "height": (None, -1, 0, 1 << 40, INFINITE, "x", 100_000),
    }.items():
        for value in values:
            yield Attempt(
                f"image {key} = {value!r}", _coco(picture, images=[image | {key: value}], annotations=[sound])
            )
    for key, value in (
        ("images", 5),
        ("annotations", [5]),
        ("categories", [{"id": INFINITE, "name": "ignore"}]),
        ("categories", 5),
    ):
        yield Attempt(f"coco {key} = {value!r}", _coco(picture, **{"annotations": [sound], key: value}))
    for text in (b"[" * 400_000, b"{}", b"[]", b"NaN", b"\xff\xfe", b""):
        yield Attempt(
            f"coco {text[:9]!r}", _packing(zip_of, {"images/a.png": picture, "annotations/a.json": text})
        )
    for labels in (None, 5, [], {"a": [0, 1]}, {"a": None}, {"a": INFINITE}, {"a": "x"}):
        yield Attempt(f"nnU-Net labels {labels!r}", _nnunet(picture, labels=labels))
    for ending in (None, 5, "", ".nii.gz", "/../x"):
        yield Attempt(f"nnU-Net ending {ending!r}", _nnunet(picture, file_ending=ending))
    for name, image_bytes in (
        ("bomb", made.png(30_000, 30_000, b"x" * 99)),
        ("text", b"x" * 99),
        ("nothing", b""),
    ):
        yield Attempt(
            f"images: {name}", _packing(zip_of, {"images/a.png": image_bytes, "masks/a.png": picture})
        )
        yield Attempt(
            f"masks: {name}", _packing(zip_of, {"images/a.png": picture, "masks/a.png": image_bytes})
        )


def _coco(picture: bytes, **parts: Any) -> Callable[[Path], Path]:
    record = {
        "images": [{"id": 1, "file_name": "a.png", "height": SIZE, "width": SIZE}],
        "categories": [{"id": 1, "name": "vessel"}],
        **parts,
    }
    return _packing(zip_of, {"images/a.png": picture, "annotations/a.json": json.dumps(record).encode()})


def _nnunet(picture: bytes, **parts: Any) -> Callable[[Path], Path]:
    record = {"labels": {"background": 0, "vessel": 2}, "file_ending": ".png", **parts}
    label = made.png(SIZE, SIZE, bytes([0] + [3] * SIZE) * SIZE)
    files = {
        "imagesTr/a_0000.png": picture,
        "labelsTr/a.png": label,
        "dataset.json": json.dumps(record).encode(),
    }
    return _packing(zip_of, files)


# -- damage to whole archives --------------------------------------------------------------------------------


def _file(home: Path, data: bytes) -> Path:
    path = home / "archive.bin"
    path.write_bytes(data)
    return path


def _cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def _flipped(path: Path, at: int) -> Path:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)
    return path


def _renamed_in_list(path: Path) -> Path:
    """The list of a ZIP names its last member otherwise than the member itself."""
    data = bytearray(path.read_bytes())
    at = data.rfind(b"mark")
    data[at : at + 4] = b"spot"
    path.write_bytes(data)
    return path


def _announcing(path: Path, name: str, size: int) -> Path:
    """The list of a ZIP says that its last member is so long."""
    data = bytearray(path.read_bytes())
    at = data.rfind(name.encode(), 0, len(data) - 22) - 46
    data[at + 24 : at + 28] = min(size, (1 << 32) - 2).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def _many_members(path: Path, files: Files, count: int) -> Path:
    return zip_of(
        path, *files.items(), *((f"m{number}", b"") for number in range(count)), packed=zipfile.ZIP_STORED
    )


# -- cut short -----------------------------------------------------------------------------------------------


def _interrupted(box: _Sandbox, count: int) -> int:
    """Ctrl-C at every step of unpacking in turn; how many folders it left."""
    source = _packing(zip_of, box.files)(box.inbox)
    left = 0
    true_write = archives._write
    for step in range(count):
        calls = iter(range(10_000))

        def write(*arguments: Any, step: int = step, calls: Iterator[int] = calls) -> None:
            true_write(*arguments)
            if next(calls) == step % len(box.files):
                raise KeyboardInterrupt

        with mock.patch.object(archives, "_write", write):
            code, saved = box.imported(source)
        left += len(list(box.temp.iterdir())) + (code != 130) + bool(saved)
    return left


def _killed(box: _Sandbox) -> int:
    """kill -9 in the middle: the next import, an hour later, puts away what it left."""
    source = _packing(zip_of, box.files)(box.inbox)
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with archives.unpacked(source):
                os.write(tell, b"x")
                time.sleep(60)
        finally:
            os._exit(1)
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    before = list(box.temp.iterdir())
    for path in before:
        os.utime(path, (time.time() - 4_000,) * 2)
    box.imported(source)
    return len(list(box.temp.iterdir())) + (not before)


# -- bugs ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _dots_allowed() -> Iterator[None]:
    """A name check that does not know what .. does."""
    true_problem = archives.problem_of

    def problem(name: str) -> str | None:
        return None if ".." in name.split("/") else true_problem(name)

    with mock.patch.object(archives, "problem_of", problem):
        yield


@contextlib.contextmanager
def _links_followed() -> Iterator[None]:
    """Links are made as the archive has them, and written through."""
    true_check, true_write = archives._check, archives._write

    def check(archive: Path, member: Any, taken: Any) -> None:
        if member.odd != "is a symbolic link" and not member.name.startswith("link/"):
            true_check(archive, member, taken)

    def write(place: Path, member: Any, budget: Any) -> None:
        if member.odd:
            place.symlink_to(b"".join(member.chunks()).decode() or "nowhere")
        else:
            true_write(place, member, budget)

    with mock.patch.multiple(archives, _check=check, _write=write):
        yield


@contextlib.contextmanager
def _headers_believed() -> Iterator[None]:
    """A budget that adds up what the headers announce, and does not look at what comes out."""
    with mock.patch.object(Budget, "came_out"):
        yield


@contextlib.contextmanager
def _records_believed() -> Iterator[None]:
    """Records whose seal holds are taken as they are."""
    with mock.patch.object(record_module, "value_problems", return_value=()):
        yield


@contextlib.contextmanager
def _folder_kept() -> Iterator[None]:
    """What was unpacked is not cleared up."""

    class ForGood:
        def __init__(self, prefix: str, **options: Any) -> None:
            self.name = tempfile.mkdtemp(prefix=prefix)

        def cleanup(self) -> None:
            pass

    with mock.patch.object(archives.tempfile, "TemporaryDirectory", ForGood):
        yield


PART = Part(
    run,
    {
        "a name check that misses ..": _dots_allowed,
        "links that are followed": _links_followed,
        "a budget that believes the header": _headers_believed,
        "records that are believed": _records_believed,
        "a folder that stays": _folder_kept,
    },
)
