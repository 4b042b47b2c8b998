"""Draws for very many users: clusters of items, chosen by a bound of their mass and then looked at.

The law is that of `tcf.data.simulate.law`, up to rounding in float32. For a query ``q`` (what,
times an item's taste, is its logit but for popularity):

1. A cluster is proposed with probability proportional to a bound ``B`` of its mass
   ``S = sum(popularity * exp(q . taste))``.
2. It is accepted with probability ``S / B``, for which its items, and no others, are looked at; an
   item of it is then drawn by its share of ``S``. Otherwise, or if the user has taken the item,
   the user starts again: rejection leaves exactly the law of the next item.

The bound stands on tables for some typical queries, the codes. With ``d = q - code``, the tastes of
a cluster's items, weighted as the code weighs them, have a mean ``m``, a largest variance ``v`` in
any direction and a radius ``r``, and by Bennett's inequality the mean of ``exp(d . (taste - m))``
is at most ``(T² exp(-V / T) + V exp(T)) / (T² + V)`` with ``T = |d| r`` and ``V = |d|² v``.

Users who are still without an item when few are left are looked after one by one.

Source: Bennett, JASA 57 (1962), for the bound; von Neumann (1951) for rejection.
"""

import numpy as np

from tcf.data.simulate.law import Law, Visits

_MOST_CODES = 1024
_QUERIES_A_CODE = 40  # to place the codes, and again to see how far queries are from them
_NUM_LEVELS = 32
_FEW = 1 << 26  # users left times items: cheaper to look at all of them than to try again
_MOST_ROUNDS = 64
_RUN_USERS = 512
_TINY = 1e-6


