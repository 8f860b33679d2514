"""Promises of every command alike: help with an example, JSON on stdout, one line for what is wrong, quiet in a pipe.

A new command without a row in the table fails here.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from model_folders import QUICK_TUNING, go_live_with_tiny, stage_tiny, told
from user_folders import user_folders

from src_training import Workspace, __version__, synthetic_cine
from src_training.cli import build_app, main
from src_training.cli.dressing import FORMER, dressed, leaves
from src_training.cli.examples import EXAMPLES
from src_training.dataset import Frame
from src_training.dataset.masks import CURE as MASK_CURE
from src_training.exchange.classes import CURE as CLASS_CURE
from src_training.training.quick_frames import write_quick_arcade

COMMAND = dressed(build_app())
LEAVES = leaves(COMMAND)
TRAINED = [
    *("--steps", "2", "--set", "batch_pixels=32768", "--set", "crop_sizes=[128]"),
    *("--set", "holdout=2", "--set", "validate_every=2", "--set", "label_protocol=full-tree"),
]
TUNED = [
    word for name, value in QUICK_TUNING.items() for word in ("--set", f"{name}={json.dumps(value)}")
] + ["--set", "balance=0"]


@dataclass
class World:
    """What the commands work on; ``here`` is a folder of the row's own."""

    root: Path
    here: Path

    @property
    def arcade(self) -> Path:
        return self.root / "arcade"

    @property
    def pairs(self) -> list[str]:
        val = self.arcade / "val"
        return ["--images", str(val / "images"), "--masks", str(val / "masks")]

    @property
    def tiny(self) -> str:
        return str(self.root / "staged" / "tiny")

    @property
    def workspace(self) -> str:
        """A copy of the workspace, which the row may change."""
        copy = self.here / "coronary"
        if not copy.exists():
            shutil.copytree(self.root / "coronary", copy)
        return str(copy)

    @property
    def case(self) -> str:
        return next(Workspace.open(Path(self.workspace)).dataset.cases())

    @property
    def candidate(self) -> str:
        models = Workspace.open(Path(self.workspace)).models
        return next(model.id for model in models.list() if model.card.name == "candidate")

    def received(self) -> str:
        """The live model, after the workspace was made one of somebody else."""
        store = Workspace.open(Path(self.workspace)).models
        (decision,) = (store.folder / "decisions").glob("*/decision.json")
        decision.write_text(json.dumps(json.loads(decision.read_text()) | {"seals": []}))
        return store.unjudged().id

    def run(self, seconds: float = 60.0) -> str:
        """A run of the workspace that is going on."""
        settings = {"steps": 100, "seconds": seconds}
        return Workspace.open(Path(self.workspace)).runs.launch("selftest", settings).id

    def stopped(self) -> str:
        run = self.run()
        runs = Workspace.open(Path(self.workspace)).runs
        runs.get(run).cancel()
        runs.get(run).wait(timeout=60)
        return run

    def waiting(self) -> str:
        """The workspace, with a frame for it in the outbox."""
        from src_training.dataset.outbox import Outbox

        dataset = Workspace.open(Path(self.workspace)).dataset
        made = synthetic_cine(seed=9, n_frames=1, shape=(64, 64))
        Outbox(dataset).keep(dataset.prepare(Frame(made.cine.frame(0).astype("uint8")), made.masks[0]))
        return self.workspace


@dataclass(frozen=True)
class Row:
    """A good call, a bad one, and what the good one may say on stderr beside its results (a line's pattern).

    A command that ``goes_on`` past what is bad has a record for it, even where it is all there was.
    """

    good: Callable[[World], list[str]]
    bad: Callable[[World], list[str]] = lambda world: [str(world.here / "nowhere")]
    said: str = ""
    goes_on: bool = False


def on_workspace(*more: str) -> Row:
    return Row(lambda world: [world.workspace, *more])


def on_candidate(*more: str) -> Row:
    return Row(
        lambda world: [world.workspace, world.candidate, *more], lambda world: [world.workspace, "nobody"]
    )


def on_case(*more: str) -> Row:
    return Row(
        lambda world: [world.workspace, world.case, *more], lambda world: [world.workspace, "nobody", *more]
    )


