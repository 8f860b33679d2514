"""Promises about patients: a key instead of a name, one split for ever, and no personal data on the disk."""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata

import numpy as np
import pytest
from durable_disks import SIZE, frame, mask
from hypothesis import given
from hypothesis import strategies as st

from src_training.cine import Calibration, Projection, array_cine
from src_training.dataset import Dataset, Frame, Origin, known_patient
from src_training.dataset.keyring import find_key, own_key, read_key
from src_training.dataset.patients import bucket_of, patient_key
from src_training.errors import DatasetError

KEY = b"k" * 32


@pytest.mark.parametrize(
    "patient",
    [
        None,
        "",
        "  ",
        "\0\0",
        "0",
        "000",
        "0000000",
        "ANON",
        "anonymous",
        "Anonymized",
        "ANON_0",
        "UNKNOWN",
        "n/a",
    ]
    + ["None", "-", "--", "???", "xxx", "Patient", "De-Identified", "No ID", "removed"],
)
def test_blanks_and_placeholders_are_unknown_patients_and_only_trained_on(patient):
    assert known_patient(patient) is None
    assert patient_key(KEY, patient) is None
    assert bucket_of("00", None) == "train"


@pytest.mark.parametrize(
    "patient", ["1", "10", "P0", "ANON0001", "patient_0", "test-3", "x1", "007", "田中", "Nullus"]
)
def test_ids_that_only_look_a_little_like_placeholders_are_patients(patient):
    assert known_patient(patient) is not None


@pytest.mark.parametrize(
    ("patient", "spelling"),
    [
        ("p12", spelling)
        for spelling in ("P12", "p12", " P12 ", "P12\0", "Ｐ12", "P12\u200b", "\ufeffP1\u00ad2")
    ]
    + [("0123", "0123.0"), ("0123", "0123.00 "), ("a-7", "A\u20137"), ("a-7", "a\u22127")],
)
def test_one_patient_in_several_spellings_has_one_key(patient, spelling):
    assert patient_key(KEY, spelling) == patient_key(KEY, patient)


@pytest.mark.parametrize("other", ["12.5", "1.2.0", "v1.0", "120"])
def test_a_point_that_is_part_of_an_id_stays(other):
    assert known_patient(other) == other


@given(st.text())
def test_a_normalised_id_stays_as_it_is(text):
    once = known_patient(text)
    assert known_patient(once) == once
    assert known_patient(unicodedata.normalize("NFD", text)) == once


@given(st.text(min_size=1), st.binary(min_size=16, max_size=16), st.binary(min_size=1, max_size=16))
def test_the_bucket_depends_on_patient_and_keys_alone(patient, site_key, salt):
    key = patient_key(site_key, patient)
    assert bucket_of(salt.hex(), key) == bucket_of(salt.hex(), key)
    assert bucket_of(salt.hex(), key) in ("train", "val", "test")


def test_about_15_percent_of_the_patients_validate_and_15_percent_test():
    buckets = [bucket_of("c0ffee", patient_key(KEY, f"P{n}")) for n in range(4000)]
    for bucket in ("val", "test"):
        assert 0.13 < buckets.count(bucket) / 4000 < 0.17


def test_key_and_bucket_are_pinned():
    """They may never change: the splits of datasets in use depend on them."""
    key = hmac.new(KEY, b"p4", hashlib.sha256).hexdigest()
    assert patient_key(KEY, "P4") == key
    place = int(hmac.new(bytes.fromhex("00ff"), key.encode(), hashlib.sha256).hexdigest(), 16) % 10000
    assert 1500 <= place < 3000 and bucket_of("00ff", key) == "test"
    buckets = [bucket_of("00ff", patient_key(KEY, f"P{n}")) for n in range(12)]
    assert [n for n, bucket in enumerate(buckets) if bucket != "train"] == [4, 8, 9]


def test_two_datasets_of_one_salt_and_key_split_alike(tmp_path):
    made = [Dataset.create(tmp_path / name, split_salt="00FF" * 4, site_key=KEY) for name in ("a", "b")]
    for number in range(10):
        one, other = (dataset.append(frame(number), mask(number)) for dataset in made)
        assert (one.case, one.patient_key, one.bucket) == (other.case, other.patient_key, other.bucket)


# -- site keys -----------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Switch to another user's configuration and back."""

    def switch(name):
        monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / f"config-of-{name}"))

    return switch


