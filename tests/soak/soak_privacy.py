"""Personal data planted in every text tag, private tag, overlay, picture comment, file and folder name: none of it
is in anything that is written, logged or exported."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import cine_files as files
import numpy as np
import pydicom
import tifffile
from durable_disks import RefusingDisk
from model_folders import SLIGHT_TUNING, go_live_with_tiny
from PIL import Image, PngImagePlugin
from pydicom.dataelem import DataElement
from soak_table import Figure, Part, Size, none_of

from src_training import Workspace, durable
from src_training.cli import main
from src_training.exchange import FORMATS, dicom_seg

_TEXT_TAGS = """
    PatientName PatientID OtherPatientIDs IssuerOfPatientID PatientAddress PatientComments
    PatientBirthName PatientMotherBirthName PatientTelephoneNumbers MedicalRecordLocator
    AdditionalPatientHistory Occupation InstitutionName InstitutionAddress
    InstitutionalDepartmentName ReferringPhysicianName OperatorsName PerformingPhysicianName
    NameOfPhysiciansReadingStudy RequestingPhysician StudyDescription SeriesDescription
    ProtocolName StudyID AccessionNumber ImageComments StationName DeviceSerialNumber AdmissionID
    RequestedProcedureDescription DerivationDescription
"""
_UID_TAGS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_ROWS = 64
_SOURCES = f"sources{os.sep}"  # the user's own note of which file and which typed patient a case is
_SEG_NEEDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")  # a reference is made of them


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Two journeys on files full of names, through all that writes; after each, every byte is searched."""
    planted = Planted(folder / "given")
    _save_and_export(planted, folder)
    yield _occurrences("datasets and exports", planted, folder)
    if size == "quick":
        go_live_with_tiny(Workspace.open(planted.workspace), folder / "staged")
    _learn_and_promote(planted, folder)
    yield _occurrences("a training and its model, too", planted, folder)


def _occurrences(what: str, planted: Planted, folder: Path) -> Figure:
    searched, found = 0, []
    for written in (planted.workspace, *(folder / name for name in ("exports", "config", "cache"))):
        for name, data in _everything_in(written):
            searched += 1
            allowed = {planted.words[tag] for tag in _SEG_NEEDS} if name.endswith(".seg.dcm") else set()
            if written == folder / "config" and name.startswith(_SOURCES):
                allowed = planted.sources()
            words = [(place, word) for place, word in planted.words.items() if word not in allowed]
            found += [f"the {place} in {name}" for place, word in words if word in data]
    promise = f"{what}: occurrences of {len(planted.words)} planted strings in {searched:,} files"
    return none_of("; ".join([promise, *found[:3]]), len(found), len(planted.words))


class Planted:
    """Files that name a person wherever a file can, each place with a word of its own."""

    def __init__(self, folder: Path) -> None:
        self.words: dict[str, bytes] = {}
        self.folder = folder / self._word("folder name")
        self.folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        self.frames = rng.integers(0, 4096, (3, _ROWS, _ROWS)).astype(np.uint16)
        self.dicom = self._dicom(self.folder / f"{self._word('DICOM file name')}.dcm")
        self.images = self._images(self.folder / self._word("image folder"))
        self.masks = self._masks(self.folder / self._word("mask folder"))
        self.workspace = folder.parent / self._word("folder of the workspace") / "workspace"
        self.by_hand = self._word("patient by hand")
        self.patients = self._table(self.folder / f"{self._word('table name')}.csv")

    def sources(self) -> set[bytes]:
        """The names of files, and the patients that somebody typed: nothing that stands inside a file."""
        typed = [f"patient {stem}" for stem in self.stems] + ["patient by hand", "DICOM file name"]
        return {self.words[place] for place in typed} | {stem.encode() for stem in self.stems}

    def _word(self, place: str) -> str:
        word = f"lvname{len(self.words):02d}q"
        self.words[place] = word.encode()
        return word

    def _uid(self, place: str) -> str:
        uid = f"1.2.826.0.1.3680043.9.{77001001 + len(self.words)}"
        self.words[place] = uid.encode()
        return uid

    def _dicom(self, path: Path) -> Path:
        tags = {tag: self._word(tag) for tag in _TEXT_TAGS.split()} | {
            tag: self._uid(tag) for tag in _UID_TAGS
        }
        files.write_dicom(path, self.frames, bits=12, FrameTime=66.0, **tags)
        found = pydicom.dcmread(path)
        block = found.private_block(0x0029, self._word("private creator"), create=True)
        block.add_new(0x10, "LO", self._word("private text"))
        block.add_new(0x11, "UN", self._word("private bytes").encode())
        found.add(DataElement(0x60000022, "LO", self._word("overlay description")))
        found.add(DataElement(0x60001500, "LO", self._word("overlay label")))
        found.add(DataElement(0x60003000, "OW", self._word("overlay data").encode().ljust(_ROWS * 8, b"\0")))
        nested = pydicom.Dataset()
        nested.ScheduledProcedureStepDescription = self._word("nested text")
        found.RequestAttributesSequence = [nested]
        found.save_as(path)
        return path

    def _images(self, folder: Path) -> Path:
        folder.mkdir()
        self.stems = [self._word(f"image name {n}") for n in range(3)]
        comment = PngImagePlugin.PngInfo()
        comment.add_text("Comment", self._word("PNG comment"))
        grey = (self.frames >> 4).astype(np.uint8)
        Image.fromarray(grey[0]).save(folder / f"{self.stems[0]}.png", pnginfo=comment)
        tifffile.imwrite(folder / f"{self.stems[1]}.tif", grey[1], description=self._word("TIFF description"))
        exif = Image.Exif()
        exif[0x010E] = self._word("EXIF description")
        Image.fromarray(grey[2]).save(
            folder / f"{self.stems[2]}.jpg", exif=exif, comment=self._word("JPEG comment")
        )
        return folder

    def _masks(self, folder: Path) -> Path:
        folder.mkdir()
        for stem in self.stems:
            Image.fromarray(np.eye(_ROWS, dtype=np.uint8) * 255).save(folder / f"{stem}_mask.png")
        return folder

    def _table(self, path: Path) -> Path:
        rows = [f"{stem},{self._word(f'patient {stem}')}" for stem in self.stems]
        path.write_text("\n".join(["image,patient", *rows]) + "\n", encoding="utf-8")
        return path


