"""Promises of the one training loop: it learns, stops politely, resumes exactly, refuses non-finite losses."""

import errno
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from durable_disks import RefusingDisk
from lightning_fabric import Fabric

from src_training import durable
from src_training.errors import Cancelled, RunError
from src_training.models.card import Architecture, Normalisation
from src_training.networks import build_network
from src_training.training import pausing
from src_training.training.augment import augment_intensity
from src_training.training.augment_settings import Augmentation
from src_training.training.loop import fit, freeze_batch_norm
from src_training.training.objectives import TaskObjective
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler, Source
from src_training.training.samples import make_sample
from src_training.training.settings import LoopSettings, TaughtSettings
from src_training.training.stepping import Stepper
from src_training.training.teaching import taught
from src_training.training.validation import Validator

NO_GREY_LEVELS = dict.fromkeys(
    (
        "gamma",
        "contrast",
        "brightness",
        "bias_field",
        "noise",
        "blur",
        "blades",
        "vignette",
        "jpeg",
        "hardware",
    ),
    0.0,
)
TINY = Architecture(base_channels=8, depth=2, blocks=1)


def drawn_samples(count=4):
    """Frames of 64 px with one dark stripe each, and its mask."""
    samples = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        mask = np.zeros((64, 64), np.uint8)
        row = int(rng.integers(15, 50))
        mask[row : row + 4, 5:60] = 1
        frame = rng.normal(150, 5, (64, 64)) - 60 * mask
        samples.append(
            make_sample(str(seed), frame, mask, normalisation=Normalisation(), input_size=64, stride=8)
        )
    return samples


def settings(**changes):
    """A loop of 30 steps on crops of 32 px."""
    values = {
        "steps": 30,
        "batch_pixels": 64**2,
        "crop_sizes": (32,),
        "validate_every": 10,
        "learning_rate": 5e-3,
        "ema_decay": 0.5,
        "device": "cpu",
    }
    return LoopSettings(**(values | changes))


def run(folder, watcher=None, objective=None, samples=None, **changes):
    """Fit a tiny network; return it."""
    torch.manual_seed(0)
    network = build_network(TINY)
    samples = samples or drawn_samples()
    chosen = settings(**changes)
    sampler = Sampler(
        [Source(samples, 1.0)],
        seed=chosen.seed,
        batch_pixels=chosen.batch_pixels,
        crop_sizes=chosen.crop_sizes,
        augmentation=Augmentation(),
        stem_channels=8,
    )
    fit(
        network,
        sampler,
        objective or TaskObjective(0.5),
        Validator(samples),
        chosen,
        folder,
        watcher or Watcher(),
    )
    return network


def test_it_learns_to_find_a_stripe(tmp_path):
    samples = drawn_samples()
    before = Validator(samples)(build_network(TINY))["dice"]
    network = run(tmp_path, steps=60, samples=samples)
    assert Validator(samples)(network)["dice"] > max(0.7, before + 0.2)


def test_the_average_of_a_short_training_is_not_where_it_began(tmp_path):
    samples = drawn_samples()
    network = run(tmp_path, steps=60, samples=samples, ema_decay=0.999)
    assert Validator(samples)(network)["dice"] > 0.7


def test_a_cancelled_run_resumes_to_the_same_weights_as_an_unbroken_one(tmp_path):
    unbroken = run(tmp_path / "unbroken").state_dict()
    asked = itertools.count()
    with pytest.raises(Cancelled, match="step 14"):
        run(tmp_path / "broken", Watcher(cancelled=lambda: next(asked) >= 13))
    resumed = run(tmp_path / "broken").state_dict()
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_a_distillation_of_a_network_with_dropout_resumes_exactly(tmp_path):
    def train(folder, watcher=None):
        torch.manual_seed(0)
        student, teacher = build_network(Architecture(family="enet", base_channels=8)), build_network(TINY)
        samples = drawn_samples()
        sampler = Sampler(
            [Source(samples, 1.0)], seed=0, batch_pixels=64**2, crop_sizes=(32,), augmentation=Augmentation()
        )
        chosen = TaughtSettings(
            steps=8,
            batch_pixels=64**2,
            crop_sizes=(32,),
            validate_every=8,
            device="cpu",
            method="soft-kd+fitnet+skd",
        )
        objective = taught(student, TaskObjective(0.5), teacher, sampler, chosen, Watcher())
        fit(student, sampler, objective, Validator(samples), chosen, folder, watcher or Watcher())
        return {**student.state_dict(), **dict(objective.named_parameters())}

    unbroken = train(tmp_path / "unbroken")
    asked = itertools.count()
    with pytest.raises(Cancelled, match="step 4"):
        train(tmp_path / "broken", Watcher(cancelled=lambda: next(asked) >= 3))
    resumed = train(tmp_path / "broken")
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_a_gradient_that_is_not_finite_stops_the_run_too(tmp_path):
    def root_at_zero(network, batch, _step):
        logits = network(batch.image).logits
        return {"root": torch.sqrt((logits - logits.detach()).abs().sum())}  # finite, but its slope is not

    with pytest.raises(RunError, match=r"the gradient became .* at step 0"):
        run(tmp_path, objective=root_at_zero)


