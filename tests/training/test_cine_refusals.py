"""Everything that is not an angiogram is refused with the file, the reason and the cure in one line."""

from __future__ import annotations

from pathlib import Path

import cine_files as files
import numpy as np
import pytest
import tifffile
from played_decoders import patiently
from pydicom.uid import UID
from refused_files import NAMES, REFUSALS, is_as_promised, line_for, relabelled, streams

from src_training.cine import deflated, read_cine
from src_training.cine.formats import open_file
from src_training.errors import UnreadableCine

FRAMES = files.grey(frames=4)


@pytest.fixture(scope="module")
def patience():
    with patiently():
        yield


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("what", REFUSALS)
def test_refused_in_exactly_this_line(tmp_path, what):
    line = line_for(what, tmp_path / "thing.dcm")
    assert is_as_promised(what, tmp_path / "thing.dcm", line), line


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_file_opens_whatever_its_name(tmp_path, name):
    cine = read_cine(files.write_dicom(tmp_path / name, FRAMES))
    assert cine.name == name
    np.testing.assert_array_equal(cine.frame(3), FRAMES[3])


def test_imagej_hyperstacks_of_several_channels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((3, 2, 32, 32), np.uint16), imagej=True)
    with pytest.raises(UnreadableCine, match="a cine has time, rows and columns"):
        read_cine(tmp_path / "x.tif")


def test_a_deflated_file_is_measured_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(deflated, "DECODED_BYTES", 10_000)
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.DEFLATED)
    with pytest.raises(UnreadableCine, match=r"x.dcm: inflates to more than 1 GiB"):
        open_file(path)
    monkeypatch.setattr(deflated, "DECODED_BYTES", 20_000)
    assert len(open_file(path)) == len(FRAMES)


def test_lying_sizes_are_refused_before_the_decoder_runs(tmp_path, monkeypatch):
    from src_training.cine import codecs

    monkeypatch.setattr(codecs, "_DECODERS", {})
    streams(shape=(96, 64))(tmp_path / "x.dcm")
    with pytest.raises(UnreadableCine, match="the compressed frame is 96x64x1"):
        open_file(tmp_path / "x.dcm").frame(0)


def test_unsupported_kinds_name_the_supported_ones(tmp_path):
    (tmp_path / "notes.txt").write_text("hello, this is a text")
    with pytest.raises(
        UnreadableCine, match="DICOM, TIFF, PNG, JPEG, JPEG 2000, WebP, GIF, BMP, NPY and videos"
    ):
        read_cine(tmp_path / "notes.txt")


def test_a_decoder_that_raises_beyond_exception_is_still_one_line(tmp_path, monkeypatch):
    from src_training.cine import codecs

    class Panic(BaseException):
        pass

    def panic(data):
        raise Panic("at the\ndisco")

    monkeypatch.setitem(codecs._DECODERS, "jpegls", panic)
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.JPEGLS)
    with pytest.raises(UnreadableCine, match=r"frame 1 of 4: decoding failed \(Panic: at the disco\)"):
        open_file(path).frame(1)


def test_a_wish_to_stop_is_not_swallowed(tmp_path, monkeypatch):
    from src_training.cine import codecs

    def stop(data):
        raise KeyboardInterrupt

    monkeypatch.setitem(codecs._DECODERS, "jpegls", stop)
    path = files.write_dicom(tmp_path / "x.dcm", FRAMES, files.JPEGLS)
    with pytest.raises(KeyboardInterrupt):
        open_file(path).frame(1)


def test_the_name_of_the_syntax_is_in_the_line(tmp_path):
    relabelled(files.HTJ2K, files.MPEG4)(tmp_path / "x.dcm")
    with pytest.raises(UnreadableCine, match="MPEG-4"):
        read_cine(tmp_path / "x.dcm")
    assert "MPEG-4" in UID(files.MPEG4).name


def test_a_nifti_in_gzip_is_named_and_its_cure_is_no_dead_end():
    path = Path(__file__).parents[1] / "fixtures" / "field" / "lines-that-mislead" / "x.nii.gz"
    with pytest.raises(
        UnreadableCine, match=r"x\.nii\.gz: gzipped NIfTI, which is read as a mask only"
    ) as told:
        read_cine(path)
    assert "Unpack" not in str(told.value)
