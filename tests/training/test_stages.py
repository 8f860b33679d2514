"""Promises of a distillation in stages: broken off anywhere it equals an unbroken one, and what fails does so first."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
import torch
from test_loop import drawn_samples

from src_training.errors import Cancelled, ModelError
from src_training.models.card import Architecture
from src_training.networks import build_network
from src_training.training import train_student
from src_training.training.augment_settings import Augmentation
from src_training.training.material import Material
from src_training.training.objectives import TaskObjective
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler, Source
from src_training.training.settings import TrainSettings
from src_training.training.teaching import taught
from src_training.training.train_student import publish_student, train_on

PUBLISHED = TrainSettings(
    architecture=Architecture(base_channels=8, depth=3, blocks=1),
    teacher="professor",
    method="fsd-paper+asd-paper+fitnet",
    plain_steps=3,
    projector_steps=3,
    steps=4,
    balance=0.2,
    ramp=0.0,
    batch_pixels=64**2,
    crop_sizes=(32,),
    validate_every=2,
    device="cpu",
)


@pytest.fixture
def published(monkeypatch):
    """Train in stages on tiny frames, without a model folder; the weights that would be published."""
    kept = {}

    def keep(network, _held_out, _settings, _folder, weights, _watcher):
        kept.update(network.state_dict(), weights=weights)

    def professor(_model):
        with torch.random.fork_rng():  # what follows goes on where the generator stood
            torch.manual_seed(9)
            network = build_network(Architecture(base_channels=16, depth=3, blocks=1))
        return network.eval().requires_grad_(False)

    monkeypatch.setattr(train_student, "fitting_teacher", lambda *_: SimpleNamespace())
    monkeypatch.setattr(train_student, "teacher_network", professor)
    monkeypatch.setattr(train_student, "publish_student", keep)
    monkeypatch.setattr(train_student, "read_card", lambda _folder: None)

    def train(output, watcher=None):
        samples = drawn_samples()
        train_on(Material([Source(samples, 1.0)], samples), PUBLISHED, output, watcher or Watcher())
        return dict(kept)

    return train


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name] == other[name] if name == "weights" else torch.equal(one[name], other[name]) for name in one
    )


def test_a_distillation_broken_off_between_its_stages_equals_an_unbroken_one(published, tmp_path):
    unbroken = published(tmp_path / "unbroken")
    shutil.copytree(tmp_path / "unbroken" / "plain", tmp_path / "broken" / "plain")
    assert same(published(tmp_path / "broken"), unbroken)


def test_a_distillation_broken_off_while_it_is_taught_fits_no_second_projector(published, tmp_path):
    unbroken = published(tmp_path / "unbroken")
    heard = []

    def taught_for_two_steps():
        begun = [index for index, event in enumerate(heard) if "taught by" in event.get("message", "")]
        return any(event["event"] == "validated" for event in heard[begun[0] :]) if begun else False

    with pytest.raises(Cancelled, match="step 2"):
        published(tmp_path / "broken", Watcher(heard.append, taught_for_two_steps))
    said = []
    assert same(published(tmp_path / "broken", Watcher(emit=said.append)), unbroken)
    assert not [event for event in said if "projector" in event.get("message", "")]


def test_a_teacher_that_does_not_fit_is_refused_before_any_frame_is_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(train_student, "gather", lambda *_: pytest.fail("frames were prepared first"))
    with pytest.raises(ModelError, match="labels syntax, the student full-tree"):
        train_student.train_student(
            TrainSettings(teacher="teacher-syntax"), tmp_path, tmp_path / "out", Watcher()
        )


class Short(torch.nn.Module):
    """A network on a device that holds one frame; ``tried`` takes the sizes it is asked for."""

    def __init__(self, network):
        super().__init__()
        self.network, self.tried = network, []

    def forward(self, image):
        self.tried.append(len(image))
        if len(image) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return self.network(image)


def test_what_comes_before_the_loop_fits_a_device_that_holds_one_frame():
    samples = drawn_samples()
    sampler = Sampler(
        [Source(samples, 1.0)], seed=0, batch_pixels=8 * 32**2, crop_sizes=(32,), augmentation=Augmentation()
    )

    def prepared(on_device):
        torch.manual_seed(0)
        student, teacher = (build_network(Architecture(base_channels=c, depth=3, blocks=1)) for c in (8, 16))
        teacher = on_device(teacher.eval())
        objective = taught(student, TaskObjective(0.5), teacher, sampler, PUBLISHED, Watcher())
        return objective, teacher

    roomy, _ = prepared(lambda teacher: teacher)
    short, teacher = prepared(Short)
    assert teacher.tried[:5] == [
        1,
        8,
        4,
        2,
        1,
    ]  # the first looks at shapes only, the others fit the projector
    assert teacher.tried.count(8) == teacher.tried.count(4) == 1
    assert teacher.tried[-33:] == [2] + [1] * 32  # four batches of eight
    for name, tensor in roomy.loss("fsd-paper").state_dict().items():
        assert torch.allclose(tensor, short.loss("fsd-paper").state_dict()[name], atol=1e-5)
    assert all(0 < weight < 1e3 for weight in short.told_weights().values())


def test_a_teacher_that_taught_nothing_is_not_on_the_card(tmp_path):
    settings = PUBLISHED.model_copy(
        update={"teacher": "teacher-syntax", "label_protocol": "syntax", "method": "plain"}
    )
    network = build_network(settings.architecture).eval()
    card = publish_student(network, drawn_samples(), settings, tmp_path, {}, Watcher())
    assert card.teacher is None