def test_a_run_that_gave_up_is_not_taken_up_again(tmp_path):
    quick = {"steps": 1000, "validate_every": 1, "patience": 2, "learning_rate": 1e-9}
    run(tmp_path, **quick)
    events = []
    run(tmp_path, Watcher(emit=events.append), **quick)
    assert not [event for event in events if event["event"] == "validated"]


def test_a_non_finite_loss_stops_the_run_at_once(tmp_path):
    def broken(network, batch, _step):
        return {"bce": network(batch.image).logits.sum() * float("nan")}

    with pytest.raises(RunError, match=r"the loss became nan at step 0.*never be promoted"):
        run(tmp_path, objective=broken)
    assert not (tmp_path / "best.pt").exists()


def test_events_tell_progress_validation_and_checkpoints(tmp_path):
    events = []
    run(tmp_path, Watcher(emit=events.append), checkpoint_minutes=1e-4)
    kinds = {event["event"] for event in events}
    assert kinds == {"progress", "validated", "checkpoint"}
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["step"], last["steps"]) == (30, 30)


class FullFor(RefusingDisk):
    """Full for so many attempts."""

    def __init__(self, root, attempts):
        super().__init__(root, errno.ENOSPC)
        self.attempts = attempts

    def open(self, path, flags, mode=0o666):
        self.attempts -= 1
        self.refusing = self.attempts >= 0
        return super().open(path, flags, mode)


def test_a_full_disk_pauses_a_run_until_there_is_space(tmp_path, monkeypatch):
    unbroken = run(tmp_path / "unbroken").state_dict()
    monkeypatch.setattr(pausing, "_LOOK_S", 0.01)
    monkeypatch.setattr(durable, "disk", FullFor(tmp_path / "full", 5))
    events = []
    paused = run(tmp_path / "full", Watcher(emit=events.append)).state_dict()
    said = [event["message"] for event in events if event["event"] == "log"]
    assert said == [
        "paused at step 10: the disk is full. Free some space and it goes on, or cancel it",
        "there is space again: going on from step 10",
    ]
    assert all(torch.equal(paused[name], unbroken[name]) for name in unbroken)
    assert sorted(path.name for path in (tmp_path / "full").iterdir()) == ["best.pt", "last.pt"]


def test_a_run_that_waits_for_space_can_be_cancelled(tmp_path, monkeypatch):
    monkeypatch.setattr(durable, "disk", RefusingDisk(tmp_path, errno.ENOSPC))
    events = []
    with pytest.raises(Cancelled, match="for want of space"):
        run(tmp_path, Watcher(events.append, lambda: any("paused" in e.get("message", "") for e in events)))


def test_a_disk_that_refuses_otherwise_ends_the_run_with_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(durable, "disk", RefusingDisk(tmp_path, errno.EROFS))
    with pytest.raises(RunError, match=r"what was learnt cannot be written: .*write permission"):
        run(tmp_path)


