"""The graph of users and items: its normalised edges, and propagation along them."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


def normalised_edges(
    users: np.ndarray, rows: np.ndarray, *, num_users: int, num_items: int
) -> sparse.csr_array:
    """Return the ``(num_users, num_items + 1)`` edges, each ``1 / sqrt(degree * degree)``.

    Args:
        users: ``(n,)`` users of the training interactions, and of no others.
        rows: ``(n,)`` their rows; a pair that occurs again is one edge.
        num_users: Users, those without an edge too.
        num_items: Items; row 0, padding, has no edge.

    Raises:
        ValueError: If an interaction is with padding.

    Source: He et al. (LightGCN), arXiv 2002.02126, equation 3.
    """
    if len(rows) and rows.min() < 1:
        raise ValueError(f"rows of a graph must be 1 or more, 0 is padding; got {rows.min()}")
    pairs = np.unique(np.stack((users, rows), 1), axis=0)
    shape = (num_users, num_items + 1)
    of_user = np.bincount(pairs[:, 0], minlength=shape[0])[pairs[:, 0]]
    of_item = np.bincount(pairs[:, 1], minlength=shape[1])[pairs[:, 1]]
    values = 1 / np.sqrt(of_user * of_item)
    return sparse.csr_array((values, (pairs[:, 0], pairs[:, 1])), shape=shape)


def propagate(
    edges: Tensor, back: Tensor, users: Tensor, items: Tensor, *, num_layers: int
) -> tuple[Tensor, Tensor]:
    """Return user and item vectors, each the mean of its layers 0 to ``num_layers``.

    Args:
        edges: ``(num_users, num_items + 1)`` sparse, of `normalised_edges`.
        back: Its transpose.
        users: ``(num_users, D)`` vectors of layer 0.
        items: ``(num_items + 1, D)`` vectors of layer 0.
        num_layers: Steps along the edges; 0 changes nothing.

    Source: He et al. (LightGCN), arXiv 2002.02126, equations 3 and 4.
    """
    sum_users, sum_items = users, items
    for _ in range(num_layers):
        users, items = torch.sparse.mm(edges, items), torch.sparse.mm(back, users)
        sum_users, sum_items = sum_users + users, sum_items + items
    return sum_users / (num_layers + 1), sum_items / (num_layers + 1)
