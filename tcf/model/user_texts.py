"""Users as what a text of their history says: vectors that were made before, found again."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tcf.data.catalog import Catalog
from tcf.data.split import Targets
from tcf.encode.embeddings import Embeddings

__all__ = ["NearestToText", "UserVectors"]


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
