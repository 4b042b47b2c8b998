"""Users as what a text of their history says: vectors that were made before, found again."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.data.catalog import Catalog
from tcf.data.split import Targets
from tcf.encode.embeddings import Embeddings
from tcf.model.backbone import Backbone
from tcf.model.layers import mlp

__all__ = ["NearestToText", "TextUsers", "UserVectors"]


@dataclass(frozen=True, eq=False)
class UserVectors:
    """A vector for each state of a user: what the text of the first so many known items says.

    Attributes:
        users: ``(n,)`` int, rising; the user of each state.
        lengths: ``(n,)`` int, rising within a user: the known items of each state.
        vectors: ``(n, E)`` float32.
    """

    users: np.ndarray
    lengths: np.ndarray
    vectors: np.ndarray

    @property
    def width(self) -> int:
        """Floats in a vector."""
        return self.vectors.shape[1]

    def of(self, users: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the ``(m, E)`` vectors of users with so many known items; of none, zeros.

        Args:
            users, lengths: ``(m,)`` int.

        Raises:
            ValueError: If no vector was made of a state.
        """
        most = int(self.lengths.max()) + 1
        keys = self.users * most + self.lengths
        wanted = users * most + lengths
        found = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        made = (keys[found] == wanted) & (lengths < most)
        if (missing := ~made & (lengths > 0)).any():
            first = int(missing.argmax())
            raise ValueError(
                "a vector must be made of every history that is asked for; there is none of user "
                f"{int(users[first])} after {int(lengths[first])} items: make them for this split"
            )
        return self.vectors[found] * made[:, None]


class NearestToText:
    """Scores an item by the cosine between its vector and that of the user's text; untrained.

    Args:
        embeddings: Item vectors with their item ids.
        users: Of the same encoder, for every task that is ranked.
        catalog: Items; the vectors are joined to its rows by item id.

    Raises:
        DataError: If an item of the catalogue has no vector, or the other way round.
    """

    def __init__(self, embeddings: Embeddings, users: UserVectors, catalog: Catalog):
        self._items = F.normalize(torch.from_numpy(embeddings.aligned(catalog))[1:])
        self._users = users

    def score_vectors(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return ``(n, E)`` user and ``(num_items, E)`` item vectors of length 1."""
        users = self._users.of(targets.users, targets.ends - targets.starts)
        return F.normalize(torch.from_numpy(users)), self._items


class TextUsers(Backbone):
    """A linear map of the vector that a user's history has as one text; the vector is frozen.

    It learns from one pair a user: the text before the last training item, and that item. A user
    text is a text more to encode, and a pair for every place of a history would be ten times as
    many.

    Args:
        dim: Width D.
        users: A vector for every history that is trained on or ranked.
        shared: The item tower's projector, to be the users' as well; it stays the tower's. None: a
            linear map of its own.
    """

    examples = "last"

    def __init__(self, *, dim: int, users: UserVectors, shared: nn.Module | None = None):
        super().__init__()
        self.dim, self.max_history = dim, int(users.lengths.max())  # a whole history, to be counted
        self._users, self._shared = users, (shared,)  # in a tuple: no module of this one
        if shared is None:
            self.projector = mlp(users.width, dim, num_layers=1, dropout=0.0, activation=False)

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, 1, D)``; of the history its length alone is looked at."""
        shared = self._shared[0]
        project = self.projector if shared is None else shared
        found = self._users.of(users.cpu().numpy(), mask.sum(1).cpu().numpy())
        texts = torch.from_numpy(found).to(next(project.parameters()))
        return project(texts)[:, None]

    def extra_repr(self) -> str:
        """Return whether the map is the tower's."""
        return f"{super().extra_repr()}, shared={self._shared[0] is not None}"