def test_patience_stops_a_run_that_no_longer_improves(tmp_path):
    events = []
    run(tmp_path, Watcher(emit=events.append), steps=1000, validate_every=1, patience=2, learning_rate=1e-9)
    assert sum(event["event"] == "validated" for event in events) < 20


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    run(tmp_path, steps=2)
    other = build_network(Architecture(base_channels=16, depth=2, blocks=1))
    samples = drawn_samples()
    sampler = Sampler(
        [Source(samples, 1.0)], seed=0, batch_pixels=64**2, crop_sizes=(32,), augmentation=Augmentation()
    )
    with pytest.raises(RunError, match="does not fit the run"):
        fit(other, sampler, TaskObjective(0), Validator(samples), settings(), tmp_path, Watcher())


def test_frozen_statistics_stay_as_they_were(tmp_path):
    torch.manual_seed(0)
    fresh = {k: v for k, v in build_network(TINY).state_dict().items() if "running" in k}
    tuned = run(tmp_path, steps=5, freeze_statistics=True).state_dict()
    assert all(torch.allclose(tuned[name], fresh[name]) for name in fresh)


def test_batches_depend_on_seed_and_step_only():
    samples = drawn_samples()

    def batch(seed, step):
        sampler = Sampler(
            [Source(samples, 1.0)],
            seed=seed,
            batch_pixels=64**2,
            crop_sizes=(32,),
            augmentation=Augmentation(),
        )
        return sampler.batch(step).image

    assert torch.equal(batch(1, 7), batch(1, 7))
    assert not torch.equal(batch(1, 7), batch(1, 8))
    assert not torch.equal(batch(1, 7), batch(2, 7))


def test_geometry_moves_image_and_labels_together():
    samples = drawn_samples(1)
    still = Augmentation(**NO_GREY_LEVELS)
    sampler = Sampler(
        [Source(samples, 1.0)], seed=3, batch_pixels=16 * 48**2, crop_sizes=(48,), augmentation=still
    )
    batch = sampler.batch(0)
    inside = batch.image[batch.vessel > 0].mean()
    assert inside < batch.image[(batch.vessel == 0) & (batch.image > -1.2)].mean() - 0.8


def test_devices_darken_a_crop_along_lines_and_leave_its_labels(monkeypatch):
    def batch(hardware):
        still = Augmentation(**NO_GREY_LEVELS | {"hardware": hardware})
        sources = [Source(drawn_samples(2), 1.0)]
        return Sampler(sources, seed=3, batch_pixels=16 * 64**2, crop_sizes=(64,), augmentation=still).batch(
            0
        )

    without, with_devices = batch(0.0), batch(1.0)
    darker = without.image - with_devices.image
    assert torch.equal(without.vessel, with_devices.vessel) and darker.min() > -1e-5
    touched = (darker > 0.02).float().mean()
    assert 0.001 < touched < 0.4


@pytest.mark.parametrize("ingredient", NO_GREY_LEVELS)
def test_every_grey_level_ingredient_does_something_and_stays_finite(ingredient):
    image = torch.randn(1, 96, 96, generator=torch.Generator().manual_seed(0)).clamp(-1.4, 1.4) * 0.5
    most = {"contrast": 0.9}.get(ingredient, 1.0)

    def augmented(seed, **changes):
        settings = Augmentation(**NO_GREY_LEVELS | changes)
        return augment_intensity(image, settings, np.random.default_rng(seed))[0]

    for seed in range(4):
        changed = augmented(seed, **{ingredient: most})
        assert torch.isfinite(changed).all() and changed.shape == image.shape
    assert max((augmented(s, **{ingredient: most}) - augmented(s)).abs().max() for s in range(4)) > 0.01


@pytest.mark.parametrize("ingredient", ["blades", "vignette"])
def test_a_vessel_under_a_collimator_is_no_lesson(ingredient):
    def batch(**changes):
        still = Augmentation(**NO_GREY_LEVELS | changes)
        source = [Source(drawn_samples(2), 1.0)]
        return Sampler(source, seed=3, batch_pixels=16 * 64**2, crop_sizes=(64,), augmentation=still).batch(0)

    clear, dark = batch(), batch(**{ingredient: 1.0})
    lost = (clear.vessel > 0) & (dark.vessel == 0)
    assert lost.any() and torch.equal(lost, (clear.valid > 0) & (dark.valid == 0))
    light = (dark.image + 1.5) / (clear.image + 1.5)
    seen = clear.image > -1  # where the frame itself is black there is no light to lose
    assert light[lost & seen].max() < 0.5 and light[(dark.vessel > 0) & seen].min() > 0.3


