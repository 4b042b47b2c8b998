"""Whitening, PCA, random projection and L2: fitted on training items only, part of the key."""

import functools
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tcf._util import hash_json
from tcf.encode.embeddings import Embeddings

__all__ = ["L2", "PCA", "RandomProjection", "Transform", "Whitening", "apply_transforms"]

_NO_VARIANCE = 1e-12  # of the largest: what the rounding of float32 vectors leaves (1e-15) is below
_CHUNK = 8192

Count = Annotated[int, Field(ge=1)]


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
    vary at all become 0 for every item.
    """

    name: Literal["pca"] = "pca"
    dims: Count


class RandomProjection(_Config):
    """Multiply by a Gaussian matrix drawn from ``seed``; keeps distances on average.

    Needs no fitting: it depends on width, ``dims`` and ``seed`` alone.

    Source: Johnson & Lindenstrauss (1984), as ``GaussianRandomProjection`` in scikit-learn.
    """

    name: Literal["random_projection"] = "random_projection"
    dims: Count
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class L2(_Config):
    """Scale each vector to length 1; a vector of zeros stays one. Needs no fitting."""

    name: Literal["l2"] = "l2"


Transform = Annotated[Whitening | PCA | RandomProjection | L2, Field(discriminator="name")]
Map = Callable[[np.ndarray], np.ndarray]


def apply_transforms(
    embeddings: Embeddings,
    transforms: Sequence[Whitening | PCA | RandomProjection | L2],
    *,
    fit_on: Collection[str],
) -> Embeddings:
    """Return the embeddings with each transform applied in turn.

    Whitening and PCA are fitted, in float64, on the vectors of the items ``fit_on`` and no others,
    whatever their order. The result's key hashes the key before, the transform and, where it is
    fitted, the ids fitted on; its manifest lists the transforms, each with a hash of those ids.
    Two transforms in one call are the same, key and vectors, as two calls of one.

    Args:
        embeddings: With ``(N, E)`` vectors.
        transforms: Applied first to last; none returns the embeddings as they are.
        fit_on: Item ids of the training items. Transforms that need no fitting ignore them.

    Returns:
        Embeddings of the same items, ``(N, dims)`` float32.

    Raises:
        ValueError: If ``dims`` exceeds the width, or, for a transform that is fitted, ``fit_on``
            is no subset of the item ids, holds fewer items than ``dims`` or than 2, or only items
            with one and the same vector.
    """
    return functools.reduce(lambda e, t: _apply(e, t, fit_on), transforms, embeddings)


def _apply(
    embeddings: Embeddings,
    transform: Whitening | PCA | RandomProjection | L2,
    fit_on: Collection[str],
) -> Embeddings:
    width = embeddings.vectors.shape[1]
    fitted_on = None
    match transform:
        case Whitening() | PCA():
            dims = _checked_dims(transform.name, transform.dims or width, width)
            ids = sorted(set(fit_on))
            training = _training_vectors(embeddings, ids, dims=dims, who=transform.name)
            floor = transform.floor if isinstance(transform, Whitening) else None
            function = _principal_axes(training, dims=dims, floor=floor)
            fitted_on = {"num_items": len(ids), "sha256": _hash_ids(ids)}
        case RandomProjection():
            dims = _checked_dims(transform.name, transform.dims, width)
            function = _random_projection(width, dims=dims, seed=transform.seed)
        case L2():
            dims, function = width, _unit_length
    step = {**transform.model_dump(mode="json"), "fit_on": fitted_on}
    vectors = np.empty((len(embeddings.vectors), dims), np.float32)
    for start in range(0, len(vectors), _CHUNK):  # the vectors may be a file above memory
        part = slice(start, start + _CHUNK)
        vectors[part] = function(embeddings.vectors[part].astype(np.float64))
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


def _unit_length(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _checked_dims(who: str, dims: int, width: int) -> int:
    if dims > width:
        raise ValueError(f"{who} needs dims of at most the vectors' width {width}; got {dims}")
    return dims


def _training_vectors(embeddings: Embeddings, ids: list[str], *, dims: int, who: str) -> np.ndarray:
    """Return a float64 copy of the vectors of ``ids``, in their order."""
    place = {item_id: n for n, item_id in enumerate(embeddings.item_ids)}
    unknown = [item_id for item_id in ids if item_id not in place]
    if unknown:
        raise ValueError(
            f"{who} is fitted on items that have vectors; {len(unknown)} of the {len(ids)} in "
            f"fit_on have none, the first: {unknown[:3]}"
        )
    if len(ids) < max(dims, 2):
        raise ValueError(
            f"{who} with dims={dims} must be fitted on at least {max(dims, 2)} items; fit_on has "
            f"{len(ids)}: choose smaller dims or give more training items"
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