def training(*more: str) -> Row:
    return Row(
        lambda world: ["--arcade", str(world.arcade), "-o", str(world.here / "out"), *more, *TRAINED],
        lambda world: ["--arcade", str(world.here / "nowhere"), "-o", str(world.here / "out"), *more],
    )


UNKNOWN = r"\d+ of \d+: patient unknown"
TABLE = {
    "info": Row(lambda world: [str(world.arcade / "val" / "images")], goes_on=True),
    "segment": Row(
        lambda world: [str(world.arcade / "val" / "images"), "-o", str(world.here / "masks")],
        lambda world: [world.pairs[1], "-o", world.pairs[1] + "/11.png"],
    ),
    "evaluate": Row(
        lambda world: [*world.pairs, "--per-frame", "--against", "nano"],
        lambda world: ["--images", str(world.here / "nowhere"), "--masks", str(world.here)],
    ),
    "stress": Row(
        lambda world: [*world.pairs, "--frames", "1", "--trees", "1"],
        lambda world: ["--images", str(world.here / "nowhere"), "--masks", str(world.here)],
    ),
    "doctor": Row(lambda world: [world.workspace], said="all is well"),
    "train student": training("--network", "nano"),
    "train teacher": training("--network", "base"),
    "distill": Row(
        lambda world: [
            *("--arcade", str(world.arcade), "-o", str(world.here / "out")),
            *("--teacher", "small", "--student", "new:nano", *TRAINED),
        ],
        lambda world: [world.workspace, "--teacher", "professor"],
        said="student: a new nano",
    ),
    "compare-methods": Row(
        lambda world: ["--quick", "-o", str(world.here / "out"), "--students", "nano", "--rows", "plain"],
        lambda world: ["-o", str(world.here / "out")],
    ),
    "finetune": on_workspace(*TUNED),
    "dataset init": Row(
        lambda world: [str(world.here / "new")],
        lambda world: [str(world.here / "new"), "--site-key", str(world.here / "nowhere")],
    ),
    "dataset append": Row(
        lambda world: [
            world.workspace,
            "--image",
            world.pairs[1] + "/11.png",
            "--mask",
            world.pairs[3] + "/11.png",
        ],
        lambda world: [
            world.workspace,
            "--image",
            str(world.here / "no.png"),
            "--mask",
            world.pairs[3] + "/11.png",
        ],
        said=UNKNOWN,
    ),
    "dataset import": Row(
        lambda world: [world.workspace, *world.pairs],
        lambda world: [world.workspace, str(world.here / "nowhere.zip")],
        said=rf"{UNKNOWN}|4 of 4 saved",
    ),
    "dataset publish": Row(lambda world: [world.waiting()]),
    "dataset export": Row(
        lambda world: [world.workspace, "-o", str(world.here / "out")],
        lambda world: [world.workspace, "-o", str(world.here / "out"), "--format", "vhs"],
    ),
    "dataset verify": on_workspace(),
    "dataset list": on_workspace(),
    "dataset label": on_case("spider view"),
    "dataset withdraw": on_case(),
    "dataset move": on_case("--patient", "p-9"),
    "dataset key export": Row(
        lambda world: [world.workspace, str(world.here / "key")],
        lambda world: [world.workspace, world.workspace + "/key"],
    ),
    "dataset key import": Row(
        lambda world: [world.workspace, str(world.root / "key")],
        lambda world: [world.workspace, str(world.here / "nowhere")],
    ),
    "models list": on_workspace(),
    "models show": on_candidate(),
    "models describe": on_candidate(),
    "models compare": on_candidate(),
    "models import": Row(
        lambda world: [world.workspace, world.tiny + "/weights.safetensors", "--like", world.tiny],
        lambda world: [world.workspace, str(world.here / "nowhere.pt")],
    ),
    "models promote": on_candidate("--override", "because"),
    "models agree": Row(
        lambda world: [world.workspace, world.received()], lambda world: [world.workspace, "nobody"]
    ),
    "models keep": on_candidate("--reason", "because"),
    "models rollback": on_workspace(),
    "models history": on_workspace(),
    "runs list": Row(lambda world: [world.workspace] if world.stopped() else []),
    "runs watch": Row(lambda world: [world.workspace, world.run(seconds=0.5)]),
    "runs cancel": Row(lambda world: [world.workspace, world.run()]),
    "runs resume": Row(lambda world: [world.workspace, world.stopped()]),
}


