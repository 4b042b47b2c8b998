"""The doctor's checks of vectors and activations: pure functions, no torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tcf.data.findings import Finding, Verdict

__all__ = [
    "anisotropy",
    "compare",
    "constant_vectors",
    "drift_finding",
    "float16_range",
    "invariance",
]

_FLOAT16_LARGEST = 65504.0
_NEIGHBOURS = 10
# What is wanted is a judgement: rounding to bfloat16 should not be seen, four bits always are.
_COSINE_WANTED = {"int8": 0.99, "nf4": 0.97}
_COSINE_WANTED_ELSE = 0.999
_KEPT_WANTED = 0.7


def invariance(
    check: str,
    one: np.ndarray,
    other: np.ndarray,
    *,
    dtype: str | None,
    verdict: Verdict,
    fix: str,
) -> Finding:
    """Whether the same texts have the same vectors when they are made in two ways.

    In float32 they must agree within 1e-5 of the largest value. A shorter format rounds whenever
    sums are taken in another order, about as far as it drifts from float32: there every cosine must
    reach 0.999.

    Args:
        check: Name of the check.
        one: ``(n, E)`` vectors.
        other: ``(n, E)`` vectors of the same texts.
        dtype: Number format they were made in; None, not known, is held to float32's bound.
        verdict: If they differ.
        fix: What to do if they differ.
    """
    apart = float(np.abs(one - other).max() / max(float(np.abs(one).max()), 1e-30))
    worst = float(cosines(one, other).min())
    exact = dtype in ("float32", None)
    bound = "1e-5 is allowed" if exact else f"0.999 is wanted in {dtype}"
    found = (
        f"{len(one)} texts differ by at most {apart:.1e} of the largest value, "
        f"worst cosine {worst:.5f}; {bound}"
    )
    if apart <= 1e-5 if exact else worst >= 0.999:
        return Finding(check, "ok", found)
    return Finding(check, verdict, found, fix)


def constant_vectors(vectors: np.ndarray) -> Finding:
    """Different texts must have different vectors, and none may be zero.

    Args:
        vectors: ``(n, E)`` of different texts.
    """
    zero = int((~vectors.any(axis=1)).sum())
    size = max(float(np.abs(vectors).max()), 1e-30)
    spread = float(vectors.std(axis=0).max()) / size
    found = f"{len(vectors)} texts spread by {spread:.2g} of the largest value; {zero} are zero"
    if len(vectors) > 1 and spread < 1e-4:
        fix = "the vectors do not tell texts apart: check weights, prompt, pooling and max_tokens"
        return Finding("constant vectors", "problem", found, fix)
    if zero:
        fix = "the encoder finds nothing in these texts: drop the items or take another encoder"
        return Finding("constant vectors", "warning", found, fix)
    return Finding("constant vectors", "ok", found)


def anisotropy(vectors: np.ndarray) -> Finding:
    """Mean cosine over all pairs of texts, as information: language models' are often near 1.

    Args:
        vectors: ``(n, E)`` of different texts.

    Source: Ethayarajh (2019), who takes the mean over random pairs.
    """
    unit = _unit(vectors)
    n = len(unit)
    mean = (float(np.square(unit.sum(axis=0)).sum()) - n) / max(1, n * (n - 1))
    note = "; all point one way, so dot products of raw vectors say little" if mean > 0.9 else ""
    return Finding("anisotropy", "ok", f"mean cosine of two texts {mean:.3f}{note}")


def float16_range(largest: Sequence[float], *, dtype: str) -> Finding:
    """The largest activation against the largest number of float16.

    Args:
        largest: Largest absolute output of each block, on real tokens, not made in float16.
        dtype: Format in which the encoder is to run.
    """
    values = np.asarray(largest, np.float64)
    if not np.isfinite(values).all():
        block = int(np.argmin(np.isfinite(values))) + 1
        found = f"the output of block {block} is not finite"
        fix = "the weights are damaged or the format too short: download again, dtype='float32'"
        return Finding("float16 range", "problem", found, fix)
    share = float(values.max()) / _FLOAT16_LARGEST
    found = f"largest output {values.max():.4g}, of block {int(values.argmax()) + 1}: "
    found += f"{100 * share:.2g}% of 65,504"
    if share < 0.5:
        return Finding("float16 range", "ok", found)
    used = dtype == "float16"
    fix = "float16 overflows: dtype='bfloat16' or 'float32'" + ("" if used else ", as now")
    return Finding("float16 range", "problem" if used else "warning", found, fix)


def compare(reference: np.ndarray, vectors: np.ndarray) -> dict[str, Any]:
    """Return how far ``vectors`` have drifted from ``reference``, JSON-able.

    Args:
        reference: ``(n, E)`` vectors of different texts.
        vectors: ``(n, E)`` vectors of the same texts.

    Returns:
        ``num_texts``; ``cosine_mean`` and ``cosine_worst`` of a text with itself; ``neighbours``,
        how many nearest texts by cosine were compared (10, fewer among few texts), and
        ``neighbours_kept``, the mean share of them that stayed, None with fewer than 3 texts.
    """
    cosine = cosines(reference, vectors)
    count = min(_NEIGHBOURS, (len(cosine) - 1) // 2)
    kept = None
    if count:
        before, after = _nearest(reference, count), _nearest(vectors, count)
        pairs = zip(before, after, strict=True)
        kept = float(np.mean([len(np.intersect1d(*pair)) for pair in pairs]) / count)
    return {
        "num_texts": len(cosine),
        "cosine_mean": float(cosine.mean()),
        "cosine_worst": float(cosine.min()),
        "neighbours": count,
        "neighbours_kept": kept,
    }


def drift_finding(what: str, drift: dict[str, Any], *, against: str, used: bool) -> Finding:
    """Judge the result of `compare`.

    Args:
        what: ``"bfloat16"``, ``"int8"``, ...
        drift: From `compare`.
        against: The format of the reference.
        used: Whether the encoder is to run so; one that is not is never a problem.
    """
    kept = drift["neighbours_kept"]
    found = f"cosine to {against} {drift['cosine_mean']:.5f} on average, "
    found += f"{drift['cosine_worst']:.5f} at worst of {drift['num_texts']} texts"
    if kept is not None:
        found += f"; {100 * kept:.3g}% of the {drift['neighbours']} nearest texts stay"
    wanted = _COSINE_WANTED.get(what, _COSINE_WANTED_ELSE)
    if drift["cosine_mean"] >= wanted and (kept is None or kept >= _KEPT_WANTED):
        return Finding(f"{what} drift", "ok", found)
    bad = drift["cosine_mean"] < 0.9 or (kept is not None and kept < 0.5)
    verdict: Verdict = "problem" if bad and used else "warning"
    return Finding(f"{what} drift", verdict, found, f"encode in {against} where memory allows")


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the ``(n,)`` cosine of each pair of rows; 1 where both are zero."""
    both_zero = ~one.any(axis=1) & ~other.any(axis=1)
    return np.where(both_zero, 1.0, (_unit(one) * _unit(other)).sum(axis=1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)


def _nearest(vectors: np.ndarray, count: int) -> np.ndarray:
    """``(n, count)`` places of the rows nearest by cosine, the row itself left out."""
    unit = _unit(vectors)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    return np.argsort(-similar, axis=1, kind="stable")[:, :count]
