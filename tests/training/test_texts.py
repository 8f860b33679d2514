"""What comes from elsewhere is shown as one bounded line in which everything is seen, whatever it is made of."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings

import pytest
from hostile_texts import MOST_OF_RESULT, as_file_name, faults_of, hostile, unseen
from hypothesis import given, settings
from hypothesis import strategies as st

from src_training import Workspace, errors, texts
from src_training.cli import main
from src_training.cli.describing import description
from src_training.models import load_model
from src_training.processes import clean_environment
from src_training.runs.log import tail

HOSTILE = hostile("/tmp/pipe")
# With lone surrogates, which are what file names that are not UTF-8 become.
ANY = st.text(st.characters(), max_size=900) | st.sampled_from(
    sorted(text[:5_000] for text in HOSTILE.values())
)


@settings(deadline=None)
@given(ANY)
def test_a_line_is_bounded_and_everything_in_it_is_seen(text):
    shown = texts.line(text)
    assert faults_of(shown) == [] and "\n" not in shown
    assert texts.line(shown) == shown
    shown.encode()  # whatever writes it, writes it


@settings(deadline=None)
@given(ANY)
def test_letters_that_are_seen_stay_as_they_are(text):
    plain = "".join(letter for letter in text[:200] if letter.isascii() and letter.isprintable())
    assert texts.line(plain) == plain


@settings(deadline=None)
@given(st.dictionaries(ANY, ANY | st.lists(ANY, max_size=3), max_size=3))
def test_json_says_the_same_and_holds_nothing_that_a_terminal_obeys(record):
    said = texts.json_text(record)
    assert unseen(said) == [] and "\n" not in said
    assert json.loads(said) == json.loads(json.dumps(record))


@pytest.mark.parametrize(
    "name", ["Æther für München", "冠動脈造影", "απεικόνιση.dcm", "ação 12 · 30°", "क्षि"]
)
def test_names_in_any_language_are_not_touched(name):
    assert texts.line(name) == name
    assert name in texts.json_text({"file": name})


def test_a_long_name_stays_recognisable_beside_its_finding_and_its_cure():
    name = "A" * 20 + "b" * 220 + "end.dcm"
    said = str(errors.UnreadableCine(f"{name}: the file is cut short. {'Why ' * 40}Copy it again."))
    assert (
        said.startswith("A" * 20)
        and "end.dcm: the file is cut short." in said
        and said.endswith("Copy it again.")
    )
    assert faults_of(said) == []


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
@pytest.mark.parametrize("what", HOSTILE)
def test_every_error_for_a_person_is_one_line(kind, what):
    said = str(kind(f"{HOSTILE[what]}: no. Mend it."))
    assert faults_of(said) == [] and "\n" not in said and said.endswith("Mend it.")


# -- the shell ---------------------------------------------------------------------------------------------------


def run(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def check(out: str, err: str) -> None:
    assert faults_of(err) == [], err[:300]
    assert faults_of(out, MOST_OF_RESULT) == [], out[:300]


@pytest.mark.parametrize("what", HOSTILE)
def test_a_wrong_call_is_told_in_a_bounded_line(what, capsys):
    word = HOSTILE[what]
    for call in ([word], ["segment", f"--{word}"], ["segment", "x", "--threshold", word], ["runs", word]):
        code, out, err = run(capsys, *call)
        assert code == 2 and err.startswith("lightvessel: ") and err.count("\n") == 1
        check(out, err)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_run_from_elsewhere_is_told_in_bounded_lines(what, capsys, tmp_path, monkeypatch):
    place = Workspace.create(tmp_path / "place")
    folder = place.path / "runs" / "20260101T000000Z-finetune-abcdef"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"kind":"finetune","settings":{}}')
    text = HOSTILE[what]
    events = [
        {"event": "log", "message": text},
        {"event": text[:200], "message": text},
        {"event": "compared", "current": text, "decision": {"verdict": text, "reasons": [text]}},
        {"event": "failed", "message": text, "time": text[:200]},
    ]
    (folder / "events.jsonl").write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in events))
    (folder / "log.txt").write_text(text, encoding="utf-8", errors="replace")
    assert run(capsys, "runs", "list", place.path)[1].count("\n") == 1
    for how in ([], ["--json"]):
        for command in ("list", "watch"):
            _, out, err = run(capsys, "runs", command, place.path, *how)
            assert faults_of(err) == [] and unseen(out) == []
            if not how:
                check(out, err)
            else:
                assert all(isinstance(json.loads(line), dict) for line in out.splitlines())
    assert faults_of(tail(folder / "log.txt", 40)) == []
    assert faults_of(place.runs.list()[0].status().message) == []


@pytest.mark.parametrize("what", HOSTILE)
def test_a_card_is_told_in_bounded_lines(what):
    model = load_model("small")
    said = {"trained_on": HOSTILE[what], "intended_use": HOSTILE[what], "parent": HOSTILE[what]}
    metrics = {HOSTILE[what]: 0.5, "by angle": {HOSTILE[what]: {HOSTILE[what]: 0.25}}}
    object.__setattr__(model, "card", model.card.model_copy(update={**said, "metrics": metrics}))
    for entry in description(model):
        assert faults_of(texts.line(entry, MOST_OF_RESULT), MOST_OF_RESULT) == []


def test_an_error_that_nobody_foresaw_is_told_with_a_traceback_that_a_terminal_does_not_obey(
    capsys, monkeypatch
):
    def fail(*_words):
        raise ZeroDivisionError("\n".join([HOSTILE["terminal"], *HOSTILE.values()]))

    monkeypatch.setattr("src_training.cli._run", fail)
    code, out, err = run(capsys, "info", "x")
    assert code == 1 and "Traceback" in err and "unexpected ZeroDivisionError" in err
    check(out, err)
    assert err.count("\n") < 300


def test_what_libraries_say_by_themselves_is_written_out(capsys, monkeypatch):
    def speak(_words):
        warnings.warn(HOSTILE["terminal"], UserWarning, stacklevel=1)
        logging.getLogger("some.library").warning(HOSTILE["override"])
        print(HOSTILE["terminal in eight bits"], file=sys.stderr)
        return 0

    monkeypatch.setattr("src_training.cli._run", speak)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_rest: sys.stderr.write(f"{message}\n")
        code, _, err = run(capsys, "info", "x")
    assert code == 0 and unseen(err) == [] and r"\x1b[2J" in err and r"\x9b2J" in err


def test_a_logger_of_ours_writes_harmless_lines():
    heard: list[str] = []
    handler = logging.Handler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.emit = lambda record: heard.append(handler.format(record))  # type: ignore[method-assign]
    logger = texts.logger("lightvessel.test")
    logger.addHandler(handler)
    try:
        raise ValueError(HOSTILE["lines"] + HOSTILE["terminal"])
    except ValueError:
        logger.exception("it failed on %s", HOSTILE["terminal"])
    finally:
        logger.removeHandler(handler)
    assert len(heard) == 1 and "Traceback" in heard[0] and faults_of(heard[0]) == []


CALLS = """
import sys
from src_training.cli import main
for file in sys.argv[1:]:
    for words in (["info", file], ["info", file, "--json"]):
        if (code := main(words)) != 2:
            sys.exit(f"{code} for {words}")
