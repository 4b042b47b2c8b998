"""Coverage, Gini and novelty against their definitions in ten lines of NumPy."""

import numpy as np

from tcf.evaluate.catalog_metrics import list_metrics


def by_definition(lists: np.ndarray, train_counts: np.ndarray) -> list[float]:
    rows = [row for places in lists for row in places if row]
    shown = np.array([rows.count(row) for row in range(1, len(train_counts) + 1)])
    differences = np.abs(shown[:, None] - shown[None, :])  # half the relative mean difference
    share = (train_counts + 1) / (train_counts + 1).sum()
    return [
        len(set(rows)) / len(train_counts),
        differences.mean() / (2 * shown.mean()),
        float(np.mean([-np.log2(share[row - 1]) for row in rows])),
    ]


def test_they_are_their_definitions():
    rng = np.random.default_rng(0)
    for num_items, num_users, k in ((1, 1, 1), (7, 3, 2), (60, 40, 10), (200, 5, 10)):
        lists = np.stack(
            [
                rng.permutation(np.arange(num_items + 1))[: min(k, num_items)]
                for _ in range(num_users)
            ]
        )
        lists[0, 0] = num_items  # a place that is not empty
        train_counts = rng.integers(0, 9, num_items)
        found = list_metrics(lists, train_counts=train_counts)
        assert found.pop("k") == lists.shape[1]
        np.testing.assert_allclose(
            list(found.values()), by_definition(lists, train_counts), rtol=0, atol=1e-12
        )
