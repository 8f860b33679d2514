"""Promises about masks of other programs: each is read to the pixel, and what is not read is named as what it is."""

from __future__ import annotations

import base64
import gzip
import json
import sys
from pathlib import Path
from unittest import mock

import imagecodecs
import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from field_files import SIZE, drawn, field, saved, stripes, write_nnunet
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from src_training import Workspace, decoding
from src_training.cli import main
from src_training.dataset import mask_volumes
from src_training.errors import BadMask, DatasetError
from src_training.exchange import cvat
from src_training.exchange.classes import Classes
from src_training.exchange.frames import ExportFrame
from src_training.exchange.labelme import LabelmeMask, write_labelme
from src_training.exchange.mask_sources import Reading
from src_training.exchange.nifti import write_nifti
from src_training.exchange.volumes import VolumeMask
from src_training.exchange.yolo import YoloMask, class_names, write_yolo

FIELD = "masks-of-other-programs"
ONE = (1, *SIZE)


def imported(tmp_path: Path, *arguments: str) -> tuple[int, list[np.ndarray]]:
    """The exit code, and the masks that are in a new workspace afterwards."""
    made = Workspace.create(tmp_path / "ws")
    code = main(["dataset", "import", str(made.path), *arguments])
    return code, list(saved(made).values())