@pytest.fixture(scope="module", autouse=True)
def private_user_folders(tmp_path_factory):
    """In place of every test's own: the workspace of this file keeps its site key."""
    with user_folders(tmp_path_factory.mktemp("user")):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory, private_user_folders):
    """Synthetic frames laid out as ARCADE, and a workspace with two frames, a live model and a candidate."""
    folder = tmp_path_factory.mktemp("world")
    write_quick_arcade(folder / "arcade")
    workspace = Workspace.create(folder / "coronary")
    made = synthetic_cine(seed=2, n_frames=6, shape=(192, 192))
    for number, frame in enumerate((2, 3)):
        shown = Frame(made.cine.frame(frame).astype("uint8"), patient=f"p-{number}", frame_index=frame)
        workspace.dataset.append(shown, made.masks[frame])
    stage_tiny(folder / "staged" / "tiny")
    go_live_with_tiny(workspace, folder / "staged" / "live")
    candidate = workspace.models.add(stage_tiny(folder / "staged" / "candidate", "candidate"))
    live = next(model.id for model in workspace.models.list() if model.card.name == "tiny")
    workspace.models.keep_comparison(told(candidate.id, current=live))
    (folder / "key").write_text(workspace.dataset.site_key().hex() + "\n")
    return folder


@pytest.fixture
def world(root, tmp_path):
    return World(root, tmp_path)


class Terminal:
    """Stderr of somebody who watches."""

    def __init__(self, monkeypatch) -> None:
        self.lines = ""
        monkeypatch.setattr(sys, "stderr", self)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.lines += text
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


def test_every_command_has_a_row_and_an_example():
    assert set(LEAVES) == set(TABLE) == set(EXAMPLES)


@pytest.mark.parametrize("name", LEAVES)
def test_the_short_and_the_long_name_give_one_help_with_an_example(name, capsys):
    shown = []
    for word in ("-h", "--help"):
        assert main([*name.split(), word]) == 0
        out, err = capsys.readouterr()
        shown.append(out)
        assert err == "" and "Example:" in out and f"lightvessel {name}" in out and "<bool>" not in out
        assert "--json" in out and "--quiet" in out
    assert shown[0] == shown[1]


@pytest.mark.parametrize("name", LEAVES)
def test_every_argument_and_option_says_what_it_is(name):
    assert [param.name for param in LEAVES[name].params if not param.help] == []


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, text in EXAMPLES.items() for line in text.splitlines()]
)
def test_an_example_is_a_call_that_the_command_takes(name, line):
    words = shlex.split(line)
    start = 1 + len(name.split())
    assert words[:start] == ["lightvessel", *name.split()]
    context = LEAVES[name].make_context(name, words[start:], parent=typer.Context(COMMAND))
    assert {"as_json", "json"} & set(context.params)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TABLE)
def test_a_good_call_gives_records_on_stdout_and_is_quiet_in_a_pipe(name, world, capsys):
    row = TABLE[name]
    words = row.good(world)
    capsys.readouterr()
    assert main([*name.split(), *words, "--json"]) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert records and all(isinstance(record, dict) and record for record in records)
    unexpected = [line for line in err.splitlines() if not (row.said and re.match(row.said, line))]
    assert unexpected == []


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["people", "machines"])
@pytest.mark.parametrize("name", TABLE)
def test_a_bad_call_is_one_line_on_stderr_and_exit_2(name, more, world, capsys):
    words = TABLE[name].bad(world)
    code = main([*name.split(), *words, *more])
    out, err = capsys.readouterr()
    assert (code, out == "") == (2, not (TABLE[name].goes_on and more))
    assert err.startswith("lightvessel: ") and err.count("\n") == 1


