"""Recommender = tower + backbone."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.data.batches import Batch, target_histories
from tcf.data.split import Targets
from tcf.model.backbone import Backbone
from tcf.model.layers import xavier_normal_
from tcf.model.losses import LOSSES, Candidates, Loss
from tcf.model.towers import Tower


class Recommender(nn.Module):
    """A tower and a backbone of one width, with their new layers drawn from ``seed``.

    Args:
        tower: Rows to item vectors.
        backbone: Histories or users to user vectors.
        seed: Draws every layer that starts from scratch; pre-trained weights stay as they are.
        scores: Of a user and an item: their product, or the cosine of the angle between them.
        temperature: What scores are divided by in the loss; ranks do not depend on it.
        learn_temperature: Train it, starting from ``temperature``.

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
        for module in [*tower.new_modules(), backbone]:
            xavier_normal_(module, generator=generator)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device

    def loss(
        self, batch: Batch, *, log_popularity: Tensor, loss: Loss = LOSSES["in_batch_softmax"]
    ) -> Tensor:
        """Return the loss of a batch that was laid out for it.

        Args:
            batch: Its columns are what ``loss.candidates`` says.
            log_popularity: ``(num_items + 1,)``.
            loss: Of `LOSSES`, or one's own.
        """
        rows = batch.rows
        vectors = self.tower.all() if rows is None else self.tower(rows)  # each distinct item once
        users = self.backbone(batch.users, vectors, batch.history, batch.mask)
        users = users.flatten(0, 1).index_select(0, batch.positions)
        candidates = Candidates(
            targets=batch.targets,
            owners=batch.owners,
            known=batch.known,
            log_popularity=log_popularity if rows is None else log_popularity[rows],
            counts=batch.counts,
            negatives=batch.negatives,
            num_items=self.tower.num_items,
        )
        return loss.function(
            self._scaled(self._scored(users)),
            self._scored(self.backbone.items(vectors)),
            candidates,
        )

    def _scored(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) if self.scores == "cosine" else vectors

    def _scaled(self, users: Tensor) -> Tensor:
        if self.log_scale is not None:
            return users * self.log_scale.exp()
        return users / self.temperature if self.temperature != 1 else users

    @torch.no_grad()
    def score_vectors(self, targets: Targets, *, batch_size: int = 1024) -> tuple[Tensor, Tensor]:
        """Return the vectors whose products are the scores; every item goes through the tower once.

        Args:
            targets: Ranking tasks; each user's vector comes from the known items.
            batch_size: Users at a time.

        Returns:
            ``(n, D)`` user vectors and ``(num_items, D)`` item vectors, rows 1 to the last.
        """
        rows = torch.arange(self.tower.num_items + 1, device=self.device)
        table = torch.cat([self.tower(part) for part in rows.split(8192)])  # (N + 1, D)
        parts = []
        for start in range(0, len(targets), batch_size):
            tasks = slice(start, start + batch_size)
            history = target_histories(targets, tasks, max_history=self.backbone.max_history)
            history = history.to(self.device)
            users = torch.from_numpy(targets.users[tasks]).to(self.device)
            vectors = self.backbone.user_vectors(users, table, history, history != 0)
            parts.append(self._scored(vectors))
        return torch.cat(parts), self._scored(self.backbone.items(table[1:]))

    def num_parameters(self) -> dict[str, int]:
        """Return trained and frozen numbers by group; the sum is every number the model holds."""
        groups = {"tower": _num_trained(self.tower), "backbone": _num_trained(self.backbone)}
        encoders = [m for n, m in self.tower.named_modules() if n.split(".")[-1] == "encoder"]
        if encoders:
            groups["encoder"] = _num_trained(encoders[0])  # named_modules: the outermost is first
            groups["tower"] -= groups["encoder"]
        if self.log_scale is not None:
            groups["temperature"] = 1
        groups["frozen"] = sum(p.numel() for p in self.parameters()) - sum(groups.values())
        return groups


def _num_trained(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