def two_folders(tmp_path: Path, masks: dict[str, bytes | str]) -> list[str]:
    """A picture a.png and these files as its masks; the arguments that import both."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    (tmp_path / "images" / "a.png").write_bytes(imagecodecs.png_encode(drawn(stripes(2))))
    for name, content in masks.items():
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / "masks" / name).write_bytes(data)
    return ["--images", str(tmp_path / "images"), "--masks", str(tmp_path / "masks")]


# -- NIfTI, NRRD, MetaImage ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "kind"), [("nii", "a1.nii.gz"), ("mha", "a1.mha")])
def test_the_field_files_in_volumes_lie_on_their_vessels(tmp_path, row, kind):
    folder = field(FIELD) / row
    code, (mask,) = imported(tmp_path, "--images", str(folder / "images"), "--masks", str(folder / "masks"))
    assert code == 0 and np.array_equal(mask == 1, np.load(field("classes-that-are-no-vessel") / "m1.npy"))


ENDINGS = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("slices", [0, 1], ids=["2-D", "one slice"])
def test_a_mask_that_itk_made_of_a_picture_is_equal_to_the_pixel(tmp_path, ending, slices):
    values = stripes()
    picture = SimpleITK.GetImageFromArray(values[None] if slices else values)
    SimpleITK.WriteImage(picture, str(tmp_path / f"a{ending}"))
    assert np.array_equal(VolumeMask(tmp_path / f"a{ending}").read(0, ONE), values)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_volume_of_a_cine_gives_each_frame_its_own_page(tmp_path, ending):
    pages = np.stack([np.roll(stripes(), t, axis=1) for t in range(5)])
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pages), str(tmp_path / f"a{ending}"))
    source = VolumeMask(tmp_path / f"a{ending}")
    assert all(np.array_equal(source.read(t, (5, *SIZE)), pages[t]) for t in range(5))
    with pytest.raises(BadMask, match="5 frames, but its cine has 6"):
        source.read(0, (6, *SIZE))


def test_what_nibabel_wrote_is_read_with_its_axes_x_y_t(tmp_path):
    pages = np.stack([np.roll(stripes(), t, axis=1) for t in range(3)])
    for affine in (np.eye(4), np.diag([-0.3, -0.3, 1.0, 1.0])):
        nibabel.save(nibabel.Nifti1Image(pages.T, affine), tmp_path / "a.nii.gz")
        assert np.array_equal(VolumeMask(tmp_path / "a.nii.gz").read(2, (3, *SIZE)), pages[2])
    four = pages.T[:, :, None, :]  # x, y, one slice, time
    nibabel.save(nibabel.Nifti1Image(four, np.eye(4)), tmp_path / "b.nii")
    assert np.array_equal(VolumeMask(tmp_path / "b.nii").read(1, (3, *SIZE)), pages[1])


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("stored", [np.uint8, np.int16, np.float32])
def test_values_that_nifti_rescales_are_whole_as_they_are_stored(tmp_path, ending, stored):
    image = nibabel.Nifti1Image(stripes().T.astype(stored), np.eye(4))
    data = bytearray(image.to_bytes())
    data[112:120] = np.array([255, 0], "<f4").tobytes()  # the factor and what is added
    data = gzip.compress(data) if ending.endswith("gz") else bytes(data)
    (tmp_path / f"c{ending}").write_bytes(data)
    assert np.array_equal(VolumeMask(tmp_path / f"c{ending}").read(0, ONE), stripes())


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_2_is_named_as_such(tmp_path, ending):
    nibabel.save(nibabel.Nifti2Image(stripes().T[..., None], np.eye(4)), tmp_path / f"c{ending}")
    with pytest.raises(BadMask, match="NIfTI-2, which is not read"):
        VolumeMask(tmp_path / f"c{ending}").read(0, ONE)


def slicer(path: Path, layers: list[np.ndarray], facts: dict[str, str]) -> Path:
    """A .seg.nrrd with one slice, as Slicer saves a segmentation: cut to what is drawn, layers where it overlaps."""
    values = np.stack([one[None] for one in layers], -1) if len(layers) > 1 else layers[0][None]
    image = SimpleITK.GetImageFromArray(values, isVector=len(layers) > 1)
    for key, value in facts.items():
        image.SetMetaData(key, value)
    SimpleITK.WriteImage(image, str(path))
    return path


def segment(number: int, name: str, value: int, layer: int = 0) -> dict[str, str]:
    return {
        f"Segment{number}_Name": name,
        f"Segment{number}_LabelValue": str(value),
        f"Segment{number}_Layer": str(layer),
    }


def test_slicers_segments_are_read_by_their_names_and_placed_where_they_were_cut(tmp_path):
    values = stripes(3)
    cut = values[6:25, 2:40]
    facts = segment(0, "catheter", 1) | segment(1, "LAD", 2) | segment(2, "background", 3)
    facts |= {"Segmentation_ReferenceImageExtentOffset": "2 6 0"}
    path = slicer(tmp_path / "a.seg.nrrd", [cut], facts)
    expected = np.array([0, 255, 1, 0], np.uint8)[values]
    assert np.array_equal(VolumeMask(path).read(0, ONE), expected)
    with pytest.raises(BadMask, match="reaches beyond its picture"):
        VolumeMask(path).read(0, (1, 20, 30))
    with pytest.raises(BadMask, match="cut out"):
        decoding.ask({"ask": "mask", "path": str(path), "frame": None, "of": None})


def test_a_segment_that_slicer_cut_to_one_frame_belongs_to_that_frame_of_the_cine(tmp_path):
    facts = segment(0, "vessel", 1) | {"Segmentation_ReferenceImageExtentOffset": "2 6 3"}
    source = VolumeMask(slicer(tmp_path / "a.seg.nrrd", [stripes()[6:25, 2:40]], facts), stacked=True)
    for t in range(5):
        assert np.array_equal(source.read(t, (5, *SIZE)), stripes() * (t == 3))


def test_slicers_overlapping_segments_lie_in_layers(tmp_path):
    first, second = (stripes() > 0).astype(np.uint8), np.zeros(SIZE, np.uint8)
    second[:12, :12] = 1
    facts = segment(0, "ignore", 1, layer=1) | segment(1, "vessel", 1, layer=0)
    path = slicer(tmp_path / "a.seg.nrrd", [first, second], facts)
    assert np.array_equal(
        VolumeMask(path).read(0, ONE), np.where(first, 1, np.where(second, 255, 0)).astype(np.uint8)
    )


def test_a_segment_of_an_unknown_name_is_asked_for(tmp_path):
    path = slicer(tmp_path / "a.seg.nrrd", [stripes(2)], segment(0, "rib", 1) | segment(1, "vessel", 2))
    with pytest.raises(BadMask, match=r"a\.seg\.nrrd: segments .*: rib\. Say .*--vessel-classes"):
        VolumeMask(path).read(0, ONE)
    mask = VolumeMask(path, classes=Classes({"rib": 0})).read(0, ONE)
    assert np.array_equal(mask, stripes(2) == 2)


def test_a_number_that_no_segment_has_is_refused(tmp_path):
    path = slicer(tmp_path / "a.seg.nrrd", [stripes(2)], segment(0, "vessel", 1))
    with pytest.raises(BadMask, match="numbers that none of its segments has"):
        VolumeMask(path).read(0, ONE)


def test_without_the_extra_the_kind_is_named_and_what_it_needs(tmp_path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(stripes()), str(tmp_path / "a1.nii.gz"))
    with (
        mock.patch.dict(sys.modules, {"SimpleITK": None}),
        pytest.raises(
            BadMask, match=r"^a1\.nii\.gz: NIfTI, needs napari-lightvessel\[formats\]\. Install it: pip"
        ),
    ):
        mask_volumes.read_volume(tmp_path / "a1.nii.gz")


def whole(ending: str, tmp_path: Path, pages: int = 1) -> bytes:
    path = tmp_path / f"whole{ending}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.stack([stripes()] * pages)), str(path))
    return path.read_bytes()


def nifti_header(rows: int, columns: int, pages: int) -> bytes:
    head = nibabel.Nifti1Header()
    head.set_data_shape((columns, rows, pages))
    head.set_data_dtype(np.uint8)
    head["vox_offset"], head["magic"] = 352, b"n+1"
    return head.binaryblock + b"\0" * 4


HOSTILE = {
    "cut.nii": (lambda tmp: whole(".nii", tmp)[:-200], "parts of it are missing"),
    "cut.nii.gz": (lambda tmp: whole(".nii.gz", tmp)[:-30], "parts of it are missing"),
    "packed too short.nii.gz": (
        lambda tmp: gzip.compress(whole(".nii", tmp)[:-200]),
        "parts of it are missing",
    ),
    "cut.nrrd": (lambda tmp: whole(".nrrd", tmp)[:-20], "cannot be read as NRRD"),
    "cut.mha": (lambda tmp: whole(".mha", tmp)[:-20], "cannot be read as MetaImage"),
    "nothing.nii": (lambda tmp: b"", "cannot be read as NIfTI"),
    "noise.nrrd": (lambda tmp: b"NRRD0004\n" + bytes(range(256)), "cannot be read as NRRD"),
    "noise.mha": (lambda tmp: b"ObjectType = Image\nNDims = x\n", "cannot be read as MetaImage"),
    "huge.nii": (lambda tmp: nifti_header(30_000, 30_000, 2000), "larger than any angiogram"),
    "huge.mha": (
        lambda tmp: (
            b"ObjectType = Image\nNDims = 3\nDimSize = 4000 4000 4000\nElementType = MET_UCHAR\n"
            b"ElementDataFile = LOCAL\n"
        ),
        "larger than any angiogram",
    ),
    "bomb.nii.gz": (
        lambda tmp: gzip.compress(nifti_header(8000, 8000, 30000) + b"\0" * (64 << 20)),
        "larger than any angiogram",
    ),
    "elsewhere.mhd": (
        lambda tmp: (
            b"ObjectType = Image\nNDims = 2\nDimSize = 8 8\nElementType = MET_UCHAR\n"
            b"ElementDataFile = /etc/passwd\n"
        ),
        "another folder",
    ),
    "elsewhere.nhdr": (
        lambda tmp: (
            b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 8 8\nencoding: raw\ndata file: ../x.raw\n\n"
        ),
        "another folder",
    ),
    "many.mhd": (
        lambda tmp: (
            b"ObjectType = Image\nNDims = 3\nDimSize = 8 8 2\nElementType = MET_UCHAR\n"
            b"ElementDataFile = LIST\na.raw\nb.raw\n"
        ),
        "several files",
    ),
    "complex.nii": (
        lambda tmp: nibabel_bytes(tmp, np.ones((8, 8, 1), np.complex64)),
        "cannot be read as NIfTI",
    ),
}


def nibabel_bytes(tmp_path: Path, values: np.ndarray) -> bytes:
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "made.nii")
    return (tmp_path / "made.nii").read_bytes()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_volume_is_one_line_that_names_it(tmp_path, name):
    make, reason = HOSTILE[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(make(tmp_path))
    with pytest.raises(BadMask) as refused:
        VolumeMask(tmp_path / "in" / name).read(0, ONE)
    line = str(refused.value)
    assert line.startswith(f"{name}: ") and reason in line and "\n" not in line and str(tmp_path) not in line


DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
@settings(max_examples=25, deadline=None)
@given(DAMAGE, st.floats(0, 1))
def test_a_damaged_volume_is_a_mask_or_one_line(tmp_path_factory, ending, damage, kept):
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(whole(ending, folder))
    for where, value in damage:  # half of it in the header
        data[int(where * min(300, len(data) - 1)) if value % 2 else int(where * (len(data) - 1))] = value
    path = folder / f"damaged{ending}"
    path.write_bytes(data[: int(len(data) * (0.2 + kept))])
    try:
        mask = VolumeMask(path).read(0, ONE)
    except BadMask as refused:
        line = str(refused)
        assert line.startswith(path.name) and "\n" not in line and str(folder) not in line
    else:
        assert mask.ndim == 2 and np.isin(mask, (0, 1, 255)).all()


# -- kinds that are not read ---------------------------------------------------------------------------------


JSON_OF = {
    "the JSON of VIA": '{"_via_settings": {}, "_via_img_metadata": {"a.png9": {"filename": "a.png", "regions": []}}}',
    "the JSON of VIA or makesense.ai": '{"a.png9": {"regions": [{"shape_attributes": {"name": "polygon"}}]}}',
    "the JSON of Supervisely": '{"size": {}, "objects": [{"classTitle": "vessel", "geometryType": "polygon"}]}',
    "the JSON of Label Studio": '[{"annotations": [{"result": [{"value": {"brushlabels": ["vessel"]}}]}]}]',
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mat", "MATLAB"), ("a.h5", "HDF5"), ("a.roi", "ImageJ"), ("a.hdr", "Analyze")]
    + [(name, kind) for name in ("a.json", "export.json") for kind in JSON_OF],
)
def test_a_kind_that_is_not_read_is_named_as_that_kind(tmp_path, capsys, name, kind):
    content = JSON_OF[kind].encode() if kind in JSON_OF else b"whatever"
    code, masks = imported(tmp_path, *two_folders(tmp_path, {name: content}))
    said = capsys.readouterr().err
    assert code == 2 and not masks
    assert f"{name}: " in said and kind in said and "which is not read as a mask. Save it as" in said
    assert "--coco" not in said, "evaluate and stress have no such option"


@pytest.mark.parametrize(("name", "code"), [("meta.json", 0), ("via_project.json", 0), ("a.json", 2)])
@pytest.mark.parametrize("kind", ["the JSON of VIA", "the JSON of Supervisely"])
def test_a_json_about_all_masks_is_a_remark_beside_them(tmp_path, capsys, name, code, kind):
    png = imagecodecs.png_encode(bar() * np.uint8(255))
    found, (mask,) = imported(tmp_path, *two_folders(tmp_path, {"a.png": png, name: JSON_OF[kind]}))
    assert (found, np.array_equal(mask, bar())) == (code, True)
    assert f"{name}: {kind}, which is not read as a mask" in capsys.readouterr().err


# -- labelme -------------------------------------------------------------------------------------------------


def labelme(shapes: list[dict], **more: object) -> str:
    record = {"version": "5.4.1", "imagePath": "a.png", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    return json.dumps(record | {"shapes": shapes} | more)


def outline(label: str, points: list[list[float]], kind: str = "polygon", **more: object) -> dict:
    return {"label": label, "shape_type": kind, "points": points, **more}


BAR = [[4, 8], [24, 8], [24, 11], [4, 11]]


def bar() -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[8:11, 4:24] = 1
    return mask


def test_the_field_file_of_labelme_is_read():
    source = LabelmeMask(field(FIELD) / "labelme" / "masks" / "a1.json")
    mask = source.read(0, (1, 96, 128))
    y, x = np.mgrid[:96, :128] + 0.5
    inside = (x > 1) & (x < 20) & (y > 1) & (y - 1 < (x - 1) * 8 / 19)
    assert np.array_equal(mask == 1, inside)


def test_every_shape_of_labelme_that_has_an_area_is_drawn_in_its_order(tmp_path):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    blob = np.zeros((4, 6), np.uint8)
    blob[1:3, 1:5] = 255
    png = base64.b64encode(imagecodecs.png_encode(blob)).decode()
    shapes = [
        outline("vessel", [[2, 2], [30, 2], [30, 12], [2, 12]]),
        outline("background", [[10, 4], [20, 8]], "rectangle"),
        outline("LAD", [[40, 20], [43, 24]], "circle"),
        outline("catheter", [[5, 30], [10, 33]], "mask", mask=png),
        outline("ignore", [[1, 1], [9, 9]], "linestrip"),
    ]
    (tmp_path / "a.json").write_text(labelme(shapes))
    expected = np.zeros(SIZE, np.uint8)
    expected[2:12, 2:30] = 1
    expected[4:8, 10:20] = 0
    expected[(x - 40) ** 2 + (y - 20) ** 2 <= 25] = 1
    expected[31:33, 6:10] = 255
    assert np.array_equal(LabelmeMask(tmp_path / "a.json").read(0, ONE), expected)


@pytest.mark.parametrize("below", ["", "run 7", "images"])
@pytest.mark.parametrize("as_one", [True, False], ids=["one folder", "images and masks"])
def test_json_beside_its_picture_as_labelme_saves_it_is_its_mask(tmp_path, as_one, below):
    folder = tmp_path / "drawn" / below
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(imagecodecs.png_encode(drawn(bar())))
    (folder / "a.json").write_text(labelme([outline("vessel", BAR)]))
    (folder / "settings.json").write_text("{}")  # what is no annotation is nobody's lost work
    (folder / "remarks.txt").write_text("drawn on Monday")
    given = [str(tmp_path / "drawn")] if as_one else ["--images", str(folder), "--masks", str(folder)]
    code, (mask,) = imported(tmp_path, *given)
    assert code == 0 and np.array_equal(mask, bar())


@pytest.mark.parametrize("named", ["b.png", "..\\\\pictures\\\\B.jpg", "run/b.png"])
def test_a_json_that_names_another_picture_than_the_one_it_lies_by_is_refused(tmp_path, capsys, named):
    folder = labelme_pair(tmp_path, named)
    (folder / "b.png").write_bytes(imagecodecs.png_encode(drawn(stripes(), 5)))
    assert imported(tmp_path, "--images", str(folder), "--masks", str(folder)) == (2, [])
    assert "a.json: called like a.png, but its imagePath is" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["a.jpg", "C:\\\\old\\\\A.png", "before it was renamed.png", ""])
def test_a_json_whose_picture_was_converted_or_renamed_is_taken(tmp_path, named):
    folder = labelme_pair(tmp_path, named)
    (folder / "b.png").write_bytes(imagecodecs.png_encode(drawn(stripes(), 5)))
    code, masks = imported(tmp_path, "--images", str(folder), "--masks", str(folder))
    assert code == 0 and len(masks) == 1 and masks[0].any()


def labelme_pair(tmp_path: Path, named: str) -> Path:
    """A folder of a.png and a.json, whose imagePath (as JSON writes it) is this."""
    folder = tmp_path / "labelme"
    folder.mkdir()
    (folder / "a.png").write_bytes(imagecodecs.png_encode(drawn(stripes())))
    shape = {"label": "vessel", "shape_type": "polygon", "points": [[4, 8], [24, 8], [24, 11], [4, 11]]}
    record = {"shapes": [shape], "imagePath": json.loads(f'"{named}"'), "imageData": None}
    (folder / "a.json").write_text(json.dumps(record | {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}))
    return folder


def test_labels_that_nobody_can_tell_are_asked_for_once_for_all_files(tmp_path, capsys):
    files = {
        f"{name}.json": labelme([outline(label, BAR)], imagePath=f"{name}.png")
        for name, label in (("a", "rib"), ("b", "aorta"))
    }
    arguments = two_folders(tmp_path, files)
    (tmp_path / "images" / "b.png").write_bytes(imagecodecs.png_encode(drawn(bar(), 1)))
    code, masks = imported(tmp_path, *arguments)
    assert code == 2 and not masks
    assert "masks: classes that may be vessel or not: aorta, rib. Say" in capsys.readouterr().err


DAMAGED_LABELME = {
    "a line": (labelme([outline("vessel", BAR[:2], "linestrip")]), "a linestrip has no area"),
    "a box": (labelme([outline("LAD", BAR[::2], "rectangle")]), "a rectangle is no outline of a vessel"),
    "a turned box": (labelme([outline("vessel", BAR, "oriented_rectangle")]), "is no outline of a vessel"),
    "a strange shape": (labelme([outline("vessel", BAR, "cloud")]), "a shape of the kind cloud"),
    "two points": (labelme([outline("vessel", BAR[:2])]), "three finite points"),
    "far": (labelme([outline("vessel", [[0, 0], [1e300, 1], [2, 2]])]), "far outside"),
    "no label": (labelme([{"points": BAR}]), "not a JSON of labelme"),
    "another size": (labelme([outline("vessel", BAR)], imageHeight=99), "rows x columns"),
    "no size": (labelme([outline("vessel", BAR)], imageHeight=0), "not a JSON of labelme"),
    "coco": ('{"images": [], "annotations": []}', "not a JSON of labelme"),
    "deep": ("[" * 100_000, "not JSON"),
    "no png": (labelme([outline("vessel", BAR[:2], "mask", mask="AAAA")]), "an embedded mask cannot be read"),
    "no mask": (labelme([outline("vessel", BAR[:2], "mask", mask=7)]), "a mask that is no PNG"),
    "endless": (labelme([outline("vessel", BAR * 60_000)] * 20), "more points, than any angiogram needs"),
}


@pytest.mark.parametrize("what", DAMAGED_LABELME)
def test_a_hostile_file_of_labelme_is_one_line(tmp_path, what):
    text, reason = DAMAGED_LABELME[what]
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadMask) as refused:
        LabelmeMask(tmp_path / "a.json").read(0, ONE)
    assert str(refused.value).startswith("a.json") and reason in str(refused.value)


def test_outlines_without_their_picture_are_told(tmp_path, capsys):
    files = {"a.json": labelme([outline("vessel", BAR)]), "lost.json": labelme([outline("vessel", BAR)])}
    code, masks = imported(tmp_path, *two_folders(tmp_path, files))
    assert code == 2 and len(masks) == 1 and "lost.json: no image of this name" in capsys.readouterr().err


# -- YOLO ----------------------------------------------------------------------------------------------------


def test_the_field_file_of_yolo_is_read_and_its_only_class_is_told(tmp_path, capsys):
    folder = field(FIELD) / "yolo"
    arguments = ["--images", str(folder / "images"), "--masks", str(folder / "masks")]
    code, masks = imported(tmp_path, *arguments, "--accept-implausible")
    y, x = (np.mgrid[:96, :128] + 0.5) / np.array([96, 128])[:, None, None]
    inside = (x < 0.5) & (y > 0.1) & (y < 0.1 + (x - 0.1))
    assert code == 0 and np.array_equal(masks[0] == 1, inside)
    assert "class 0: taken as vessel, being the only class" in capsys.readouterr().err


def test_of_two_classes_without_names_neither_is_taken_for_vessel(tmp_path, capsys):
    folder = field(FIELD) / "yolo"
    masks = tmp_path / "labels"
    masks.mkdir()
    (masks / "a1.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n3 0.2 0.2 0.4 0.2 0.4 0.4\n")
    code, saved = imported(tmp_path, "--images", str(folder / "images"), "--masks", str(masks))
    assert (
        code == 2 and not saved and "may be vessel or not: class 0, class 3. Say" in capsys.readouterr().err
    )


NAMES = {
    "data.yaml": [
        "names: ['wire', 'artery']",
        "nc: 2\nnames:\n  0: wire # a remark\n  1: artery\ntrain: x",
        "names:\n- wire\n- artery",
        "names: [\n  'wire',  # a remark\n  'artery',\n]\nnc: 2",
        "names:\n  ['wire',\n   'artery']\ntrain: x",
        "names: {\n  0: wire,\n  1: artery\n}",
        "names:\n  '0': wire\n  '1': artery",
    ],
    "classes.txt": ["wire\nartery\n"],
    "dataset.yaml": ["names: {0: wire, 1: 'artery'}"],
}


def test_a_class_that_a_list_of_names_leaves_out_is_not_taken_for_vessel(tmp_path, capsys):
    arguments = two_folders(tmp_path, {"a.txt": "1 0.1 0.1 0.5 0.1 0.5 0.5\n", "classes.txt": "wire\n"})
    assert imported(tmp_path, *arguments) == (2, [])
    assert "may be vessel or not: unnamed class 1. Say" in capsys.readouterr().err


@pytest.mark.parametrize(("file", "text"), [(file, text) for file, texts in NAMES.items() for text in texts])
def test_classes_of_yolo_are_called_as_the_file_beside_them_says(tmp_path, file, text):
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert class_names(tmp_path / "labels" / "train") == {0: "wire", 1: "artery"}


DAMAGED_YOLO = {
    "a box": ("0 0.5 0.5 0.1 0.1", "a box, no outline"),
    "words": ("vessel 0.1 0.1 0.5 0.1 0.5 0.5", "invalid literal"),
    "pixels": ("0 10 10 50 10 50 50", "no parts of width and height"),
    "infinite": ("0 0.1 0.1 inf 0.1 0.5 0.5", "no parts of width and height"),
    "odd": ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "three or more points"),
    "below 0": ("-1 0.1 0.1 0.5 0.1 0.5 0.5", "a class below 0"),
    "bytes": (b"\xff\xfe\x00", "not text"),
}


@pytest.mark.parametrize("what", DAMAGED_YOLO)
def test_what_is_no_outline_of_yolo_is_one_line(tmp_path, what):
    content, reason = DAMAGED_YOLO[what]
    (tmp_path / "a.txt").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadMask) as refused:
        YoloMask(tmp_path / "a.txt", {0: "vessel"}).read(0, ONE)
    assert str(refused.value).startswith("a.txt: not polygons of YOLO") and reason in str(refused.value)


# -- CVAT ----------------------------------------------------------------------------------------------------


def cvat_xml(inside: str, meta: str = "") -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return f"{head}<annotations><version>1.1</version><meta>{meta}</meta>{inside}</annotations>"


def cvat_image(shapes: str, name: str = "default/a.png") -> str:
    return f'<image id="0" name="{name}" width="{SIZE[1]}" height="{SIZE[0]}">{shapes}</image>'


POLYGON = '<polygon label="{}" occluded="0" points="4.0,8.0;24.0,8.0;24.0,11.0;4.0,11.0" z_order="{}"/>'


def test_outlines_and_masks_of_cvat_are_drawn_as_they_lie_over_each_other(tmp_path):
    shapes = (
        POLYGON.format("vessel", 2)
        + '<box label="background" xtl="0" ytl="0" xbr="56" ybr="40" z_order="0"/>'
        + '<mask label="catheter" rle="2, 4, 2, 4" left="22" top="8" width="6" height="2" z_order="1"/>'
        + '<ellipse label="LAD" cx="40.0" cy="30.0" rx="5" ry="3" z_order="1"/>'
    )
    arguments = two_folders(tmp_path, {"annotations.xml": cvat_xml(cvat_image(shapes))})
    code, (mask,) = imported(tmp_path, *arguments[:2], "--masks", str(tmp_path / "masks" / "annotations.xml"))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    expected = np.zeros(SIZE, np.uint8)
    expected[8:10, 24:28] = 255
    expected[((x - 40) / 5) ** 2 + ((y - 30) / 3) ** 2 <= 1] = 1
    expected[8:11, 4:24] = 1
    assert code == 0 and np.array_equal(mask, expected)


@pytest.mark.parametrize("angle", [0, 30, 90, 145, 270])
def test_shapes_that_are_turned_in_cvat_lie_as_they_are_shown(tmp_path, angle):
    shapes = f'<ellipse label="LAD" cx="28" cy="20" rx="15" ry="3" rotation="{angle}" z_order="1"/>'
    shapes += (
        f'<box label="ignore" xtl="13.2" ytl="15.7" xbr="42.8" ybr="24.3" rotation="{angle}" z_order="0"/>'
    )
    (tmp_path / "a.xml").write_text(cvat_xml(cvat_image(shapes)))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(imagecodecs.png_encode(drawn(stripes())))
    ((_, source),) = cvat.match_cvat(tmp_path / "a.xml", tmp_path / "images").pairs
    expected = np.zeros(SIZE, np.uint8)
    for row, column in np.ndindex(SIZE):
        # The pixel turned back, anticlockwise: on the screen y grows downwards.
        back = complex(column + 0.5 - 28, row + 0.5 - 20) * np.exp(-1j * np.deg2rad(angle))
        if abs(back.real) <= 14.8 and abs(back.imag) <= 4.3:
            expected[row, column] = 255
        if (back.real / 15) ** 2 + (back.imag / 3) ** 2 <= 1:
            expected[row, column] = 1
    assert (source.read(0, ONE) != expected).sum() <= 2  # centres on the very edge


def test_pictures_of_cvat_are_found_in_the_folders_of_their_runs(tmp_path):
    for run in ("run1", "run2"):
        (tmp_path / "images" / run).mkdir(parents=True)
        (tmp_path / "images" / run / "a.png").write_bytes(imagecodecs.png_encode(drawn(stripes())))
    image = cvat_image(POLYGON.format("vessel", 0))
    both = image.replace("default/a.png", "run2/a.png") + image.replace("default/a.png", "run1\\a.png")
    (tmp_path / "a.xml").write_text(cvat_xml(both))
    found = cvat.match_cvat(tmp_path / "a.xml", tmp_path / "images")
    assert not found.failures
    assert [(path.parent.name, mask.name) for path, mask in found.pairs] == [
        ("run2", "run2/a.png"),
        ("run1", "run1\\a.png"),
    ]


def test_a_track_of_cvat_gives_each_frame_its_outline_and_tells_which_have_one(tmp_path):
    shape = '<polygon frame="{}" outside="{}" keyframe="1" points="{},8.0;24.0,8.0;24.0,11.0;{},11.0" z_order="0"/>'
    track = "".join(shape.format(t, int(t == 4), 4 + t, 4 + t) for t in (1, 2, 4))
    meta = "<task><source>run.tif</source><original_size><width>56</width><height>40</height></original_size></task>"
    (tmp_path / "a.xml").write_text(cvat_xml(f'<track id="0" label="vessel">{track}</track>', meta))
    (tmp_path / "images").mkdir()
    tifffile.imwrite(
        tmp_path / "images" / "run.tif", np.zeros((6, *SIZE), np.uint8), photometric="minisblack"
    )
    ((image, source),) = cvat.match_cvat(tmp_path / "a.xml", tmp_path / "images").pairs
    assert image.name == "run.tif" and source.frames((6, *SIZE)) == [1, 2, 4]
    mask = source.read(2, (6, *SIZE))
    assert mask[8:11, 6:24].all() and mask.sum() == 3 * 18 and not source.read(4, (6, *SIZE)).any()
    with pytest.raises(BadMask, match="nothing is annotated on frame 3"):
        source.read(3, (6, *SIZE))


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><annotations>&c;</annotations>'
HOSTILE_XML = {
    "entities": (BOMB, "declares a document type"),
    "another file": (
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations>&x;</annotations>',
        "declares a",
    ),
    "not xml": ("{}", "not annotations of CVAT"),
    "cut": (cvat_xml(cvat_image(POLYGON.format("vessel", 0)))[:-40], "not annotations of CVAT"),
    "another one": ("<html></html>", "it begins with html"),
    "no size": (cvat_xml('<image name="a.png"/>'), "not annotations of CVAT"),
    "a giant": (cvat_xml('<image name="a.png" width="999999999" height="9"/>'), "an image of 9x999999999"),
}


@pytest.mark.parametrize("what", HOSTILE_XML)
def test_a_hostile_xml_is_one_line(tmp_path, what):
    text, reason = HOSTILE_XML[what]
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DatasetError) as refused:
        cvat.read_cvat(tmp_path / "a.xml")
    assert str(refused.value).startswith("a.xml: not annotations of CVAT") and reason in str(refused.value)


BAD_SHAPES = {
    "a box": ('<box label="vessel" xtl="0" ytl="0" xbr="5" ybr="5"/>', "a box is no outline of a vessel"),
    "a line": ('<polyline label="vessel" points="0,0;5,5"/>', "a polyline has no area"),
    "no points": ('<polygon label="vessel" points=""/>', "a segmentation cannot be read"),
    "runs": (
        '<mask label="vessel" rle="1, 99" left="0" top="0" width="5" height="2"/>',
        "do not fill their box",
    ),
    "a large mask": (
        '<mask label="vessel" rle="1" left="0" top="0" width="8000" height="8000"/>',
        "larger than",
    ),
}


@pytest.mark.parametrize("what", BAD_SHAPES)
def test_a_shape_of_cvat_that_is_no_mask_is_one_line_and_saves_nothing(tmp_path, capsys, what):
    shapes, reason = BAD_SHAPES[what]
    arguments = two_folders(tmp_path, {"a.xml": cvat_xml(cvat_image(shapes))})
    code, masks = imported(tmp_path, *arguments[:2], "--masks", str(tmp_path / "masks" / "a.xml"))
    assert code == 2 and not masks and reason in capsys.readouterr().err


# -- VOC -----------------------------------------------------------------------------------------------------

LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nartery:128,0,0::\ncatheter:0,128,0::\n"
COLOURS = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)


@pytest.mark.parametrize("as_palette", [False, True])
def test_colour_masks_of_voc_are_read_by_their_labelmap(tmp_path, as_palette):
    from PIL import Image

    folder = tmp_path / "voc"
    for name in ("JPEGImages", "SegmentationClass"):
        (folder / name).mkdir(parents=True)
    values = stripes(2)
    (folder / "JPEGImages" / "a.png").write_bytes(imagecodecs.png_encode(drawn(values)))
    (folder / "labelmap.txt").write_text(LABELMAP)
    picture = Image.fromarray(values if as_palette else COLOURS[values])
    if as_palette:
        picture.putpalette(COLOURS.ravel().tolist())
    picture.save(folder / "SegmentationClass" / "a.png")
    code, (mask,) = imported(tmp_path, str(folder))
    assert code == 0 and np.array_equal(mask, np.array([0, 1, 255], np.uint8)[values])


def test_a_colour_that_the_labelmap_does_not_name_is_refused(tmp_path, capsys):
    png = imagecodecs.png_encode(np.array([[0, 0, 0], [9, 8, 7]], np.uint8)[stripes()])
    code, masks = imported(tmp_path, *two_folders(tmp_path, {"a.png": png, "labelmap.txt": LABELMAP}))
    assert (
        code == 2
        and not masks
        and "1 colours that labelmap.txt does not name (9,8,7)" in capsys.readouterr().err
    )


def test_a_colour_of_two_classes_is_neither(tmp_path, capsys):
    labelmap = "background:0,0,0::\ncatheter:128,0,0::\nvessel:128,0,0::\n"
    colours = np.stack([stripes() * np.uint8(128), *[np.zeros(SIZE, np.uint8)] * 2], -1)
    masks = {"labelmap.txt": labelmap, "a.png": imagecodecs.png_encode(colours)}
    assert imported(tmp_path, *two_folders(tmp_path, masks)) == (2, [])
    assert "one colour is of two classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "below", "text"),
    [
        ("set/datalist.json", "", '{"training": []}'),
        ("datalist.json", "", '{"labels": ["lesion"]}'),
        ("labels.json", "", '{"bug": "#f00"}'),
        ("labels.json", "", '{"labels": {"0": "background", "1": "vessel", "255": "ignore"}}'),
        ("set/labels.json", "run1", '{"bug": "#f00"}'),
        ("set/labels.json", "run1", "[]"),
    ],
)
def test_a_file_that_is_not_about_these_masks_changes_nothing(tmp_path, place, below, text):
    (tmp_path / "set").mkdir()
    png = imagecodecs.png_encode(bar() * np.uint8(255))
    *images, masks = two_folders(tmp_path / "set", {"a.png": png})
    if below:
        (Path(masks) / below).mkdir()
        (Path(masks) / "a.png").rename(Path(masks) / below / "a.png")
    (tmp_path / place).write_text(text)
    code, (mask,) = imported(tmp_path, *images, str(Path(masks) / below))
    assert code == 0 and np.array_equal(mask, bar())


# -- there and back ------------------------------------------------------------------------------------------

MASKS = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
    elements=st.sampled_from([0, 0, 1, 1, 255]),
)
WRITERS = {
    "nifti": (write_nifti, "masks"),
    "labelme": (write_labelme, "images"),
    "yolo": (write_yolo, "labels/val"),
}


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=40, deadline=None)
@given(MASKS)
def test_any_mask_that_is_written_is_read_to_the_pixel(tmp_path_factory, kind, mask):
    write, folder = WRITERS[kind]
    out = tmp_path_factory.mktemp(kind)
    write(out, [ExportFrame("a", "val", "p1", np.zeros(mask.shape, np.uint8), mask, True)])
    (file,) = [
        path for path in (out / folder).iterdir() if kind not in ("labelme", "yolo") or path.suffix != ".png"
    ]
    assert np.array_equal(Reading().sources(file.parent)(file).read(0, (1, *mask.shape)), mask)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_a_dataset_of_nnunet_in_volumes_is_read_with_its_pictures(tmp_path, ending):
    folder = tmp_path / "nn"
    values = stripes(2)
    for part, name, array in (
        ("imagesTr", "c_0000", drawn(values).astype(np.float32)),
        ("labelsTr", "c", values),
    ):
        (folder / part).mkdir(parents=True)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array[None]), str(folder / part / f"{name}{ending}"))
    record = {
        "channel_names": {"0": "XA"},
        "labels": {"background": 0, "LAD": 1, "catheter": 2},
        "file_ending": ending,
    }
    (folder / "dataset.json").write_text(json.dumps(record))
    made = Workspace.create(tmp_path / "ws")
    assert main(["dataset", "import", str(made.path), "--nnunet", str(folder)]) == 0
    (head,) = made.dataset.heads()
    assert np.array_equal(head.mask(), np.array([0, 1, 255], np.uint8)[values])
    assert np.array_equal(head.image(), drawn(values))


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_labels_of_nnunet_with_another_number_of_pages_go_to_no_frame(tmp_path, capsys, pages):
    folder = write_nnunet(tmp_path / "nn", {"background": 0, "vessel": 1}, file_ending=".tif")
    for file in (*folder.glob("*/*.png"),):
        file.unlink()
    frames = np.stack([drawn(stripes(), t) for t in range(4)])
    tifffile.imwrite(folder / "imagesTr" / "c_0000.tif", frames, photometric="minisblack")
    tifffile.imwrite(folder / "labelsTr" / "c.tif", np.stack([stripes()] * pages), photometric="minisblack")
    made = Workspace.create(tmp_path / "ws")
    assert main(["dataset", "import", str(made.path), "--nnunet", str(folder)]) == 2
    assert not saved(made) and "for 4 frames" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("mask_end", ["_seg", "_mask", "-label"])
def test_a_volume_with_its_mask_beside_it_is_a_picture(tmp_path, ending, mask_end):
    folder = tmp_path / "d"
    folder.mkdir()
    for name, values in (("case1", drawn(stripes())), (f"case1{mask_end}", stripes())):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(folder / f"{name}{ending}"))
    made = Workspace.create(tmp_path / "ws")
    assert main(["dataset", "import", str(made.path), "--images", str(folder), "--masks", str(folder)]) == 0
    (head,) = made.dataset.heads()
    assert np.array_equal(head.mask(), stripes()) and np.array_equal(head.image(), drawn(stripes()))


def test_a_picture_beside_its_mask_is_not_called_a_mask_that_is_not_read(tmp_path, capsys):
    folder = tmp_path / "d"
    folder.mkdir()
    coded = imagecodecs.jpeg2k_encode(drawn(stripes()), level=0, reversible=True)
    (folder / "a.jp2").write_bytes(coded)
    (folder / "a_mask.png").write_bytes(imagecodecs.png_encode(stripes()))
    code, (mask,) = imported(tmp_path, "--images", str(folder), "--masks", str(folder))
    assert code == 0 and np.array_equal(mask, stripes())
    assert "not read as a mask" not in capsys.readouterr().err
