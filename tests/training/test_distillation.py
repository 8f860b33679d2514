"""Promises of the distillation terms: zero when alike, sound gradients, per-sample means, what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from src_training.distillation.asd_paper import asd_paper_term
from src_training.distillation.balance import balanced_weights
from src_training.distillation.fitnet import FitNet
from src_training.distillation.fsd_map import shift_map
from src_training.distillation.objective import _FUNCTIONS, _MODULES, DistillationObjective
from src_training.distillation.pair import Pair
from src_training.distillation.projecting import fit_projector
from src_training.distillation.recipe import METHODS, Term, parse_method
from src_training.distillation.skd import Predictions
from src_training.errors import LightVesselError
from src_training.models.card import Architecture
from src_training.networks import build_network
from src_training.networks.network import Output
from src_training.training.objectives import TaskObjective
from src_training.training.progress import Watcher
from src_training.training.samples import Batch

STUDENT = Architecture(base_channels=8, depth=3, blocks=1)
TEACHER = Architecture(family="lite0-unet", base_channels=16)


def batch_of(count=4, size=64, unlabelled=()):
    """Random crops with a stripe as vessel; the frames in ``unlabelled`` have no label."""
    generator = torch.Generator().manual_seed(3)
    vessel = torch.zeros(count, 1, size, size)
    vessel[:, :, 20:28] = 1
    valid = (torch.rand(count, 1, size, size, generator=generator) > 0.2).float()
    labelled = torch.ones(count)
    for index in unlabelled:
        valid[index], labelled[index], vessel[index] = 0, 0, 0
    image = torch.randn(count, 1, size, size, generator=generator) - vessel
    return Batch(image, vessel, valid, vessel * valid, torch.zeros(count), labelled, None)


def networks(student=STUDENT, teacher=TEACHER):
    torch.manual_seed(0)
    return build_network(student).eval(), build_network(teacher).eval()


def pair_of(student, teacher, batch):
    with torch.no_grad():
        seen = teacher(batch.image)
    return Pair.of(student(batch.image), seen, batch)


def term(name, pair):
    """The method; those with parts of their own built for ``pair``."""
    torch.manual_seed(1)
    return _FUNCTIONS.get(name) or _MODULES[name].between(pair)


def same(output: Output) -> Output:
    """The features as a leaf of their own, so that gradients can be read."""

    def leaf(x):
        return x.detach().clone().requires_grad_()

    return Output(
        leaf(output.logits),
        {s: leaf(x) for s, x in output.encoder.items()},
        {s: leaf(x) for s, x in output.decoder.items()},
    )


def leaves(output: Output):
    return [output.logits, *output.encoder.values(), *output.decoder.values()]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("fitnet", "skd", "fsd-paper")])
def test_a_student_like_its_teacher_costs_nothing(name):
    student, _ = networks()
    pair = pair_of(student, student, batch_of(unlabelled=[3]))
    assert term(name, pair)(pair).abs().max() < 1e-5


def test_the_published_shift_is_zero_for_equal_latents():
    student, _ = networks()
    pair = pair_of(student, student, batch_of())
    method = term("fsd-paper", pair)
    for part in (method.projector.widen, method.projector.narrow):
        for name in list(part):
            if name.startswith("student"):
                part[name] = part[name.replace("student", "teacher")]
    assert method(pair).abs().max() < 1e-5


def test_the_adapter_of_fitnet_can_be_the_identity():
    student, _ = networks()
    pair = pair_of(student, student, batch_of())
    method = FitNet.between(pair)
    for adapter in method.adapters.values():
        torch.nn.init.dirac_(adapter.weight)
        torch.nn.init.zeros_(adapter.bias)
    assert method(pair).abs().max() < 1e-10


def test_the_literal_distance_is_the_mean_one_times_the_root_of_the_reviewed_pixels():
    student, teacher = networks()
    batch = batch_of()
    pair = Pair.of(student(batch.image), teacher(batch.image), batch)
    reviewed = batch.valid.sum(dim=(1, 2, 3))
    assert torch.allclose(asd_paper_term(pair, "sum"), asd_paper_term(pair) * reviewed.sqrt(), rtol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_only_the_student_gets_a_gradient_and_it_is_finite_and_bounded(name):
    student, teacher = networks()
    batch = batch_of(unlabelled=[2])
    of_student, of_teacher = same(student(batch.image)), same(teacher(batch.image))
    pair = Pair.of(of_student, of_teacher, batch)
    term(name, pair)(pair).sum().backward()
    assert all(x.grad is None for x in leaves(of_teacher))
    gradients = [x.grad for x in leaves(of_student) if x.grad is not None]
    assert gradients and all(torch.isfinite(g).all() for g in gradients)
    assert 0 < max(float(g.abs().max()) for g in gradients) < 100


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e4])
def test_dead_and_huge_features_give_finite_bounded_gradients(name, scale):
    student, teacher = networks()
    batch = batch_of(unlabelled=[2])
    output = student(batch.image)
    scaled = Output(
        output.logits * min(scale, 10),
        {s: x * scale for s, x in output.encoder.items()},
        {s: x * scale for s, x in output.decoder.items()},
    )
    of_student = same(scaled)
    pair = Pair.of(of_student, teacher(batch.image), batch)
    term(name, pair)(pair).sum().backward()
    gradients = [x.grad for x in leaves(of_student) if x.grad is not None]
    assert all(torch.isfinite(g).all() for g in gradients)
    if name == "fitnet" and scale > 1:
        return  # a squared distance grows with the features; gradient clipping bounds the step
    # in units of the feature's own size: a step along it must not blow the feature up
    sized = [
        float((g * x.detach().abs().clamp_min(1e-3).mean()).abs().max())
        for g, x in _with_gradients(of_student)
    ]
    assert max(sized) < 2000


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e-3, 1.0])
def test_the_gradient_of_fsd_map_is_small_however_small_the_features(scale):
    student, teacher = networks()
    batch = batch_of(unlabelled=[2])
    output = student(batch.image)
    of_student = same(
        Output(
            output.logits,
            {s: x * scale for s, x in output.encoder.items()},
            {s: x * scale for s, x in output.decoder.items()},
        )
    )
    pair = Pair.of(of_student, teacher(batch.image), batch)
    term("fsd-map", pair)(pair).sum().backward()
    assert max(float(g.abs().max()) for g, _ in _with_gradients(of_student)) < 500


def test_one_dead_location_of_a_live_map_gets_no_gradient_beyond_the_others():
    draw = torch.Generator().manual_seed(0)
    encoder, decoder = (100 * torch.randn(1, 8, 16, 16, generator=draw) for _ in range(2))
    encoder[..., 5, 5] = 0.0
    encoder[..., 5, 5] = encoder.sum(dim=(2, 3)) / 255  # the mean of the others: nothing is left when centred
    encoder.requires_grad_(True)
    shift_map(encoder, decoder).pow(2).sum().backward()
    dead = float(encoder.grad[..., 5, 5].abs().max())
    assert dead < 200 * float(encoder.grad.abs().median())


def _with_gradients(output):
    return [(x.grad, x) for x in leaves(output) if x.grad is not None]


@pytest.mark.parametrize("name", METHODS)
def test_bf16_features_are_compared_in_float32(name):
    student, teacher = networks()
    batch = batch_of()
    with torch.autocast("cpu", torch.bfloat16):
        of_student = student(batch.image)
        with torch.no_grad():
            of_teacher = teacher(batch.image)
    pair = Pair.of(of_student, of_teacher, batch)
    value = term(name, pair)(pair)
    assert value.dtype == torch.float32 and torch.isfinite(value).all()


@pytest.mark.parametrize("name", [name for name in METHODS if name != "skd"])
def test_two_halves_of_a_batch_give_the_gradient_of_the_whole(name):
    student, teacher = networks()
    batch = batch_of(unlabelled=[3])
    method = term(name, pair_of(student, teacher, batch))

    def gradient(part):
        student.zero_grad()
        method(pair_of(student, teacher, part)).mean().backward()
        return torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None])

    whole = gradient(batch)
    halves = torch.stack([gradient(part) for part in batch.split(2)]).mean(dim=0)
    assert torch.allclose(whole, halves, atol=1e-6 * max(1.0, float(whole.abs().max())))


@pytest.mark.parametrize("name", ["asd-paper", "asd-window"])
def test_distances_from_the_annotation_are_zero_where_there_is_none(name):
    student, teacher = networks()
    pair = pair_of(student, teacher, batch_of(unlabelled=[1, 3]))
    found = term(name, pair)(pair)
    assert found[[1, 3]].tolist() == [0.0, 0.0]
    assert (found[[0, 2]] >= 0).all() and found[[0, 2]].sum() > 0


@pytest.mark.parametrize("name", ["asd-paper", "asd-window", "ifv"])
def test_what_lies_under_ignored_pixels_does_not_matter(name):
    """A label there is not looked at; ``asd`` does not look at the prediction there either."""
    student, teacher = networks()
    batch = batch_of()
    other = replace(batch, vessel=torch.where(batch.valid > 0, batch.vessel, 1 - batch.vessel))
    values = [term(name, pair)(pair) for pair in (pair_of(student, teacher, b) for b in (batch, other))]
    assert torch.allclose(*values, atol=1e-6)


def test_beating_the_teacher_is_never_punished_by_windows_but_was_as_published():
    batch = batch_of()
    sharp, blunt = 8 * (batch.vessel - 0.5), 2 * (batch.vessel - 0.5)
    features = {4: torch.zeros(4, 1, 4, 4)}
    better = Pair(
        Output(sharp.requires_grad_(), features, features), Output(blunt, features, features), batch
    )
    assert _FUNCTIONS["asd-window"](better).max() == 0
    _FUNCTIONS["asd-paper"](better).sum().backward()
    on_vessel = (batch.vessel * batch.valid) > 0
    assert (sharp.grad[on_vessel] > 0).all()  # descent lowers the logits of vessel: away from the label


def test_the_shift_map_tells_where_and_not_how_wide():
    torch.manual_seed(0)
    wide = [shift_map(torch.randn(2, c, 32, 32), torch.randn(2, c, 32, 32)).mean() for c in (16, 512)]
    assert abs(float(wide[0] - wide[1])) < 0.1  # with the diagonal this is above 0.5
    decoder = torch.randn(1, 32, 64, 64)
    encoder = decoder.clone()
    encoder[..., :32, :32] = torch.randn(1, 32, 32, 32)
    moved = 1 - shift_map(encoder, decoder).view(16, 16)
    assert moved[:8, :8].mean() > 2 * moved[8:, 8:].mean()


def test_soft_labels_reach_unlabelled_frames_where_the_teacher_is_sure():
    batch = batch_of(unlabelled=[0, 1, 2, 3])
    features = {4: torch.zeros(4, 1, 4, 4)}
    sure, unsure = torch.full_like(batch.vessel, 4.0), torch.full_like(batch.vessel, 0.1)
    teacher_logits = torch.cat([sure[:2], unsure[2:]])
    pair = Pair(
        Output(torch.zeros_like(sure), features, features), Output(teacher_logits, features, features), batch
    )
    found = _FUNCTIONS["soft-kd"](pair)
    assert (found[:2] > 0.1).all() and (found[2:] == 0).all()


def test_the_critic_learns_to_tell_student_from_teacher():
    student, teacher = networks()
    pair = pair_of(student, teacher, batch_of())
    method = term("skd", pair)
    image = pair.batch.image

    def told_apart():
        return method.judged(image, pair.teacher_probability) - method.judged(image, pair.student_probability)

    before = told_apart()
    for _ in range(20):
        method.after_step(Predictions.of(pair))
    after = told_apart()
    assert after.mean() > before.mean()
    restored = term("skd", pair)
    restored.load_state_dict(method.state_dict())
    assert restored.optimiser.state_dict()["state"]


def objective_of(method, ramp_steps=0):
    student, teacher = networks()
    batch = batch_of(unlabelled=[3])
    pair = pair_of(student, teacher, batch)
    objective = DistillationObjective(TaskObjective(0.5), teacher, parse_method(method), pair, ramp_steps)
    return objective, student, batch


def test_an_objective_composes_its_terms_with_weights_and_ramp():
    objective, student, batch = objective_of("fsd-map:2+soft-kd:0.5", ramp_steps=10)
    early, late = objective(student, batch, 0), objective(student, batch, 50)
    assert set(late) == {"bce", "dice", "skeleton", "fsd-map", "soft-kd"}
    assert float(early["fsd-map"]) == pytest.approx(float(late["fsd-map"]) / 10, rel=1e-5)
    assert float(early["dice"]) == float(late["dice"])
    plain = objective.loss("soft-kd")(objective.pair(student, batch)).mean()
    assert float(late["soft-kd"]) == pytest.approx(0.5 * float(plain), rel=1e-5)


class _NoDoubles(TorchDispatchMode):
    """Stands in for Apple's GPUs, which refuse whatever would make a tensor of double precision."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_flatten(made)[0]:
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64:
                raise TypeError(f"{function} makes float64")
        return made