def test_replay_frames_fill_their_share():
    samples = drawn_samples(2)
    sources = [Source(samples[:1], 1.0), Source(samples[1:], 0.5, replay=True)]
    sampler = Sampler(sources, seed=0, batch_pixels=8 * 32**2, crop_sizes=(32,), augmentation=Augmentation())
    assert sampler.batch(0).replay.tolist() == [0.0] * 4 + [1.0] * 4


def test_frames_without_a_label_have_no_reviewed_pixel_even_beyond_their_border():
    bare = [replace(sample, label=np.full_like(sample.label, 255)) for sample in drawn_samples(2)]
    sources = [Source(drawn_samples(2), 1.0), Source(bare, 0.5, labelled=False)]
    far = Augmentation(scale=(0.4, 0.4))
    sampler = Sampler(sources, seed=0, batch_pixels=8 * 64**2, crop_sizes=(64,), augmentation=far)
    for step in range(4):
        batch = sampler.batch(step)
        assert (batch.labelled == 0).any()
        assert batch.valid[batch.labelled == 0].sum() == 0 < batch.valid[batch.labelled == 1].sum()


@pytest.mark.parametrize("world", [1, 2])
def test_a_small_share_holds_over_many_steps(world):
    samples = drawn_samples(2)
    sources = [Source(samples[:1], 1.0), Source(samples[1:], 0.25, replay=True)]
    sampler = Sampler(
        sources, seed=0, batch_pixels=4 * 32**2, crop_sizes=(32,), augmentation=Augmentation(blur=0, noise=0)
    )
    shares = [sampler.batch(step, 0, world).replay.mean() for step in range(60)]
    assert abs(float(np.mean(shares)) - 0.25) < 0.08


def test_which_frame_is_drawn_does_not_depend_on_the_size_of_the_crops():
    samples = [replace(s, name=str(i)) for i, s in enumerate(drawn_samples(4) * 10)]
    sampler = Sampler(
        [Source(samples, 1.0)],
        seed=0,
        batch_pixels=2 * 64**2,
        crop_sizes=(32, 64),
        augmentation=Augmentation(),
    )
    picked: dict[int, set[int]] = {32: set(), 64: set()}
    for step in range(150):
        size = int(np.random.default_rng([0, step]).choice((32, 64)))
        picked[size].add(int(np.random.default_rng([0, step, 1]).integers(len(samples))))
        assert sampler.batch(step).image.shape[-1] == size
    assert all(max(found) > 30 and min(found) < 10 for found in picked.values())


def test_two_processes_share_one_batch_with_the_same_mix():
    samples = drawn_samples(3)
    sources = [Source(samples[:2], 1.0), Source(samples[2:], 0.5, labelled=False)]
    sampler = Sampler(
        sources,
        seed=0,
        batch_pixels=8 * 32**2,
        crop_sizes=(32,),
        augmentation=Augmentation(),
        stem_channels=8,
    )
    whole = sampler.batch(5)
    ranks = [sampler.batch(5, rank, 2) for rank in (0, 1)]
    assert all(rank.labelled.tolist() == [1, 1, 0, 0] for rank in ranks)
    for rank, part in enumerate(ranks):
        assert torch.equal(part.image, whole.image[rank::2])
        assert torch.equal(part.channel_keep, whole.channel_keep[rank::2])


def gradients_of(samples, objective, parts=1):
    """Gradients of one step of a tiny network on eight crops, and how many parts it took."""
    torch.manual_seed(0)
    network = build_network(TINY)
    freeze_batch_norm(network.train())
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimiser = fabric.setup(network, torch.optim.SGD(network.parameters(), lr=0.0))
    stepper = Stepper(fabric, wrapped, optimiser, objective, gradient_clip=1e9)
    stepper.parts = parts
    sources = [Source(samples, 1.0)]
    sampler = Sampler(sources, seed=0, batch_pixels=8 * 32**2, crop_sizes=(32,), augmentation=Augmentation())
    stepper.take(sampler.batch(0), 0)
    return torch.cat([p.grad.flatten() for p in network.parameters()]), stepper.parts


