"""The processes of one training: each takes its share of every batch, and gradients are added."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from tcf._util import hash_json
from tcf.data.batches import Batch
from tcf.data.split import Targets
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.ranking import rank_targets
from tcf.model.losses import Loss
from tcf.model.recommender import Recommender

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Ranks", "item_vectors", "loss_over_ranks", "own_columns", "rank_over", "users_of"]

_LARGE = 1 << 20  # numbers; smaller gradients travel together


class Ranks:
    """Who this process is, of how many, and how what they hold is put together.

    Every rank has the same model and lays out the same batches from the same generator. It
    computes the predictions of its share of a batch's users; the sum of the ranks' losses and
    gradients is that of one process. Where a model computes item vectors, each rank computes its
    share of them, and gradients find their way back.

    Args:
        accelerator: Has started the processes; None for one process alone.

    Raises:
        ValueError: If the accelerator would split the model, or wait for several batches.
    """

    def __init__(self, accelerator: "Accelerator | None" = None):
        self.rank, self.world = 0, 1
        if accelerator is None:
            return
        kind = str(accelerator.distributed_type).rpartition(".")[2]
        if kind != "NO" and not kind.startswith("MULTI_"):
            raise ValueError(
                f"fit needs processes that each hold the whole model; got an accelerator of kind "
                f"{kind}: launch without FSDP, DeepSpeed, Megatron or XLA"
            )
        if accelerator.gradient_accumulation_steps != 1:
            raise ValueError(
                "fit makes a step of every batch; got gradient_accumulation_steps="
                f"{accelerator.gradient_accumulation_steps}: raise batch_size instead"
            )
        self.rank, self.world = accelerator.process_index, accelerator.num_processes

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def span(self, number: int, *, rank: int | None = None) -> slice:
        """Return this rank's share of ``number`` things, or another's."""
        rank = self.rank if rank is None else rank
        return slice(number * rank // self.world, number * (rank + 1) // self.world)

    def agree(self, answer: bool, *, device: torch.device) -> bool:
        """Return the first rank's answer."""
        if self.world == 1:
            return answer
        vote = torch.tensor([int(answer and self.is_first)], device=device)
        dist.all_reduce(vote)
        return bool(vote)

    def check_alike(self, identity: Mapping[str, Any], *, device: torch.device) -> None:
        """Raise if a rank has been called with something else.

        Raises:
            ValueError: If so.
        """
        found = self.gather_text(hash_json(identity), device=device)
        others = [rank for rank, key in enumerate(found) if key != found[0]]
        if others:
            raise ValueError(
                "every process must start the same training from the same weights; "
                f"those of ranks {others} differ from the first's: build the model from one seed"
            )

    def add_(self, tensors: list[Tensor]) -> None:
        """Make each tensor the sum of those of all ranks."""
        small = [t for t in tensors if t.numel() < _LARGE]
        for tensor in tensors:
            if tensor.numel() >= _LARGE:
                dist.all_reduce(tensor)
        if small:
            together = torch.cat([tensor.flatten() for tensor in small])
            dist.all_reduce(together)
            for tensor, part in zip(small, together.split([t.numel() for t in small]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def gather(self, part: Tensor, *, number: int) -> Tensor:
        """Return all ``number`` rows of which each rank holds its `span`, with gradient."""
        return _Gather.apply(part, self, number)

    def gather_text(self, text: str, *, device: torch.device) -> list[str]:
        """Return each rank's text."""
        if self.world == 1:
            return [text]
        own = torch.tensor(list(text.encode()), dtype=torch.uint8, device=device)
        sizes = torch.zeros(self.world, dtype=torch.int64, device=device)
        sizes[self.rank] = len(own)
        dist.all_reduce(sizes)
        room = own.new_zeros(self.world, int(sizes.max()))
        room[self.rank, : len(own)] = own
        dist.all_reduce(room)
        return [
            bytes(row[:size].tolist()).decode()
            for row, size in zip(room, sizes.tolist(), strict=True)
        ]


class _Gather(torch.autograd.Function):
    """Rows of all ranks; in the backward pass each gets the sum of the gradients of its own."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks, number: int) -> Tensor:
        """Take this rank's ``(m, ...)`` and return ``(number, ...)``."""
        ctx.ranks, ctx.number = ranks, number
        longest = -(-number // ranks.world)
        padded = part.new_zeros(longest, *part.shape[1:])
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in range(ranks.world)]
        dist.all_gather(parts, padded)
        spans = [ranks.span(number, rank=rank) for rank in range(ranks.world)]
        return torch.cat([p[: s.stop - s.start] for p, s in zip(parts, spans, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """Add the gradients of all ranks and return those of this rank's rows."""
        whole = grads[0].contiguous().clone()
        dist.all_reduce(whole)
        return whole[ctx.ranks.span(ctx.number)], None, None


def loss_over_ranks(
    model: Recommender,
    batch: Batch,
    *,
    log_popularity: Tensor,
    loss: Loss,
    ranks: Ranks,
    gather_negatives: bool,
) -> Tensor:
    """Return this rank's part of the loss of a batch; the parts of all ranks add up to it.

    Args:
        model: The same on every rank.
        batch: The same on every rank.
        log_popularity: ``(num_items + 1,)``.
        loss: What the predictions choose among.
        ranks: The processes.
        gather_negatives: Predictions choose among the items of the whole batch; otherwise among
            those of this rank's users. Over the whole catalogue both are the same.
    """
    own = users_of(batch, ranks.span(len(batch.users)))
    alone = own.rows is not None and not gather_negatives
    if alone:
        own = own_columns(own)
    if model.reads_all:
        vectors = item_vectors(model, None, ranks)
    elif alone:
        vectors = model.tower(own.rows) if len(own.targets) else None
    else:
        vectors = item_vectors(model, own.rows, ranks)
    if not len(own.targets):  # still there when gradients are gathered
        return torch.zeros((), device=model.device) if vectors is None else vectors.sum() * 0
    value = model.loss(own, log_popularity=log_popularity, loss=loss, vectors=vectors)
    return value * (len(own.targets) / len(batch.targets))


def item_vectors(model: Recommender, rows: Tensor | None, ranks: Ranks) -> Tensor:
    """Return the vectors of these ``(M,)`` rows, of all where None, computed by all ranks."""
    tower = model.tower
    if tower.is_table:
        return tower.all() if rows is None else tower(rows)
    if rows is None:
        rows = torch.arange(tower.num_items + 1, device=model.device)
    return ranks.gather(tower(rows[ranks.span(len(rows))]), number=len(rows))


def users_of(batch: Batch, users: slice) -> Batch:
    """Return the part of a batch that belongs to some of its users, on the same columns."""
    first, last = users.start, users.stop
    width = max(batch.history.shape[1], 1)  # outputs of a user: 1 where there is no history
    bounds = torch.tensor([first, last], device=batch.owners.device)
    start, stop = torch.searchsorted(batch.owners.contiguous(), bounds).tolist()
    mine = (batch.known[0] >= first) & (batch.known[0] < last)
    known = batch.known[:, mine]
    return replace(
        batch,
        users=batch.users[users],
        history=batch.history[users],
        mask=batch.mask[users],
        positions=batch.positions[start:stop] - first * width,
        targets=batch.targets[start:stop],
        owners=batch.owners[start:stop] - first,
        known=torch.stack((known[0] - first, known[1])),
        negatives=None if batch.negatives is None else batch.negatives[start:stop],
    )


def own_columns(batch: Batch) -> Batch:
    """Return a part of a batch with columns for its own items alone."""
    assert batch.rows is not None
    length = batch.history.shape[1]
    shown = batch.history[batch.mask & (batch.history >= 0)]
    # a target is a slot of its own where no place of the history shows it: the last one, or hidden
    last = batch.positions % max(length, 1) == max(length - 1, 0)
    hidden = batch.history.flatten()[batch.positions] < 0 if length else last
    slots = torch.cat((shown, batch.targets[last | hidden]))
    drawn = slots[:0] if batch.negatives is None else batch.negatives.flatten()
    columns = torch.cat((slots, batch.targets, drawn)).unique()
    place = torch.full((len(batch.rows),), -1, device=columns.device)
    place[columns] = torch.arange(len(columns), device=columns.device)
    known = torch.stack((batch.known[0], place[batch.known[1]]))
    return replace(
        batch,
        rows=batch.rows[columns],
        counts=torch.bincount(place[slots], minlength=len(columns)),
        history=torch.where(batch.history < 0, -1, place[batch.history.clamp(min=0)]),
        targets=place[batch.targets],
        known=known[:, known[1] >= 0],
        negatives=None if batch.negatives is None else place[batch.negatives],
    )


class _Shared(nn.Module):
    """A recommender whose item vectors are computed by all ranks."""

    def __init__(self, model: Recommender, ranks: Ranks):
        super().__init__()
        self.model, self.ranks = model, ranks
        self.training = model.training

    def score_vectors(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return ``(n, D)`` user and ``(num_items, D)`` item vectors."""
        number = self.model.tower.num_items + 1
        rows = torch.arange(number, device=self.model.device)
        mine = self.model.tower_vectors(rows[self.ranks.span(number)])
        return self.model.score_vectors(targets, table=self.ranks.gather(mine, number=number))


def rank_over(model: Recommender, targets: Targets, ranks: Ranks) -> Ledger:
    """Return `rank_targets` of a model, each rank having ranked its share of the users."""
    if ranks.world == 1 or len(targets) < ranks.world:
        return rank_targets(model, targets)
    mine = targets.take(ranks.span(len(targets)))
    found = rank_targets(_Shared(model, ranks), mine)
    both = torch.from_numpy(np.stack((found.rank, found.ties), 1)).to(model.device)
    whole = ranks.gather(both, number=len(targets)).cpu().numpy()
    return Ledger(whole[:, 0].copy(), whole[:, 1].copy())