@pytest.mark.parametrize("name", LEAVES)
def test_an_unknown_option_is_one_line_that_names_the_help(name, capsys):
    assert main([*name.split(), "--bogus"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("lightvessel: No such option: --bogus") and err.count("\n") == 1
    assert err.endswith(f" See: lightvessel {name} -h\n")


WATCHED = {
    "segment": r"\[1/4\] 10\.png: 1 frame",
    "evaluate": "frames judged with small: 1 of 4",
    "runs watch": r"step \d+/100 · loss",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WATCHED)
def test_on_a_terminal_one_sees_how_far_it_is_unless_asked_to_be_quiet(name, world, monkeypatch):
    monkeypatch.setattr("src_training.cli.common._TELL_EVERY_S", -1.0)
    words, seen = TABLE[name].good(world), Terminal(monkeypatch)
    assert main([*name.split(), *words]) == 0
    assert re.search(WATCHED[name], seen.lines), seen.lines
    quiet = Terminal(monkeypatch)
    assert main([*name.split(), *words, "--quiet"]) == 0
    assert not re.search(WATCHED[name], quiet.lines)


def test_bad_files_among_good_ones_are_records_with_an_error(world, capsys):
    for kind in ("images", "masks"):
        shutil.copytree(world.arcade / "val" / kind, world.here / kind)
        (world.here / kind / "10.png").write_bytes(b"no picture")
    images, masks = str(world.here / "images"), str(world.here / "masks")
    for words in (
        ["info", images],
        ["segment", images, "-o", str(world.here / "out")],
        ["evaluate", "--images", images, "--masks", masks],
        ["dataset", "import", world.workspace, "--images", images, "--masks", masks],
    ):
        assert main([*words, "--json"]) == 2
        out, err = capsys.readouterr()
        errors = [record for record in map(json.loads, out.splitlines()) if "error" in record]
        assert ["10.png" in record["input"] for record in errors] == [True], words
        assert errors[0]["error"] in err


@pytest.mark.parametrize(
    ("name", "now", "former"), [(" ".join(path), *pair) for path in FORMER for pair in FORMER[path].items()]
)
def test_a_former_name_of_an_option_is_understood_and_not_shown(name, now, former, world, capsys):
    assert main([*name.split(), "-h"]) == 0
    shown = capsys.readouterr().out
    assert now in shown and f" {former}" not in shown
    for word in (now, former):
        assert main([*name.split(), *TABLE[name].good(world), word, "128"]) == 0
    assert "saved" in capsys.readouterr().out


def test_a_threshold_of_masks_and_one_of_probabilities_are_two_names():
    named = {name for name, leaf in LEAVES.items() for param in leaf.params if "--threshold" in param.opts}
    assert named == {"segment"}


def test_the_version_is_one_line(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lightvessel {__version__}\n"


def test_a_guess_is_answered_with_what_was_meant(capsys):
    assert main(["datset"]) == 2
    assert "Did you mean 'dataset'? See: lightvessel -h" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "offered"), [("dataset ap", "append"), ("models rol", "rollback")])
def test_the_shell_completes_words(typed, offered, monkeypatch, capsys):
    monkeypatch.setenv("_LIGHTVESSEL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"lightvessel {typed}")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 0 and capsys.readouterr().out.split() == [offered]


def test_a_models_description_is_no_dump(capsys):
    assert main(["models", "describe", "small"]) == 0
    out = capsys.readouterr().out
    assert "{" not in out and "0.49 M parameters" in out and "precision=0.56 " in out


def test_every_option_that_a_message_names_is_one_of_a_command():
    elsewhere = {
        "--help",
        "--version",
        "--force-reinstall",
        "--no-deps",
        "--tour",
    }  # the root's own; pip's; the demo's
    known = {option for leaf in LEAVES.values() for param in leaf.params for option in param.opts}
    named = {}
    for package in ("src_training", "napari_lightvessel"):
        for file in (Path(__file__).parents[2] / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    named |= dict.fromkeys(
                        re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", node.value), file.name
                    )
    known |= {former for names in FORMER.values() for former in names.values()}
    assert {option: file for option, file in named.items() if option not in known | elsewhere} == {}


READ_MASKS = ["dataset append", "dataset import", "evaluate", "stress"]


@pytest.mark.parametrize("name", READ_MASKS)
def test_what_cures_a_mask_is_understood_wherever_masks_are_read(name):
    taken = {option for param in LEAVES[name].params for option in param.opts}
    cures = re.findall(r"--[a-z-]+", f"{MASK_CURE} {CLASS_CURE}")
    assert {"--invert-masks", "--classes", *cures} <= taken and len(cures) == 4