def test_another_site_key_is_refused_until_it_is_imported(tmp_path, elsewhere):
    elsewhere("ann")
    dataset = Dataset.create(tmp_path / "dataset")
    first = dataset.append(frame(1), mask(1))
    exported = dataset.site_key()

    elsewhere("ben")
    own_key()
    same = Dataset.open(dataset.folder)
    assert same.heads() == [first], "reading needs no key"
    for patient in ("P1", ""):
        with pytest.raises(DatasetError, match="lightvessel dataset key import"):
            same.append(frame(2, patient), mask(2))
    with pytest.raises(DatasetError, match="Export the key where the dataset was made"):
        same.import_key(own_key())
    same.import_key(exported)
    second = Dataset.open(dataset.folder).append(frame(2, "p1"), mask(2))
    assert (second.patient_key, second.bucket) == (first.patient_key, first.bucket)


def test_the_site_key_is_private_and_nowhere_in_the_dataset(tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.append(frame(1), mask(1))
    key = dataset.site_key()
    for content in every_byte(dataset.folder):
        assert key not in content and key.hex().encode() not in content
    stored = list((tmp_path / "user-config" / "site-keys").iterdir())
    assert len(stored) == 1
    if os.name != "nt":
        assert stored[0].stat().st_mode & 0o077 == 0


def test_one_user_has_one_key_for_all_new_datasets(tmp_path):
    made = [Dataset.create(tmp_path / name) for name in ("a", "b")]
    assert made[0].fingerprint == made[1].fingerprint
    given_key = Dataset.create(tmp_path / "c", site_key=KEY)
    assert given_key.site_key() == KEY
    assert Dataset.create(tmp_path / "d").fingerprint == made[0].fingerprint


def test_a_damaged_key_file_is_not_taken_for_the_key(tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    stored = next((tmp_path / "user-config" / "site-keys").iterdir())
    stored.write_bytes(b"00" * 32)
    assert find_key(dataset.fingerprint) is None


@pytest.mark.parametrize(
    ("content", "key"),
    [(b"ab" * 32 + b"\n", b"\xab" * 32), (b"AB" * 16, b"\xab" * 16), (b"a passphrase of some length", None)],
)
def test_a_key_file_holds_hex_or_bytes(tmp_path, content, key):
    (tmp_path / "key").write_bytes(content)
    assert read_key(tmp_path / "key") == (key or content)


@pytest.mark.parametrize("content", [b"", b"short", b"ab" * 8])
def test_a_short_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(DatasetError, match="at least 16 bytes"):
        read_key(tmp_path / "key")
    with pytest.raises(DatasetError, match="at least 16 bytes"):
        Dataset.create(tmp_path / "dataset", site_key=b"short")


# -- personal data -------------------------------------------------------------------------------------------

PLANTED = {
    "patient_id": "HOSP-47110815-PLANTED",  # a shorter number stands in one of a hundred hashes
    "name": "Planted^Patient^Müller_19610203.dcm",
    "burned_in": "YES-PLANTED",
    "frame_time_source": "PLANTED-1.2.840.113619.2.55",
}


def every_byte(folder):
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder)).encode()
        if path.is_file():
            yield path.read_bytes()


def test_no_planted_personal_data_is_in_any_byte_of_the_dataset(tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    cine = array_cine(
        np.random.default_rng(0).integers(0, 4000, (2, SIZE, SIZE)).astype(np.uint16),
        PLANTED["name"],
        projection=Projection(30.0, -20.0),
        calibration=Calibration("detector", 0.2, 0.2),
        **{name: value for name, value in PLANTED.items() if name != "name"},
    )
    cine.study_date, cine.institution = "19610203-PLANTED", "PLANTED Heart Centre"
    effort = {"seconds": 3, "note": "Mrs PLANTED"}
    saved = dataset.append(Frame.from_cine(cine, 1), mask(1), Origin(effort=effort))
    assert saved.patient_key == patient_key(dataset.site_key(), PLANTED["patient_id"])
    dataset.snapshot("gate", [saved])
    content = b"\n".join(every_byte(dataset.folder)).lower()
    for word in (
        b"planted",
        "müller".encode(),
        b"hosp",
        b"47110815",
        b"19610203",
        b"113619",
        b".dcm",
        b"heart",
    ):
        assert word not in content, word


def test_a_patient_given_by_hand_comes_before_the_files_and_a_placeholder_behind_it():
    cine = array_cine(np.zeros((SIZE, SIZE), np.uint8), patient_id="P7")
    assert Frame.from_cine(cine, 0, "P8").patient == "P8"
    assert Frame.from_cine(cine, 0, "ANON").patient == "P7"
    assert Frame.from_cine(cine, 0).frame_index is None
