"""Batches made ahead of the training by other processes: a GPU takes them faster than one CPU core draws them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from src_training.errors import RunError
from src_training.training.sampler import Sampler
from src_training.training.samples import Batch

_AHEAD = 4  # batches of each process


def batches(
    sampler: Sampler, steps: range, rank: int = 0, world: int = 1, loaders: int = 0
) -> Iterator[Batch]:
    """The batches of ``steps`` in order, the same ones whatever ``loaders`` is.

    With none of these processes each batch is drawn when it is asked for. RunError when one of them is killed.
    """
    drawn = _Steps(sampler, steps, rank, world)
    if not loaders:
        yield from (drawn[place] for place in range(len(drawn)))
        return
    try:
        own = torch.Generator()  # the random state of the training stays as it is
        yield from DataLoader(
            drawn, batch_size=None, num_workers=loaders, prefetch_factor=_AHEAD, generator=own
        )
    # Of one that dies while it hands over a batch only the connection is lost, before torch notices.
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(
            f"a process that makes batches ahead ended ({reason}). "
            "Resume with fewer: --set loaders=0 needs none."
        ) from error


class _Steps(Dataset[Batch]):
    """Place → the batch of that step."""

    def __init__(self, sampler: Sampler, steps: range, rank: int, world: int) -> None:
        self.sampler, self.steps, self.rank, self.world = sampler, steps, rank, world

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, place: int) -> Batch:
        return self.sampler.batch(self.steps[place], self.rank, self.world)
