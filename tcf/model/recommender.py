"""Recommender = tower + backbone."""

from os import PathLike
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.data.batches import Batch, target_histories
from tcf.data.split import Targets
from tcf.model.auxiliary import Auxiliary, Step
from tcf.model.backbone import Backbone
from tcf.model.graph import GraphBackbone
from tcf.model.layers import xavier_normal_
from tcf.model.losses import LOSSES, Candidates, Loss
from tcf.model.towers import Tower
from tcf.model.weights import read_weights, write_weights


class Recommender(nn.Module):
    """A tower and a backbone of one width, with their new layers drawn from ``seed``.

    Args:
        tower: Rows to item vectors.
        backbone: Histories or users to user vectors.
        seed: Draws every layer that starts from scratch; pre-trained weights stay as they are.
        scores: Of a user and an item: their product, or the cosine of the angle between them.
        temperature: What scores are divided by in the loss; ranks do not depend on it.
        learn_temperature: Train it, starting from ``temperature``.
        auxiliary: A loss that is added in training; None: none is.

    Raises:
        ValueError: If the widths differ.
    """

    def __init__(
        self,
        tower: Tower,
        backbone: Backbone,
        *,
        seed: int,
        scores: Literal["dot", "cosine"] = "dot",
        temperature: float = 1.0,
        learn_temperature: bool = False,
        auxiliary: Auxiliary | None = None,
    ):
        super().__init__()
        if tower.dim != backbone.dim:
            raise ValueError(
                f"tower and backbone need one width; got {tower.dim} and {backbone.dim}"
            )
        if temperature <= 0:
            raise ValueError(f"temperature must be above 0; got {temperature}")
        self.tower, self.backbone, self.scores = tower, backbone, scores
        self.temperature, self.log_scale = temperature, None
        if learn_temperature:
            self.log_scale = nn.Parameter(-torch.tensor(temperature).log())
        generator = torch.Generator().manual_seed(seed)
        self.auxiliary = auxiliary
        new = [] if auxiliary is None else [auxiliary]  # last: it shifts no other draw
        for module in [*tower.new_modules(), backbone, *new]:
            xavier_normal_(module, generator=generator)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device

    @property
    def reads_all(self) -> bool:
        """Whether each vector that is scored comes from those of all items, not of a batch's."""
        return isinstance(self.backbone, GraphBackbone)

    def loss(
        self,
        batch: Batch,
        *,
        log_popularity: Tensor,
        loss: Loss = LOSSES["in_batch_softmax"],
        vectors: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch that was laid out for it, an auxiliary one included.

        Args:
            batch: Its columns are what ``loss.candidates`` says.
            log_popularity: ``(num_items + 1,)``.
            loss: Of `LOSSES`, or one's own. Computed in fp32 under autocast too.
            vectors: ``(M, D)`` item vectors of the columns, where they are at hand; of all rows for
                a model that `reads_all`.
        """
        rows = batch.rows
        if vectors is None:  # each distinct item once
            whole = rows is None or self.reads_all
            computed: Tensor = self.tower.all() if whole else self.tower(rows)
            vectors = computed
        users, items = self._predicting(batch, vectors)
        candidates = Candidates(
            targets=batch.targets,
            owners=batch.owners,
            known=batch.known,
            log_popularity=log_popularity if rows is None else log_popularity[rows],
            counts=batch.counts,
            negatives=batch.negatives,
            num_items=self.tower.num_items,
        )
        with torch.autocast(users.device.type, enabled=False):
            value = loss.function(
                self._scaled(self._scored(_at_least_fp32(users))),
                self._scored(_at_least_fp32(items)),
                candidates,
            )
        if self.auxiliary is not None:
            named = None if self.reads_all else rows  # what the vectors are of
            targets = batch.targets if rows is None else rows[batch.targets]
            value = value + self.auxiliary(Step(self.tower, named, vectors, users, targets))
        return value

    def _predicting(self, batch: Batch, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(n, W)`` users, one a prediction, and ``(M, W)`` items, one a column."""
        if isinstance(self.backbone, GraphBackbone):
            users, items = self.backbone.spread(vectors)
            return users[batch.users], items if batch.rows is None else items[batch.rows]
        users = self.backbone(batch.users, vectors, batch.history, batch.mask)
        users = users.flatten(0, 1).index_select(0, batch.positions)
        return users, self.backbone.items(vectors)

    def _scored(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) if self.scores == "cosine" else vectors

    def _scaled(self, users: Tensor) -> Tensor:
        if self.log_scale is not None:
            return users * self.log_scale.exp()
        return users / self.temperature if self.temperature != 1 else users

    @torch.no_grad()
    def tower_vectors(self, rows: Tensor) -> Tensor:
        """Return the ``(n, D)`` item vectors of ``(n,)`` rows, some at a time."""
        return torch.cat([self.tower(part) for part in rows.split(8192)])

    @torch.no_grad()
    def score_vectors(
        self, targets: Targets, *, batch_size: int = 1024, table: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the vectors whose products are the scores; every item goes through the tower once.

        Args:
            targets: Ranking tasks; each user's vector comes from the known items.
            batch_size: Users at a time.
            table: ``(num_items + 1, D)`` of `tower_vectors`, where they are at hand.

        Returns:
            ``(n, D)`` user vectors and ``(num_items, D)`` item vectors, rows 1 to the last.
        """
        table = self._table() if table is None else table
        if isinstance(self.backbone, GraphBackbone):
            users, items = self.backbone.spread(table)
            chosen = torch.from_numpy(targets.users).to(self.device)
            return self._scored(users[chosen]), self._scored(items[1:])
        parts = []
        for start in range(0, len(targets), batch_size):
            tasks = slice(start, start + batch_size)
            history = target_histories(targets, tasks, max_history=self.backbone.max_history)
            history = history.to(self.device)
            users = torch.from_numpy(targets.users[tasks]).to(self.device)
            vectors = self.backbone.user_vectors(users, table, history, history != 0)
            parts.append(self._scored(vectors))
        return torch.cat(parts), self._scored(self.backbone.items(table[1:]))

    def _table(self) -> Tensor:
        """Return the ``(N + 1, D)`` vectors of all rows, without a copy where they are there."""
        if self.tower.is_table:
            return self.tower.all()
        return self.tower_vectors(torch.arange(self.tower.num_items + 1, device=self.device))

    def num_parameters(self) -> dict[str, int]:
        """Return trained and frozen numbers by group; the sum is every number the model holds."""
        groups = {"tower": _num_trained(self.tower), "backbone": _num_trained(self.backbone)}
        encoders = [m for n, m in self.tower.named_modules() if n.split(".")[-1] == "encoder"]
        if encoders:
            groups["encoder"] = _num_trained(encoders[0])  # named_modules: the outermost is first
            groups["tower"] -= groups["encoder"]
        if self.log_scale is not None:
            groups["temperature"] = 1
        if self.auxiliary is not None:
            groups["auxiliary"] = _num_trained(self.auxiliary)
        groups["frozen"] = sum(p.numel() for p in self.parameters()) - sum(groups.values())
        return groups

    def architecture(self) -> dict[str, str]:
        """Return what the shapes of the weights do not tell, in words."""
        parts: dict[str, nn.Module] = {"tower": self.tower, "backbone": self.backbone}
        if self.auxiliary is not None:
            parts["auxiliary"] = self.auxiliary
        told = {name: f"{type(p).__name__}({p.extra_repr()})" for name, p in parts.items()}
        return {**told, "scores": self.scores}

    def save(self, path: str | PathLike[str]) -> None:
        """Write every weight as safetensors, atomically; frozen text vectors are no part of it."""
        write_weights(path, self.state_dict(), architecture=self.architecture())

    def load_weights(self, path: str | PathLike[str]) -> None:
        """Take the weights that `save` wrote; the model keeps its own until all is checked.

        Raises:
            DataError: If the file is missing or damaged, or its weights are of another
                architecture.
        """
        held = read_weights(path, self.state_dict(), architecture=self.architecture())
        self.load_state_dict(held)


def _at_least_fp32(vectors: Tensor) -> Tensor:
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def _num_trained(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
