"""Recommender = tower + backbone."""

import torch
from torch import Tensor, nn

from tcf.data.batches import Batch, target_histories
from tcf.data.split import Targets
from tcf.model.backbones import DSSM, SASRec
from tcf.model.layers import xavier_normal_
from tcf.model.losses import in_batch_softmax
from tcf.model.towers import FrozenTextTower, IdTower


class Recommender(nn.Module):
    """A tower and a backbone of one width, with their new layers drawn from ``seed``.

    Args:
        tower: Rows to item vectors.
        backbone: Histories or users to user vectors.
        seed: Draws every layer that starts from scratch; pre-trained weights stay as they are.

    Raises:
        ValueError: If the widths differ.
    """

    def __init__(self, tower: IdTower | FrozenTextTower, backbone: SASRec | DSSM, *, seed: int):
        super().__init__()
        if tower.dim != backbone.dim:
            raise ValueError(
                f"tower and backbone need one width; got {tower.dim} and {backbone.dim}"
            )
        self.tower, self.backbone = tower, backbone
        generator = torch.Generator().manual_seed(seed)
        for module in [*tower.new_modules(), backbone]:
            xavier_normal_(module, generator=generator)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device

    def loss(self, batch: Batch, *, log_popularity: Tensor) -> Tensor:
        """Return the in-batch loss of a batch; ``log_popularity`` is ``(num_items + 1,)``."""
        vectors = self.tower(batch.rows)  # (M, D): each distinct item once
        users = self.backbone(batch.users, vectors, batch.history, batch.mask)
        return in_batch_softmax(
            users.flatten(0, 1).index_select(0, batch.positions),
            self.backbone.items(vectors),
            targets=batch.targets,
            counts=batch.counts,
            log_popularity=log_popularity[batch.rows],
            excluded=batch.known[batch.owners],
        )

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
            parts.append(self.backbone(users, table, history, history != 0)[:, -1])
        return torch.cat(parts), self.backbone.items(table[1:])

    def num_parameters(self) -> dict[str, int]:
        """Return trained and frozen numbers by group; the sum is every number the model holds."""
        groups = {
            "tower": sum(p.numel() for p in self.tower.parameters() if p.requires_grad),
            "backbone": sum(p.numel() for p in self.backbone.parameters() if p.requires_grad),
        }
        groups["frozen"] = sum(p.numel() for p in self.parameters()) - sum(groups.values())
        return groups
