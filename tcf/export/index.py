"""A FAISS index over a recommender's items, with its measured recall."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tcf._util import atomic_write, lookup, write_json
from tcf.export.vectors import Vectors, write_ids

if TYPE_CHECKING:
    import faiss

__all__ = ["INDEXES", "exact_top", "recall", "write_index"]


def exact_top(users: np.ndarray, items: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return every user's ``k`` best items, ``(n, k)`` rows from 0, and their exact scores.

    Args:
        users: ``(n, D)``.
        items: ``(num_items, D)``.
        k: At most ``num_items``.

    Raises:
        ValueError: If ``k`` is not between 1 and ``num_items``.
    """
    if not 1 <= k <= len(items):
        raise ValueError(f"k must be between 1 and num_items={len(items)}; got {k}")
    table, rows, scores = torch.from_numpy(items).t(), [], []
    for part in torch.from_numpy(users).split(256):
        best = (part @ table).topk(k)
        rows.append(best.indices.numpy())
        scores.append(best.values.numpy())
    return np.concatenate(rows), np.concatenate(scores)


def recall(index: "faiss.Index", users: np.ndarray, items: np.ndarray, *, k: int) -> float:
    """Return the share of the exact ``k`` best that an index finds, as a mean over users.

    An item that scores at least what the k-th best does is one of the best, so that ties are no
    misses; both scores come from the same products.

    Args:
        index: Over ``items``, by inner product.
        users: ``(n, D)`` queries.
        items: ``(num_items, D)``.
        k: Cut-off, in items.
    """
    table, hits = torch.from_numpy(items).t(), 0
    for part in torch.from_numpy(users).split(256):
        _, found = index.search(part.numpy(), k)  # type: ignore[call-arg]  (faiss wraps it in Python)
        scores = part @ table
        worst = scores.topk(k).values[:, -1:]
        got = scores.gather(1, torch.from_numpy(np.maximum(found, 0)))
        hits += int(((got >= worst) & torch.from_numpy(found >= 0)).sum())
    return hits / (len(users) * k)


def write_index(
    made: Vectors,
    path: Path,
    *,
    kind: str = "flat",
    k: int = 10,
    num_queries: int = 1000,
) -> dict[str, Any]:
    """Write a FAISS index over the items, and beside it a JSON that says what it is.

    Row r of the index is the r-th item of ``made.items``; the JSON names the file of their ids.

    Args:
        made: Vectors.
        path: A ``.faiss`` file; the JSON and the ids lie beside it.
        kind: ``"flat"`` is exact; ``"hnsw"`` a graph; ``"ivf"`` looks into the nearest cells.
        k: Cut-off of the recall that is measured against exact search; at most all items.
        num_queries: Users it is measured on, evenly spread.

    Returns:
        What the JSON holds, ``recall`` among it.

    Raises:
        ValueError: If there is no index of this kind, or FAISS is not installed.
    """
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise ValueError(f"an index needs {error.name}: pip install 'tcf[faiss]'") from error

    build = lookup(INDEXES, kind, "index")
    users, items = made.users.vectors, made.items.vectors
    k = min(k, len(items))
    places = np.linspace(0, len(users) - 1, min(num_queries, len(users))).astype(int)
    index = build(items)
    found = recall(index, users[places], items, k=k)
    with atomic_write(path) as temporary:
        faiss.write_index(index, str(temporary))
    about = {
        "schema": 1,
        "kind": kind,
        "metric": "inner product",
        "width": items.shape[1],
        "num_items": len(items),
        "item_ids": write_ids(path, made.items.item_ids).name,
        "recall": {"k": k, "value": found, "num_users": len(places), "against": "exact search"},
        "items": made.items.key,
        "name": made.items.manifest["name"],
        "faiss": faiss.__version__,
    }
    write_json(path.with_suffix(".json"), about)
    return about


def _flat(items: np.ndarray) -> "faiss.Index":
    import faiss

    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items)  # type: ignore[call-arg]
    return index


def _hnsw(items: np.ndarray) -> "faiss.Index":
    import faiss

    index = faiss.IndexHNSWFlat(items.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 200, 128
    index.add(items)  # type: ignore[call-arg]
    return index


def _ivf(items: np.ndarray) -> "faiss.Index":
    import faiss

    num_cells = max(1, min(round(4 * len(items) ** 0.5), len(items) // 39))  # 39: faiss's least
    cells = faiss.IndexFlatIP(items.shape[1])
    index = faiss.IndexIVFFlat(cells, items.shape[1], num_cells, faiss.METRIC_INNER_PRODUCT)
    index.train(items)  # type: ignore[call-arg]
    index.add(items)  # type: ignore[call-arg]
    index.nprobe = max(1, num_cells // 8)
    return index


INDEXES: dict[str, Callable[[np.ndarray], Any]] = {"flat": _flat, "hnsw": _hnsw, "ivf": _ivf}