class Clusters:
    """Draws an item for each of many users; see the module."""

    def __init__(self, law: Law, visits: Visits, *, rng: np.random.Generator):
        self.law = law
        popularity = law.log_popularity[:, 1:]
        tastes = law.items[1:]
        labels = _nearest(tastes, _codebook(tastes, round(1.7 * len(tastes) ** 0.5), rng))
        self.order = np.argsort(labels, kind="stable")  # items, cluster after cluster
        self.places = np.argsort(self.order)
        self.edges = np.concatenate(([0], np.flatnonzero(np.diff(labels[self.order])) + 1))
        self.edges = np.append(self.edges, len(tastes))
        self.tastes = tastes[self.order].T.astype(np.float32)  # (K, N)
        self.popularity = popularity[:, self.order].astype(np.float32)  # (num_days, N)
        num_codes = int(np.clip(len(visits.user_taste) // _RUN_USERS, 1, _MOST_CODES))
        queries = _typical(law, visits, num=2 * num_codes * _QUERIES_A_CODE, rng=rng)
        self.codes = _codebook(queries[::2], num_codes, rng)
        distance = queries[1::2] - self.codes[_nearest(queries[1::2], self.codes)]
        longest = np.linalg.norm(distance, axis=1).max() + _TINY
        self.levels = longest * np.arange(1, _NUM_LEVELS + 1) / _NUM_LEVELS
        self._tabulate()

    def _tabulate(self) -> None:
        """Make the tables: of each code and cluster the mean, of each level the log bound."""
        most = self.popularity.max(axis=0)
        num_codes, num_tastes = self.codes.shape
        shape = (num_codes, len(self.edges) - 1)
        log_mass, variance, radius = (np.empty(shape) for _ in range(3))
        self.means = np.empty((num_codes, num_tastes, shape[1]), np.float32)
        for cluster, (start, end) in enumerate(zip(self.edges[:-1], self.edges[1:], strict=True)):
            x = self.tastes[:, start:end].T.astype(np.float64)
            logits = self.codes @ x.T + most[start:end]
            top = logits.max(axis=1, keepdims=True)
            weights = np.exp(logits - top)
            total = weights.sum(axis=1, keepdims=True)
            log_mass[:, cluster] = (np.log(total) + top)[:, 0]
            weights /= total
            mean = weights @ x
            self.means[:, :, cluster] = mean
            squares = (weights @ (x[:, :, None] * x[:, None]).reshape(len(x), -1)).reshape(
                -1, num_tastes, num_tastes
            )
            spread = squares - mean[:, :, None] * mean[:, None]
            variance[:, cluster] = np.linalg.eigvalsh(spread)[:, -1]
            far = (x**2).sum(axis=1) - 2 * mean @ x.T + (mean**2).sum(axis=1, keepdims=True)
            radius[:, cluster] = np.sqrt(far.max(axis=1).clip(0))
        radius, variance = radius + _TINY, variance.clip(0) + _TINY
        logs = [log_mass + _bennett(x * radius, x**2 * variance) for x in self.levels]
        self.bounds = np.stack([x.astype(np.float32) for x in logs], axis=1)  # (codes, levels, C)

    def __call__(
        self,
        interest: np.ndarray,
        days: np.ndarray,
        taken: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return ``(n,)`` rows, none of those taken."""
        queries = self.law.query(interest)
        codes = _nearest(queries, self.codes)
        off = (queries - self.codes[codes]).astype(np.float32)
        levels = np.searchsorted(self.levels, np.linalg.norm(off, axis=1))
        queries = queries.astype(np.float32)
        rows = np.zeros(len(queries), np.int64)
        order = np.argsort(codes, kind="stable")
        left, beyond = (order[levels[order] < _NUM_LEVELS], order[levels[order] == _NUM_LEVELS])
        for _ in range(_MOST_ROUNDS):
            if len(left) * self.tastes.shape[1] <= _FEW:
                break
            clusters, bounds = self._propose(codes[left], levels[left], off[left], rng)
            found = self._settle(queries[left], days[left], clusters, bounds, rng)
            found[(taken[left] == found[:, None]).any(axis=1)] = 0
            rows[left] = found
            left = left[found == 0]
        left = np.concatenate([left, beyond])
        for start in range(0, len(left), _RUN_USERS):
            few = left[start : start + _RUN_USERS]
            rows[few] = self._look_at_all(queries[few], days[few], taken[few], rng)
        return rows

    def _propose(
        self, codes: np.ndarray, levels: np.ndarray, off: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(n,)`` clusters and the logs of their bounds, for users in order of codes."""
        clusters, bounds = np.empty(len(codes), np.int64), np.empty(len(codes), np.float32)
        cuts = np.flatnonzero(np.diff(codes)) + 1
        for begin, end in zip((0, *cuts), (*cuts, len(codes)), strict=True):
            code = codes[begin]
            for start in range(begin, end, _RUN_USERS):
                run = slice(start, min(start + _RUN_USERS, end))
                logs = off[run] @ self.means[code]
                logs += self.bounds[code][levels[run]]
                chosen = _choose(logs.copy(), rng)
                clusters[run], bounds[run] = chosen, logs[np.arange(len(logs)), chosen]
        return clusters, bounds

    def _settle(
        self,
        queries: np.ndarray,
        days: np.ndarray,
        clusters: np.ndarray,
        bounds: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return the ``(n,)`` rows drawn from these clusters, 0 where the cluster is rejected."""
        limits = bounds + np.log1p(-rng.random(len(bounds))).astype(np.float32)
        order = np.argsort(clusters.astype(np.int16), kind="stable")
        ends = np.searchsorted(clusters[order], np.arange(len(self.edges)))
        rows = np.zeros(len(queries), np.int64)
        for cluster in np.flatnonzero(np.diff(ends)):
            items = slice(self.edges[cluster], self.edges[cluster + 1])
            for start in range(ends[cluster], ends[cluster + 1], 4 * _RUN_USERS):
                here = order[start : min(start + 4 * _RUN_USERS, ends[cluster + 1])]
                masses = queries[here] @ self.tastes[:, items]
                masses += self._popularity(days[here], items)
                masses -= limits[here, None]
                place = _passing(np.exp(masses, out=masses), np.ones(len(here)))
                kept = place < masses.shape[1]
                rows[here[kept]] = self.order[items][place[kept]] + 1
        return rows

    def _look_at_all(
        self, queries: np.ndarray, days: np.ndarray, taken: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return ``(n,)`` rows drawn without any bound."""
        logits = queries @ self.tastes
        logits += self._popularity(days, slice(None))
        logits[np.arange(len(logits))[:, None], self.places[taken - 1]] = -np.inf
        return self.order[_choose(logits, rng)] + 1

    def _popularity(self, days: np.ndarray, items: slice) -> np.ndarray:
        popularity = self.popularity[:, items]
        return popularity[days] if len(popularity) > 1 else popularity


def _choose(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ``(n,)`` columns drawn from the softmax of each row; the logits are lost."""
    logits -= logits.max(axis=1, keepdims=True)
    weights = np.exp(logits, out=logits)
    column = _passing(weights, rng.random(len(weights)) * weights.sum(axis=1))
    return np.where(column < weights.shape[1], column, weights.argmax(axis=1))  # rounding


def _passing(weights: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the ``(n,)`` first column up to which a row's sum is over its limit; none: the width.

    Sums of blocks first, then within a block: a running sum over all columns takes twice to twenty
    times as long and is less exact.
    """
    width = weights.shape[1]
    step = round(width**0.5)
    starts = np.arange(0, width, step)
    sums = np.cumsum(np.add.reduceat(weights, starts, axis=1), axis=1)
    found = (sums <= limits[:, None]).sum(axis=1)
    block = np.minimum(found, len(starts) - 1)
    before = np.where(block > 0, sums[np.arange(len(sums)), block - 1], 0)
    columns = block[:, None] * step + np.arange(step)
    within = np.take_along_axis(weights, np.minimum(columns, width - 1), axis=1)
    within[columns >= width] = 0
    place = (np.cumsum(within, axis=1) <= (limits - before)[:, None]).sum(axis=1)
    return np.where((found > block) | (place == step), width, block * step + place)


def _bennett(largest: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the log of the most that ``E exp(t)`` can be: mean 0, this variance, t <= largest."""
    square = largest**2
    low, high = np.log(square) - variance / largest, np.log(variance) + largest
    return np.logaddexp(low, high) - np.log(square + variance) + 1e-5  # for rounding


def _typical(law: Law, visits: Visits, *, num: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``(num, K)`` queries as users may have them."""
    taste = rng.standard_normal((num, visits.user_taste.shape[1]))
    last = rng.integers(1, len(law.items), num)
    return law.query(law.interest(taste, last))


def _codebook(points: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most ``num`` centres of ``(n, K)`` points: a few rounds of Lloyd's algorithm."""
    points = points[rng.permutation(len(points))[: num * 50]]
    centres = points[: max(num, 1)]
    for _ in range(5):
        labels = _nearest(points, centres)
        counts = np.bincount(labels, minlength=len(centres))
        sums = np.stack([np.bincount(labels, x, len(centres)) for x in points.T], axis=1)
        centres = sums[counts > 0] / counts[counts > 0, None]
    return centres


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the ``(n,)`` index of the centre next to each point."""
    columns = centres.T.astype(np.float32)
    half = (columns**2).sum(axis=0) / 2
    labels = np.empty(len(points), np.int64)
    for start in range(0, len(points), _RUN_USERS):
        part = points[start : start + _RUN_USERS].astype(np.float32)
        labels[start : start + _RUN_USERS] = (part @ columns - half).argmax(axis=1)
    return labels
