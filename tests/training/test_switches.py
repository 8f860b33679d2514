"""Promises of switching the live model: each decision is judged on the state that it replaces, whoever else decides."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
from deciders import KINDS, deed, live_id, told_of, unjudged, won
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interleaving import Interleaving, Killed
from model_folders import stage_tiny

from src_training import ModelStore
from src_training.errors import Overtaken, Refused

NAMES = ("first", "second", "third")
DEEDS = st.tuples(st.sampled_from(KINDS), st.integers(0, 2))
# Who goes on, and for how many steps; from -1 down a worker is killed: seldom, so that most decisions meet.
BURSTS = st.tuples(st.one_of(*[st.integers(0, 3)] * 20, st.integers(-4, -1)), st.integers(1, 9))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store of three models, none of them live."""
    folder = tmp_path_factory.mktemp("stored")
    store = ModelStore(folder / "models")
    for name in NAMES:
        store.add(stage_tiny(folder / name, name))
    return store.folder


@pytest.fixture
def store(stored, tmp_path):
    return ModelStore(shutil.copytree(stored, tmp_path / "models"))


def test_of_two_candidates_compared_with_one_model_one_goes_live(store):
    first, second = store.ids()[:2]
    works = [
        lambda: store.promote(first, won(first, "small")),
        lambda: store.promote(second, won(second, "small")),
    ]
    for turns in ([0] * 3 + [1] * 99, [0] * 6 + [1] * 99, [0, 1] * 40):
        there = ModelStore(store.folder)
        before = len(there.history())
        came = Interleaving(turns).run(works)
        assert sum(isinstance(one, Refused) for one in came) == 1
        said = str(next(one for one in came if isinstance(one, Refused)))
        assert f"compared with small, but {live_id(there)} is the active model now" in said
        assert sorted(r["action"] for r in there.history()[before:]) == ["promoted", "refused"]
        there.rollback()


def test_who_rolls_back_or_keeps_on_what_is_no_longer_live_is_told_so(store):
    first, second, third = store.ids()
    store.promote(first, won(first, "small"))
    acts = [partial(store.rollback, seen="small"), partial(store.keep, third, seen="small")]
    for act in acts:
        with pytest.raises(Overtaken, match=f"{first} is the active model now, not small") as caught:
            act()
        assert "\n" not in str(caught.value)
    promote = partial(store.promote, second, won(second, first))
    for act in (store.rollback, partial(store.keep, third)):
        came = Interleaving([0] * 4 + [1] * 99).run([act, promote])
        assert isinstance(came[0], Overtaken) and live_id(store) == second
        store.rollback()
    assert [r["action"] for r in store.history()] == ["promoted"] + ["promoted", "rolled back"] * 2


def worker(folder, number, deeds, heard):
    store = ModelStore(folder)
    for at, (kind, which) in enumerate(deeds):
        if acknowledged := deed(store, kind, store.ids()[which], f"w{number}-{at}"):
            heard.append(acknowledged)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    deeds=st.lists(st.lists(DEEDS, min_size=2, max_size=3), min_size=2, max_size=4),
    bursts=st.lists(BURSTS, min_size=20, max_size=60),
)
def test_whatever_comes_between_each_decision_is_made_on_the_state_before_it(
    stored, tmp_path_factory, deeds, bursts
):
    folder = shutil.copytree(stored, tmp_path_factory.mktemp("s") / "models")
    heard = []
    works = [partial(worker, folder, number, mine, heard) for number, mine in enumerate(deeds)]
    came = Interleaving([who for who, steps in bursts for _ in range(steps if who >= 0 else 1)]).run(works)
    assert all(one is None or isinstance(one, Killed) for one in came)
    store = ModelStore(folder)
    records = store.history()
    assert unjudged(records) == (0, live_id(store))
    assert store.warning() is None and store.history_warning() is None
    there = told_of(store)
    assert len(set(there)) == len(there)
    assert set(heard) <= set(there)
    killed = sum(isinstance(one, Killed) for one in came)
    assert (
        len(there) - len(heard) <= killed
    )  # what was claimed, and whose worker was killed before it could tell
    shutil.rmtree(folder)
