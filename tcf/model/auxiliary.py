"""Losses that are added to that of the predictions in training, and those of item vectors alone."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.data.catalog import Catalog
from tcf.encode.embeddings import Embeddings
from tcf.model.layers import Draws, Dropout, linear
from tcf.model.towers import FrozenTextTower, Tower

__all__ = ["Alignment", "Auxiliary", "Contrast", "SelfSupervision", "Step", "info_nce"]


@dataclass(frozen=True, eq=False)
class Step:
    """What a training step has computed when an auxiliary loss is asked for.

    Attributes:
        tower: That the item vectors are from.
        rows: ``(M,)`` rows of the vectors, all different; None: every row, padding on top.
        vectors: ``(M, D)``.
        users: ``(n, W)`` user vectors, one a prediction, before they are scored.
        targets: ``(n,)`` row that each of them is to predict.
    """

    tower: Tower
    rows: Tensor | None
    vectors: Tensor
    users: Tensor
    targets: Tensor


class Auxiliary(nn.Module, ABC):
    """A loss that is added, with a weight, to that of the predictions; it scores nothing.

    With several ranks each computes it of its own step and counts it with its share of the
    predictions, so that it weighs the same.

    Args:
        weight: Of the loss, next to that of the predictions.

    Raises:
        ValueError: If ``weight`` is not above 0.
    """

    def __init__(self, *, weight: float):
        super().__init__()
        if weight <= 0:
            raise ValueError(f"an auxiliary loss needs weight above 0; got {weight}")
        self.weight = weight

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """Return the loss, a scalar, times its weight."""


class Contrast(Auxiliary, Draws):
    """Two vectors of each item of a batch, pulled together and away from those of other items.

    Its loss is ``weight`` times `info_nce`, over the distinct items of the batch, or over
    ``num_items`` of them, drawn at every step from its own stream, where there are more: over the
    catalogue, say.

    Args:
        weight: As in `Auxiliary`.
        temperature: What cosines are divided by.
        num_items: The most items that are told apart at once.

    Raises:
        ValueError: If ``weight`` or ``temperature`` is not above 0, or ``num_items`` below 2.
    """

    def __init__(self, *, weight: float, temperature: float, num_items: int):
        super().__init__(weight=weight)
        if temperature <= 0:
            raise ValueError(f"an auxiliary loss needs temperature above 0; got {temperature}")
        if num_items < 2:
            raise ValueError(f"an auxiliary loss tells 2 items apart or more; got {num_items}")
        self.temperature, self.num_items = temperature, num_items

    @abstractmethod
    def views(self, tower: Tower, rows: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return two ``(n, D)`` vectors of each of these ``(n,)`` rows.

        Args:
            tower: That the item vectors are from.
            rows: All different, none of padding.
            vectors: ``(n, D)`` what the tower made of them.
        """

    def forward(self, step: Step) -> Tensor:
        """Return the loss of the step's item vectors; its users are not looked at."""
        rows, vectors = step.rows, step.vectors
        if rows is None:
            rows = torch.arange(1, len(vectors), device=vectors.device)
            vectors = vectors[1:]
        if len(rows) > self.num_items:
            chosen = self._chosen(len(rows)).to(rows.device)
            rows, vectors = rows[chosen], vectors[chosen]
        one, two = self.views(step.tower, rows, vectors)
        with torch.autocast(one.device.type, enabled=False):
            return self.weight * info_nce(one, two, temperature=self.temperature)

    def _chosen(self, number: int) -> Tensor:
        rng = np.random.Generator(self._bits)
        return torch.from_numpy(rng.choice(number, self.num_items, replace=False, shuffle=False))


class Alignment(Contrast):
    """Item vectors and mapped text vectors, drawn together: text teaches, and scores nothing.

    Args:
        embeddings: Text vectors with their item ids.
        catalog: Items; the vectors are joined to its rows by item id.
        dim: Width D of the item vectors.
        weight, temperature, num_items: As in `Contrast`.

    Raises:
        DataError: If an item of the catalogue has no vector, or the other way round.

    Source: Ren et al. (RLMRec, the contrastive way), WWW 2024, arXiv 2310.15950: there of users
    too, of profiles that a language model writes, and with a graph as backbone.
    """

    vectors: Tensor

    def __init__(
        self,
        embeddings: Embeddings,
        catalog: Catalog,
        *,
        dim: int,
        weight: float = 0.1,
        temperature: float = 0.2,
        num_items: int = 1024,
    ):
        super().__init__(weight=weight, temperature=temperature, num_items=num_items)
        aligned = torch.from_numpy(embeddings.aligned(catalog))
        self.register_buffer("vectors", aligned, persistent=False)
        width = aligned.shape[1]
        between = (width + dim) // 2
        self.mapped = nn.Sequential(linear(width, between), nn.LeakyReLU(), linear(between, dim))
        self._key = embeddings.key

    def views(self, tower: Tower, rows: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the tower made of the items, and what the mapping makes of their texts."""
        return vectors, self.mapped(self.vectors[rows])

    def extra_repr(self) -> str:
        """Return whose vectors these are."""
        return f"vectors={self._key[:12]}"


class SelfSupervision(Contrast):
    """Two projections of an item's text vector, each with other places masked.

    Args:
        weight, temperature, num_items: As in `Contrast`.
        masked: Share of the places of a text vector that are set to 0, drawn for each item and
            view; dropout inside the projector goes on top.

    Raises:
        ValueError: At the first step, if the tower is no `FrozenTextTower`.

    Source: Yao et al., CIKM 2021, arXiv 2007.12865: there features are categories, masked in
    complementary halves, of items drawn uniformly from the catalogue; here they are the places of a
    vector, masked independently, of the batch's distinct items.
    """

    def __init__(
        self,
        *,
        weight: float = 0.1,
        temperature: float = 0.1,
        masked: float = 0.5,
        num_items: int = 1024,
    ):
        super().__init__(weight=weight, temperature=temperature, num_items=num_items)
        self.mask = Dropout(masked)

    def views(self, tower: Tower, rows: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return two projections of the texts; the tower's own vectors are not used."""
        if not isinstance(tower, FrozenTextTower):
            raise ValueError(
                "self-supervision masks the text vectors of a FrozenTextTower; got a "
                f"{type(tower).__name__}: leave it out, or change the tower"
            )
        texts = tower.vectors[rows]
        return tower.projector(self.mask(texts)), tower.projector(self.mask(texts))


def info_nce(one: Tensor, two: Tensor, *, temperature: float) -> Tensor:
    """Return the mean of ``-log softmax_j(cos(one_i, two_j) / temperature)[i]``, in fp32 or more.

    Args:
        one: ``(n, D)``.
        two: ``(n, D)``; row i belongs to row i of ``one``.
        temperature: Above 0.

    Source: van den Oord et al., arXiv 1807.03748.
    """
    dtype = torch.promote_types(one.dtype, torch.float32)
    one, two = (F.normalize(vectors.to(dtype), dim=-1) for vectors in (one, two))
    logits = one @ two.t() / temperature
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
