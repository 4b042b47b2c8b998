"""Propagation along the graph, against dense NumPy, a closed form, and finite differences."""

import numpy as np
import pytest
import torch

from tcf.model.graph import normalised_edges, propagate

USERS, ROWS = np.array([0, 0, 1, 2, 2, 2]), np.array([1, 2, 2, 1, 3, 3])


def sparse_pair():
    edges = normalised_edges(USERS, ROWS, num_users=4, num_items=4)
    dense = torch.from_numpy(edges.toarray())
    return dense, dense.to_sparse_coo().coalesce(), dense.t().to_sparse_coo().coalesce()


def layer_zero():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(4, 3))), torch.from_numpy(rng.normal(size=(5, 3)))


def test_a_repeated_pair_is_one_edge_and_degrees_divide():
    dense = sparse_pair()[0]
    assert dense[2, 3] == pytest.approx(1 / np.sqrt(2 * 1))
    assert dense[1, 2] == pytest.approx(1 / np.sqrt(1 * 2))
    assert (dense != 0).sum() == 5


def test_padding_has_no_edge():
    with pytest.raises(ValueError, match="0 is padding; got 0"):
        normalised_edges(np.array([0]), np.array([0]), num_users=1, num_items=1)


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_propagation_equals_powers_of_the_dense_matrix(num_layers: int):
    dense, edges, back = sparse_pair()
    users, items = layer_zero()
    whole = np.block([[np.zeros((4, 4)), dense.numpy()], [dense.numpy().T, np.zeros((5, 5))]])
    start = np.concatenate((users.numpy(), items.numpy()))
    powers = [np.linalg.matrix_power(whole, k) @ start for k in range(num_layers + 1)]
    found = torch.cat(propagate(edges, back, users, items, num_layers=num_layers))
    np.testing.assert_allclose(found.numpy(), np.mean(powers, axis=0), atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    _, edges, back = sparse_pair()
    users, items = (part.requires_grad_() for part in layer_zero())
    assert torch.autograd.gradcheck(
        lambda u, i: propagate(edges, back, u, i, num_layers=2), (users, items)
    )