def memory_for(frames, tried=None):
    """An objective whose device holds so many frames at a time; ``tried`` takes the sizes it is asked for."""

    def objective(network, batch, step):
        if tried is not None:
            tried.append(len(batch))
        if len(batch) > frames:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return TaskObjective(0.5)(network, batch, step)

    return objective


@pytest.mark.parametrize(("frames", "expected"), [(8, 1), (4, 2), (3, 4), (1, 8)])
def test_running_out_of_memory_goes_on_in_smaller_parts_with_the_same_gradient(frames, expected):
    samples = drawn_samples()
    whole, _ = gradients_of(samples, TaskObjective(0.5))
    in_parts, parts = gradients_of(samples, memory_for(frames))
    assert parts == expected
    assert torch.allclose(whole, in_parts, atol=1e-6)


def test_a_resumed_run_knows_what_its_memory_holds_and_equals_an_unbroken_one(tmp_path):
    unbroken = run(tmp_path / "unbroken", objective=memory_for(1)).state_dict()
    asked, tried = itertools.count(), []
    with pytest.raises(Cancelled, match="step 14"):
        run(tmp_path / "broken", Watcher(cancelled=lambda: next(asked) >= 13), memory_for(1))
    resumed = run(tmp_path / "broken", objective=memory_for(1, tried)).state_dict()
    assert set(tried) == {1}
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_a_run_that_was_short_of_memory_says_so_and_finishes(tmp_path):
    failed = []

    def once_short(network, batch, step):
        if not failed:
            failed.append(step)
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return TaskObjective(0.5)(network, batch, step)

    events = []
    run(tmp_path, Watcher(emit=events.append), once_short, steps=5)
    said = [event["message"] for event in events if event["event"] == "log"]
    assert said == ["out of memory: from now on a batch is computed in 2 parts"]
    assert (tmp_path / "best.pt").exists()


def test_memory_that_does_not_suffice_for_one_frame_ends_the_run(tmp_path):
    tried = []

    def never(_network, batch, _step):
        tried.append(len(batch))
        raise MemoryError

    with pytest.raises(MemoryError):
        run(tmp_path, objective=never)
    assert tried == [4, 2, 1]


DAMAGES = {
    "random": (lambda data: np.random.default_rng(0).bytes(4000), "is damaged, or cut short"),
    "cut short": (lambda data: data[: len(data) // 2], "is damaged, or cut short"),
    "empty": (lambda data: b"", "is damaged, or cut short"),
    "a number": (lambda data: b"e101", "is damaged, or cut short"),
    "missing": (lambda data: None, "is missing"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(folder, steps=2, validate_every=1)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "damage"),
    [*(("last.pt", damage) for damage in DAMAGES if damage != "missing"), *(("best.pt", d) for d in DAMAGES)],
)
def test_a_damaged_checkpoint_is_a_line_that_names_it_and_the_cure(finished, tmp_path, name, damage):
    harm, finding = DAMAGES[damage]
    for part, data in finished.items():
        content = harm(data) if part == name else data
        if content is not None:
            (tmp_path / part).write_bytes(content)
    with pytest.raises(RunError) as caught:
        run(tmp_path, steps=2, validate_every=1)
    assert (
        str(caught.value) == f"{tmp_path / name}: {finding}. Remove the folder {tmp_path.name} to begin anew."
    )


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("shares", [(0.25, 0.25), (0.8, 0.1), (0.9,), (0.5,), (0.3, 0.6)])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_batch_holds_its_size_and_every_share_over_many_steps(world, shares, count):
    first, *others = [Source(drawn_samples(1), share) for share in (1.0, *shares)]
    sampler = Sampler([first, *others], seed=0, batch_pixels=0, crop_sizes=(32,), augmentation=Augmentation())
    rng = np.random.default_rng(0)
    sizes = np.array([[len(p) for _, p in sampler._places(count, world, rng)] for _ in range(4000)])
    least = world * 2 if count // world < 2 else count  # a frame of the first source and one of the others'
    assert sizes.sum(axis=1).max() <= least and sizes[:, 0].min() >= world
    assert (sizes % world == 0).all()
    room = max(1, count // world - 1) * world
    wanted = np.array(shares) * count * min(1, room / (sum(shares) * count))
    assert np.allclose(sizes[:, 1:].mean(axis=0), wanted, atol=0.06)