def _save_and_export(planted: Planted, folder: Path) -> None:
    """Append, import, be refused, wait in the outbox, verify, export."""
    place, mask = str(planted.workspace), next(planted.masks.iterdir())
    with _surroundings(folder):
        _must(["dataset", "init", place])
        pair = ["--image", str(planted.dicom), "--mask", str(mask), "--accept-implausible"]
        for t in range(2):
            _must(["dataset", "append", place, *pair, "--frame", str(t)])
        _must(["dataset", "append", place, *pair, "--frame", "2", "--patient", planted.by_hand])
        folders = ["--images", str(planted.images), "--masks", str(planted.masks), "--accept-implausible"]
        _must(["dataset", "import", place, *folders, "--patients", str(planted.patients)])
        with mock.patch.object(durable, "disk", RefusingDisk(Path(place), 28)):
            main(["dataset", "append", place, *pair, "--frame", "0", "--status", "uncertain"])
        _must(["dataset", "publish", place])
        for form in FORMATS:
            _must(["dataset", "export", place, "--format", form, "-o", str(folder / "exports" / form)])
        seg = ["--format", "dicom-seg", "--source", str(planted.dicom), "-o", str(folder / "exports" / "seg")]
        _must(["dataset", "export", place, *seg])
        _must(["dataset", "verify", place, "--deep"])


def _learn_and_promote(planted: Planted, folder: Path) -> None:
    place = str(planted.workspace)
    with _surroundings(folder) as out:
        tuning = [word for name, value in SLIGHT_TUNING.items() for word in ("--set", f"{name}={value}")]
        _must(["finetune", place, *tuning, "--json"])
        model = json.loads(out.getvalue().splitlines()[-1])["model_id"]
        _must(["models", "promote", place, model, "--override", "to see what is written"])


@contextlib.contextmanager
def _surroundings(folder: Path) -> Iterator[io.StringIO]:
    """The user's own folders below ``folder``; what is said on the screen, which may name a file."""
    own = {"LIGHTVESSEL_CONFIG_DIR": str(folder / "config"), "LIGHTVESSEL_CACHE_DIR": str(folder / "cache")}
    with mock.patch.dict(os.environ, own), contextlib.redirect_stdout(io.StringIO()) as out:
        yield out


def _must(arguments: list[str]) -> None:
    code = main(arguments)
    if code:
        raise RuntimeError(f"{arguments[:2]} ended with {code}")


def _everything_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file's path below ``folder``, and path and content in lower case."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        content = path.read_bytes() if path.is_file() else b""
        yield name, name.encode().lower() + b"\n" + content.lower()


@contextlib.contextmanager
def _named_after_its_source() -> Iterator[None]:
    """An export that is called like the file it came from."""
    real = dicom_seg.segmentation

    def segmentation(source: Path, masks: dict[int, np.ndarray]) -> pydicom.FileDataset:
        found = real(source, masks)
        found.SeriesDescription = source.stem
        return found

    with mock.patch.object(dicom_seg, "segmentation", segmentation):
        yield


PART = Part(run, {"an export named after its source": _named_after_its_source})
