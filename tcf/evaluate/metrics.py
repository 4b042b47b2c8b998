"""HR, NDCG and MRR of one target a user, averaged over a random order of ties in closed form."""

import numpy as np

from tcf.evaluate.ledger import Ledger


def hr(ledger: Ledger, *, k: int) -> np.ndarray:
    """Hit rate: is the target among the first ``k``?

    With ties the target's place is uniform over ``rank .. rank + ties``, and this is the share of
    those places inside the cut-off.

    Args:
        ledger: Ranks and ties.
        k: Cut-off, in items.

    Returns:
        ``(num_users,)`` float64 in [0, 1]; take the mean for the usual figure.

    Raises:
        ValueError: If ``k`` is below 1 or a rank is.
    """
    return _mean_gain(ledger, np.ones, k=k)


def ndcg(ledger: Ledger, *, k: int) -> np.ndarray:
    """NDCG@k of a single target: ``1 / log2(1 + place)`` inside the cut-off and 0 outside.

    Args, returns, raises: as `hr`.

    Source: Järvelin & Kekäläinen (2002); with one relevant item the ideal gain is 1.
    """
    return _mean_gain(ledger, lambda n: 1 / np.log2(np.arange(2, n + 2)), k=k)


def mrr(ledger: Ledger, *, k: int) -> np.ndarray:
    """Reciprocal rank: ``1 / place`` inside the cut-off and 0 outside.

    Args, returns, raises: as `hr`.
    """
    return _mean_gain(ledger, lambda n: 1 / np.arange(1, n + 1), k=k)


METRICS = {"hr": hr, "mrr": mrr, "ndcg": ndcg}


def metric(ledger: Ledger, name: str) -> np.ndarray:
    """Return a metric by its name, such as ``"ndcg@10"``.

    Raises:
        ValueError: If the name is not ``hr@k``, ``ndcg@k`` or ``mrr@k``.
    """
    check_metric(name)
    kind, _, k = name.partition("@")
    return METRICS[kind](ledger, k=int(k))


def check_metric(name: str) -> None:
    """Raise unless `metric` knows this name.

    Raises:
        ValueError: If the name is not ``hr@k``, ``ndcg@k`` or ``mrr@k``.
    """
    kind, _, k = name.partition("@")
    if kind not in METRICS or not k.isdecimal():
        raise ValueError(
            f"a metric is one of {', '.join(sorted(METRICS))} and a cut-off, like 'hr@10'; "
            f"got {name!r}"
        )


def _mean_gain(ledger: Ledger, gains, *, k: int) -> np.ndarray:
    """Mean gain over the places ``rank .. rank + ties``, from a running sum of the gains."""
    if k < 1:
        raise ValueError(f"k must be at least 1; got {k}")
    if len(ledger) and ledger.rank.min() < 1:
        raise ValueError(f"ranks start at 1; got {ledger.rank.min()}")
    total = np.concatenate(([0.0], np.cumsum(gains(k))))
    before = ledger.rank.astype(np.int64) - 1
    last = before + ledger.ties + 1
    return (total[np.minimum(last, k)] - total[np.minimum(before, k)]) / (last - before)