@pytest.mark.parametrize("method", ["lightvessel", "fsd-map:2+soft-kd:0.5"])
def test_a_device_without_double_precision_balances_and_learns(method):
    with _NoDoubles():
        objective, student, batch = objective_of(method)
        objective.set_weights(balanced_weights(objective, student, [batch], 0.2))
        terms = objective(student, batch, 100)
        torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(term) for term in terms.values())


def test_balanced_terms_pull_with_the_share_they_are_given():
    objective, student, batch = objective_of("lightvessel")
    student.train()
    objective.set_weights(balanced_weights(objective, student, [batch], 0.2))
    assert student.training
    student.eval()
    parameters = [p for n, p in student.named_parameters() if n.startswith(("decoder", "up", "head"))]
    terms = objective(student, batch, 100)

    def norm(names):
        loss = torch.stack([terms[name] for name in names]).sum()
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        return sum(float(g.pow(2).sum()) for g in gradients if g is not None) ** 0.5

    task = norm(["bce", "dice", "skeleton"])
    for name, share in (("fsd-map", 0.2), ("asd-window", 0.2), ("soft-kd", 1.0)):  # as the preset weighs them
        assert norm([name]) == pytest.approx(share * task, rel=0.02)


def test_the_projector_is_fitted_first_and_then_stays():
    objective, student, batch = objective_of("as-published")

    class Always:
        def batch(self, _step):
            return batch

    told = []
    method = objective.loss("fsd-paper")
    before = method.projector_loss(objective.pair(student, batch)).mean()
    fit_projector(objective, student, Always(), 30, Watcher(told.append))
    after = method.projector_loss(objective.pair(student, batch)).mean()
    assert after < 0.9 * before
    assert not any(p.requires_grad for p in objective.parameters())
    assert "reconstruction" in told[-1]["message"]


@pytest.mark.parametrize("student", ["enet", "erfnet", "mobilenetv2-unet"])
def test_every_student_of_the_paper_can_learn_from_every_kind_of_teacher(student):
    large = [Architecture(family=family, base_channels=8, blocks=1) for family in ("sk-unet", "res-unet")]
    for teacher in (TEACHER, *large):
        one, other = networks(Architecture(family=student, base_channels=16), teacher)
        pair = pair_of(one, other, batch_of(2))
        assert pair.symmetric_strides == ([4, 8] if student == "mobilenetv2-unet" else [2, 4])
        for name in METHODS:
            assert torch.isfinite(term(name, pair)(pair)).all(), name


def test_a_method_is_read_from_text_and_misread_in_one_line():
    assert parse_method("plain") == parse_method("") == []
    assert parse_method("soft-kd:0.5+at") == [Term("soft-kd", 0.5), Term("at", 1.0)]
    for wrong in ("softkd", "soft-kd:x", "soft-kd:-1", "at+at", "soft-kd:nan"):
        with pytest.raises(LightVesselError, match="method"):
            parse_method(wrong)
