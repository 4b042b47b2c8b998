"""What is done to vectors before they are used, and part of their key; fitted on training items.

Whitening, PCA, random projection and L2 change vectors. `Shuffle` and `RandomVectors` take from
them what they say of their items, as controls: what is left is what any vectors would give.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tcf._util import hash_json
from tcf.encode.embeddings import Embeddings

__all__ = [
    "L2",
    "PCA",
    "RandomProjection",
    "RandomVectors",
    "Shuffle",
    "Transform",
    "Whitening",
    "apply_transforms",
]

_NO_VARIANCE = 1e-12  # of the largest: what the rounding of float32 vectors leaves (1e-15) is below
_CHUNK = 8192

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Whitening(_Config):
    """Centre, turn to the principal axes, and scale each axis to variance 1 on the training items.

    This is the PCA form, ``(x - mean) @ axes / sqrt(variances)``, the largest variance first:
    unlike the ZCA form, which turns back, it can keep the leading axes only.

    Attributes:
        dims: Axes kept; None keeps the width.
        floor: An axis with less than this share of the largest variance is scaled as if it had that
            share. Dividing by a tiny variance would make noise as loud as everything else; 1e-5 is
            about what the rounding of bfloat16 leaves in an axis (measured on titles read with
            MiniLM: 1e-6 to 1e-5, where true axes have 1e-3 and more). Axes in which the training
            items do not vary at all (a final layer norm leaves one; fewer items than width leave
            many) have no direction of their own and become 0 for every item.

    Source: Su et al., arXiv 2103.15316; for recommendation UniSRec, Hou et al., arXiv 2206.05941.
    """

    name: Literal["whitening"] = "whitening"
    dims: Count | None = None
    floor: Annotated[float, Field(gt=0, le=1)] = 1e-5


class PCA(_Config):
    """Centre and keep the ``dims`` axes in which the training items vary most, unscaled.

    Each axis points so that its largest weight is positive. Axes in which the training items do not
    vary at all become 0 for every item. In an arm of a study, ``dims="smallest"`` is the width of
    its narrowest encoder: see `tcf.study.controls`.
    """

    name: Literal["pca"] = "pca"
    dims: Count | Literal["smallest"]


class RandomProjection(_Config):
    """Multiply by a Gaussian matrix drawn from ``seed``; keeps distances on average.

    Needs no fitting: it depends on width, ``dims`` and ``seed`` alone. ``dims="smallest"`` as in
    `PCA`.

    Source: Johnson & Lindenstrauss (1984), as ``GaussianRandomProjection`` in scikit-learn.
    """

    name: Literal["random_projection"] = "random_projection"
    dims: Count | Literal["smallest"]
    seed: Seed = 0


class L2(_Config):
    """Scale each vector to length 1; a vector of zeros stays one. Needs no fitting."""

    name: Literal["l2"] = "l2"


class Shuffle(_Config):
    """Give each item the vector of another one: the same vectors, which say nothing of their item.

    The items, in the order of a hash of ``seed`` and id, stand in a circle, and each takes the
    vector of the next: nobody keeps its own, every vector is used once, the order in which items
    come does not matter, and a further item moves the vector of one other. Items with the same
    text have the same vector before, so a few may look as if they kept theirs. All items of the
    embeddings take part; their ids are in the key.
    """

    name: Literal["shuffle"] = "shuffle"
    seed: Seed = 0


class RandomVectors(_Config):
    """Replace each item's vector by noise of the same width, place and scale.

    Each axis is Gaussian with the mean and the variance that the training items have on it. An
    item's noise is drawn from ``seed`` and its id, so that other items do not move it.
    """

    name: Literal["random_vectors"] = "random_vectors"
    seed: Seed = 0


AnyTransform = Whitening | PCA | RandomProjection | L2 | Shuffle | RandomVectors
Transform = Annotated[AnyTransform, Field(discriminator="name")]
Map = Callable[[np.ndarray], np.ndarray]


def apply_transforms(
    embeddings: Embeddings,
    transforms: Sequence[AnyTransform],
    *,
    fit_on: Collection[str],
    fit_to: Embeddings | None = None,
) -> Embeddings:
    """Return the embeddings with each transform applied in turn.

    Whitening, PCA and RandomVectors are fitted, in float64, on the vectors of the items ``fit_on``
    and no others, whatever their order. The result's key hashes the key before, the transform and,
    where it is fitted, the ids fitted on; its manifest lists the transforms, each with a hash of
    those ids.
    Two transforms in one call are the same, key and vectors, as two calls of one.

    Args:
        embeddings: With ``(N, E)`` vectors.
        transforms: Applied first to last; none returns the embeddings as they are.
        fit_on: Item ids of the training items. Transforms that need no fitting ignore them.
        fit_to: Where ``fit_on`` are items of another data set, its embeddings: what is fitted on
            them there has the same key here.

    Returns:
        Embeddings of the same items, ``(N, dims)`` float32.

    Raises:
        ValueError: If ``dims`` exceeds the width, or, for a transform that is fitted, ``fit_on``
            is no subset of the item ids, holds fewer items than ``dims`` or than 2, or only items
            with one and the same vector. If there is but one item to shuffle.
    """
    for transform in transforms:
        there = embeddings if fit_to is None else fit_to
        embeddings = _apply(embeddings, transform, fit_on, there)
        fit_to = None if fit_to is None else _apply(fit_to, transform, fit_on, fit_to)
    return embeddings


def _apply(
    embeddings: Embeddings,
    transform: AnyTransform,
    fit_on: Collection[str],
    fit_to: Embeddings,
) -> Embeddings:
    width = embeddings.width
    ids: list[str] | None = None
    match transform:
        case Whitening() | PCA():
            dims = _checked_dims(transform.name, transform.dims or width, width)
            ids = sorted(set(fit_on))
            training = _training_vectors(fit_to, ids, dims=dims, who=transform.name)
            floor = transform.floor if isinstance(transform, Whitening) else None
            function = _principal_axes(training, dims=dims, floor=floor)
            vectors = _mapped(embeddings.vectors, function, dims=dims)
        case RandomProjection():
            dims = _checked_dims(transform.name, transform.dims, width)
            function = _random_projection(width, dims=dims, seed=transform.seed)
            vectors = _mapped(embeddings.vectors, function, dims=dims)
        case L2():
            vectors = _mapped(embeddings.vectors, _unit_length, dims=width)
        case Shuffle():
            ids = sorted(embeddings.item_ids)
            vectors = embeddings.vectors[_next_in_circle(embeddings.item_ids, seed=transform.seed)]
        case RandomVectors():
            ids = sorted(set(fit_on))
            training = _training_vectors(fit_to, ids, dims=None, who=transform.name)
            vectors = _noise_like(training, embeddings.item_ids, seed=transform.seed)
    fitted_on = None if ids is None else {"num_items": len(ids), "sha256": _hash_ids(ids)}
    step = {**transform.model_dump(mode="json"), "fit_on": fitted_on}
    done = embeddings.manifest.get("transforms", [])
    return replace(
        embeddings,
        vectors=vectors,
        manifest={**embeddings.manifest, "transforms": [*done, step]},
        key=hash_json({"embeddings": embeddings.key, "transform": step}),
    )


def _principal_axes(training: np.ndarray, *, dims: int, floor: float | None) -> Map:
    """Return the map onto the leading axes of ``training``, (n, E) float64, which it changes.

    Args:
        training: Overwritten with the centred vectors.
        dims: Axes kept.
        floor: As in `Whitening`; None leaves the axes unscaled.
    """
    from sklearn.decomposition import PCA as Principal

    mean = training.mean(axis=0)
    training -= mean  # the covariance solver centres its matrix only, which cancels at large means
    tall = len(training) >= training.shape[1]
    # Both solvers are exact and make each axis's largest weight positive; "auto" may pick neither.
    solver = "covariance_eigh" if tall else "full"
    fit = Principal(dims, copy=False, svd_solver=solver).fit(training)
    variances = np.asarray(fit.explained_variance_)
    scale = np.ones(dims)
    if floor is not None:
        scale /= np.sqrt(np.maximum(variances, floor * variances[0]))
    scale[variances <= _NO_VARIANCE * variances[0]] = 0
    matrix = np.asarray(fit.components_).T * scale
    return lambda vectors: (vectors - mean) @ matrix


def _random_projection(width: int, *, dims: int, seed: int) -> Map:
    from sklearn.random_projection import GaussianRandomProjection

    settings: dict[str, Any] = {"n_components": dims, "random_state": seed}
    projection = GaussianRandomProjection(**settings).fit(np.empty((1, width)))  # reads the shape
    matrix = projection.components_.T
    return lambda vectors: vectors @ matrix


def _mapped(vectors: np.ndarray, function: Map, *, dims: int) -> np.ndarray:
    """Return ``(N, dims)`` float32, made part by part: the vectors may be a file above memory."""
    made = np.empty((len(vectors), dims), np.float32)
    for start in range(0, len(vectors), _CHUNK):
        part = slice(start, start + _CHUNK)
        made[part] = function(vectors[part].astype(np.float64))
    return made


def _next_in_circle(item_ids: Sequence[str], *, seed: int) -> np.ndarray:
    """Return for each item the place of the next one in a circle ordered by hash, ``(N,)`` int."""
    if len(item_ids) < 2:
        raise ValueError(
            f"shuffle needs at least 2 items, or one would keep its vector; got {len(item_ids)}"
        )
    digests = [_digest(item_id, seed) for item_id in item_ids]
    circle = np.array(sorted(range(len(item_ids)), key=digests.__getitem__))
    following = np.empty_like(circle)
    following[circle] = np.roll(circle, -1)
    return following


def _noise_like(training: np.ndarray, item_ids: Sequence[str], *, seed: int) -> np.ndarray:
    """Return ``(N, E)`` float32 Gaussian noise with the training vectors' mean and spread."""
    mean, spread = training.mean(axis=0), training.std(axis=0)
    made = np.empty((len(item_ids), len(mean)), np.float32)
    for place, item_id in enumerate(item_ids):
        rng = np.random.default_rng(int.from_bytes(_digest(item_id, seed)[:16], "big"))
        made[place] = mean + spread * rng.standard_normal(len(mean))
    return made


