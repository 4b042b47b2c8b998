"""Item rows -> item vectors. Whether an item has text is known here and nowhere else."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from tcf.data.catalog import Catalog
from tcf.encode.embeddings import Embeddings
from tcf.model.layers import embedding, mlp

_LAYERS = {"num_layers": 2, "dropout": 0.1, "activation": True}


class Tower(nn.Module, ABC):
    """Rows to item vectors.

    Parameters below an attribute ``encoder`` or ``projector`` are trained with the rates of those
    groups, all others with the recommender's.

    Attributes:
        num_items: The padding row not counted.
        dim: Width D of the item vectors.
        is_table: Its vectors are looked up, not computed: `all` hands out what is there, and
            processes do not share the work.
        has_item_weights: It learns something of each item of its catalogue alone, which says
            nothing of the items of another.
    """

    num_items: int
    dim: int
    is_table: bool = False
    has_item_weights: bool = False

    @abstractmethod
    def forward(self, rows: Tensor) -> Tensor:
        """Map ``(n,)`` rows to ``(n, D)`` vectors."""

    @abstractmethod
    def all(self) -> Tensor:
        """Return the ``(num_items + 1, D)`` vectors of every row."""

    @abstractmethod
    def new_modules(self) -> list[nn.Module]:
        """Return the parts that start from scratch."""


class IdTower(Tower):
    """An embedding table: one learned vector an item (the ID baseline, IDCF).

    Args:
        num_items: Number of items, the padding row not counted.
        dim: Width D of the item vectors.
    """

    is_table = True
    has_item_weights = True

    def __init__(self, num_items: int, *, dim: int):
        super().__init__()
        self.num_items, self.dim = num_items, dim
        self.table = embedding(num_items + 1, dim, sparse=True)

    def forward(self, rows: Tensor) -> Tensor:
        """Map ``(n,)`` rows to ``(n, D)`` vectors."""
        return self.table(rows)

    def all(self) -> Tensor:
        """Return the ``(num_items + 1, D)`` vectors of every row: the table itself, no copy."""
        return self.table.weight

    def new_modules(self) -> list[nn.Module]:
        """Return the parts that start from scratch."""
        return [self.table]


class FrozenTextTower(Tower):
    """Frozen text embeddings and a trained projector (the study's dense transformation layers).

    Args:
        embeddings: Vectors with their item ids.
        catalog: Items; the vectors are joined to its rows by item id.
        dim: Width D of the item vectors.
        num_layers: Layers of the projector from E to D.
        dropout: Between the layers.
        activation: False leaves the last GELU out (a linear projector when ``num_layers=1``).
        projector: From E to D in the place of those layers, whose settings are then left alone.

    Raises:
        ValueError: If ``num_layers`` is below 1, or there are settings of layers that are replaced.
        DataError: If an item of the catalogue has no vector, or the other way round.
    """

    vectors: Tensor

    def __init__(
        self,
        embeddings: Embeddings,
        catalog: Catalog,
        *,
        dim: int,
        num_layers: int = 2,
        dropout: float = 0.1,
        activation: bool = True,
        projector: nn.Module | None = None,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"a projector needs num_layers of at least 1; got {num_layers}")
        layers = {"num_layers": num_layers, "dropout": dropout, "activation": activation}
        if projector is not None and layers != _LAYERS:
            raise ValueError(
                f"a ready projector has its own settings; got {type(projector).__name__} and "
                f"{layers}: leave these as they are, {_LAYERS}"
            )
        self.num_items, self.dim = catalog.num_items, dim
        aligned = torch.from_numpy(embeddings.aligned(catalog))
        self.register_buffer("vectors", aligned, persistent=False)
        self.key, self.activation = embeddings.key, activation
        self.projector = projector or mlp(
            aligned.shape[1], dim, num_layers=num_layers, dropout=dropout, activation=activation
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Map ``(n,)`` rows to ``(n, D)`` vectors."""
        return self.projector(self.vectors[rows])

    def all(self) -> Tensor:
        """Return the ``(num_items + 1, D)`` vectors of every row."""
        return self.projector(self.vectors)

    def new_modules(self) -> list[nn.Module]:
        """Return the parts that start from scratch."""
        return [self.projector]

    def extra_repr(self) -> str:
        """Return whose vectors these are: saved weights fit no others."""
        return f"vectors={self.key[:12]}, activation={self.activation}"
