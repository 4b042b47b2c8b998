"""A transform learns from the training items, whatever their order, and from nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.encode import L2, PCA, Embeddings, RandomProjection, Whitening, apply_transforms
from tcf.encode.transform import Transform

LAWS = settings(max_examples=25, deadline=None, derandomize=True)
TRANSFORMS = [PCA(dims=3), Whitening(), Whitening(dims=2), RandomProjection(dims=3), L2()]
each = pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
clouds = st.builds(
    lambda seed, n, width, offset: made(
        np.random.default_rng(seed).normal(size=(n, width)) * 2.0 ** -np.arange(width) + offset
    ),
    seed=st.integers(0, 2**16),
    n=st.integers(15, 40),  # two thirds of them are more than the width
    width=st.integers(3, 8),
    offset=st.sampled_from([0.0, 1.0, 100.0]),
)


def made(vectors: np.ndarray) -> Embeddings:
    ids = tuple(f"i{n}" for n in range(len(vectors)))
    return Embeddings(ids, vectors.astype(np.float32), {"name": "toy"}, "00ff")


def training(some: Embeddings) -> tuple[str, ...]:
    return some.item_ids[: 2 * len(some.item_ids) // 3]


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@each
@LAWS
@given(some=clouds, noise=st.integers(0, 2**16))
def test_other_items_change_nothing(transform: Transform, some: Embeddings, noise: int) -> None:
    known = training(some)
    expected = apply_transforms(some, [transform], fit_on=known).vectors[: len(known)]
    other = some.vectors.copy()
    rng = np.random.default_rng(noise)
    other[len(known) :] = rng.normal(scale=1e3, size=other[len(known) :].shape)
    found = apply_transforms(made(other), [transform], fit_on=known)
    assert_same(found.vectors[: len(known)], expected)
    alone = apply_transforms(made(some.vectors[: len(known)]), [transform], fit_on=known)
    assert_same(alone.vectors, expected)


@each
@LAWS
@given(some=clouds, rng=st.randoms(use_true_random=False))
def test_order_changes_nothing(transform: Transform, some: Embeddings, rng) -> None:
    known = list(training(some))
    expected = apply_transforms(some, [transform], fit_on=known)
    order = list(range(len(some.item_ids)))
    rng.shuffle(order)
    rng.shuffle(known)
    ids = tuple(some.item_ids[n] for n in order)
    shuffled = Embeddings(ids, some.vectors[order], some.manifest, some.key)
    found = apply_transforms(shuffled, [transform], fit_on=known)
    assert found.key == expected.key and found.item_ids == ids
    assert_same(found.vectors, expected.vectors[order])


@LAWS
@given(some=clouds, transforms=st.lists(st.sampled_from([*TRANSFORMS[1:2], L2()]), max_size=3))
def test_together_is_one_after_another(some: Embeddings, transforms: list[Transform]) -> None:
    together = apply_transforms(some, transforms, fit_on=training(some))
    step = some
    for transform in transforms:
        step = apply_transforms(step, [transform], fit_on=training(some))
    assert (step.key, step.manifest) == (together.key, together.manifest)
    np.testing.assert_array_equal(step.vectors, together.vectors)


@LAWS
@given(some=clouds)
def test_whitening_makes_the_training_covariance_the_identity(some: Embeddings) -> None:
    known = training(some)
    found = apply_transforms(some, [Whitening(floor=1e-9)], fit_on=known)
    covariance = np.cov(found.vectors[: len(known)].T.astype(np.float64))
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=1e-5)


@LAWS
@given(some=clouds)
def test_pca_of_full_width_keeps_distances(some: Embeddings) -> None:
    width = some.vectors.shape[1]
    found = apply_transforms(some, [PCA(dims=width)], fit_on=some.item_ids).vectors
    before = np.linalg.norm(some.vectors[:, None] - some.vectors[None], axis=2)
    after = np.linalg.norm(found[:, None] - found[None], axis=2)
    assert_same(after, before)