def _digest(item_id: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{item_id}".encode("utf-8", "surrogatepass")).digest()


def _unit_length(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _checked_dims(who: str, dims: int | str, width: int) -> int:
    if isinstance(dims, str):
        raise ValueError(
            f"{who} needs dims as a number; got {dims!r}, which only a study knows, from the "
            f"widths of its encoders; here the vectors have width {width}"
        )
    if dims > width:
        raise ValueError(f"{who} needs dims of at most the vectors' width {width}; got {dims}")
    return dims


def _training_vectors(
    embeddings: Embeddings, ids: list[str], *, dims: int | None, who: str
) -> np.ndarray:
    """Return a float64 copy of the vectors of ``ids``, in their order."""
    place = {item_id: n for n, item_id in enumerate(embeddings.item_ids)}
    unknown = [item_id for item_id in ids if item_id not in place]
    if unknown:
        raise ValueError(
            f"{who} is fitted on items that have vectors; {len(unknown)} of the {len(ids)} in "
            f"fit_on have none, the first: {unknown[:3]}"
        )
    least = max(dims or 2, 2)
    if len(ids) < least:
        wanted, smaller = (f" with dims={dims}", "choose smaller dims or ") if dims else ("", "")
        raise ValueError(
            f"{who}{wanted} must be fitted on at least {least} items; fit_on has {len(ids)}: "
            f"{smaller}give more training items"
        )
    rows = np.fromiter((place[item_id] for item_id in ids), np.int64, len(ids))
    training = embeddings.vectors[rows].astype(np.float64)
    if (training == training[0]).all():
        raise ValueError(
            f"{who} must be fitted on items whose vectors differ; all {len(ids)} in fit_on have "
            "the same vector"
        )
    return training


def _hash_ids(ids: list[str]) -> str:
    digest = hashlib.sha256()
    for item_id in ids:
        digest.update(hashlib.sha256(item_id.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()