"""


def test_files_of_any_name_are_told_of_by_a_process_of_its_own(tmp_path):
    """Through the real streams: what reaches the terminal, byte by byte."""
    files = [tmp_path / (as_file_name(text, 100) + what + ".dcm") for what, text in HOSTILE.items()]
    for file in files:
        file.write_bytes(b"no picture")
    done = subprocess.run(
        [sys.executable, "-c", CALLS, *map(str, files)], capture_output=True, env=clean_environment(threads=1)
    )
    assert done.returncode == 0, done.stderr
    told = done.stderr.decode().removesuffix("\n").split("\n")
    assert len(told) == 2 * len(files) and all(line.startswith("lightvessel: ") for line in told)
    assert faults_of("\n".join(told)) == [] and unseen(done.stdout.decode()) == []


@pytest.mark.skipif(os.name != "posix", reason="such names exist only there")
def test_a_workspace_full_of_strange_names_is_looked_through_in_bounded_lines(capsys, tmp_path):
    place = Workspace.create(tmp_path / "place")
    for folder in ("dataset", "dataset/cases", "models", "runs", "dataset/snapshots"):
        (place.path / folder).mkdir(exist_ok=True)
        for what, text in HOSTILE.items():
            name = as_file_name(text, 120) + what
            if folder in ("dataset/snapshots", "dataset") or len(what) % 2:
                (place.path / folder / name).write_text(text, encoding="utf-8", errors="replace")
            else:
                (place.path / folder / name).mkdir()
    for words in (
        ["doctor"],
        ["dataset", "list"],
        ["dataset", "verify"],
        ["models", "list"],
        ["runs", "list"],
    ):
        for how in ([], ["--json"]):
            code, out, err = run(capsys, *words, place.path, *how)
            assert code in (0, 1, 2), (words, err[-300:])
            assert "Traceback" not in err
            assert faults_of(err) == [] and unseen(out) == [], words
            if not how:
                check(out, err)
