"""Transforms: what is kept, what is refused, and what the key knows of them."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tcf.encode import (
    L2,
    PCA,
    Embeddings,
    RandomProjection,
    RandomVectors,
    Shuffle,
    Whitening,
    apply_transforms,
)
from tcf.encode.transform import Transform

IDS = tuple(f"i{n}" for n in range(60))
TRAINING = IDS[:40]


def embeddings(vectors: np.ndarray, ids: tuple[str, ...] = IDS) -> Embeddings:
    return Embeddings(ids, vectors.astype(np.float32), {"name": "toy", "prompt": "{text}"}, "00ff")


def cloud(width: int = 6, *, seed: int = 0, offset: float = 50.0) -> np.ndarray:
    """Correlated axes of spread 1, 1/2, 1/3, ... far from the origin."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
    return rng.normal(size=(len(IDS), width)) / np.arange(1, width + 1) @ turn + offset


TOY = embeddings(cloud())


def apply(*transforms: Transform, to: Embeddings = TOY, fit_on=TRAINING) -> Embeddings:
    return apply_transforms(to, transforms, fit_on=fit_on)


def test_pca_is_numpys_singular_value_decomposition() -> None:
    vectors = TOY.vectors.astype(np.float64)
    mean = vectors[:40].mean(axis=0)
    axes = np.linalg.svd(vectors[:40] - mean)[2][:3].T
    expected = (vectors - mean) @ axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(3)])
    found = apply(PCA(dims=3))
    assert found.item_ids == IDS
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)


@pytest.mark.parametrize("width", [6, 45], ids=["more items than width", "fewer"])
@pytest.mark.parametrize("dims", [1, 4, 6])
def test_whitened_training_items_have_the_identity_as_covariance(width: int, dims: int) -> None:
    found = apply(Whitening(dims=dims), to=embeddings(cloud(width))).vectors
    assert found.shape == (60, dims)
    np.testing.assert_allclose(found[:40].mean(axis=0), 0, atol=1e-5)
    covariance = np.atleast_2d(np.cov(found[:40].T.astype(np.float64)))
    np.testing.assert_allclose(covariance, np.eye(dims), atol=1e-5)


def test_axes_below_the_floor_are_scaled_as_if_they_were_at_it() -> None:
    rng = np.random.default_rng(0)
    whole = np.linalg.qr(rng.normal(size=(40, 4)))[0]
    whole -= whole.mean(axis=0)
    left, _, right = np.linalg.svd(whole, full_matrices=False)
    spread = np.array([1.0, 0.5, 1e-2, 1e-3])
    made = embeddings(left * spread @ right, TRAINING)
    found = apply(Whitening(floor=0.01), to=made).vectors.astype(np.float64)
    shares = np.var(found, axis=0, ddof=1)
    np.testing.assert_allclose(shares, [1, 1, 1e-4 / 0.01, 1e-6 / 0.01], rtol=1e-3)


@pytest.mark.parametrize("transform", [PCA(dims=6), Whitening(), Whitening(dims=6, floor=1e-9)])
def test_axes_in_which_training_items_do_not_vary_are_zero_for_all(transform: Transform) -> None:
    made = embeddings(np.round((cloud() - 50) * 16) / 16)  # so that what follows is exact
    made.vectors[:40, 2] = made.vectors[:40, 1] + made.vectors[:40, 0]
    made.vectors[:40, 4] += 2**17  # a large mean must not pass for variance
    made.vectors[:40, 5] = 3 * made.vectors[:40, 4]
    found = apply(transform, to=made).vectors
    assert found.shape == (60, 6)
    np.testing.assert_array_equal(found.any(axis=0), [True] * 4 + [False] * 2)


def test_random_projection_keeps_squared_lengths_on_average() -> None:
    rng = np.random.default_rng(0)
    made = embeddings(rng.normal(size=(60, 64)))
    before = (made.vectors**2).sum(axis=1)
    ratios = [
        (apply(RandomProjection(dims=32, seed=seed), to=made).vectors ** 2).sum(axis=1) / before
        for seed in range(50)
    ]
    # Each ratio has mean 1 and variance 2 / dims; 50 matrices make the mean's error 0.035 or less.
    np.testing.assert_allclose(np.mean(ratios), 1, atol=0.1)
    np.testing.assert_allclose(np.var(ratios), 2 / 32, rtol=0.25)


def test_random_projection_follows_its_seed_and_is_linear() -> None:
    one, two = (apply(RandomProjection(dims=3, seed=seed)).vectors for seed in (0, 1))
    assert not np.allclose(one, two)
    doubled = embeddings(2 * TOY.vectors)
    np.testing.assert_array_equal(apply(RandomProjection(dims=3), to=doubled).vectors, 2 * one)


def test_l2_makes_lengths_one_and_leaves_zeros() -> None:
    made = embeddings(TOY.vectors * (np.arange(60) > 0)[:, None])
    lengths = np.linalg.norm(apply(L2(), to=made).vectors, axis=1)
    np.testing.assert_allclose(lengths, np.arange(60) > 0, rtol=1e-6)


def test_no_transform_changes_nothing() -> None:
    assert apply(fit_on=()) is TOY


def test_the_key_follows_what_shapes_a_vector_and_nothing_else() -> None:
    other = Embeddings(TOY.item_ids, TOY.vectors, TOY.manifest, "00fe")
    made = [
        TOY,
        apply(Whitening()),
        apply(Whitening(dims=3)),
        apply(Whitening(floor=1e-3)),
        apply(Whitening(), fit_on=IDS),
        apply(Whitening(), to=other),
        apply(PCA(dims=3)),
        apply(RandomProjection(dims=3)),
        apply(RandomProjection(dims=3, seed=1)),
        apply(L2()),
        apply(L2(), PCA(dims=3)),
        apply(PCA(dims=3), L2()),
    ]
    assert len({one.key for one in made}) == len(made)
    assert apply(Whitening()).key == apply(Whitening(dims=None), fit_on=TRAINING[::-1] * 2).key
    # What needs no fitting does not ask which items are for training.
    unfitted = RandomProjection(dims=3), L2()
    assert apply(*unfitted, fit_on=()).key == apply(*unfitted, fit_on=["unknown"]).key


def test_the_manifest_names_the_transforms_and_keeps_what_was_there() -> None:
    found = apply(PCA(dims=3), L2()).manifest
    assert found.items() >= TOY.manifest.items()
    pca, l2 = found["transforms"]
    digest = pca["fit_on"].pop("sha256")
    assert len(digest) == 64
    assert pca == {"name": "pca", "dims": 3, "fit_on": {"num_items": 40}}
    assert l2 == {"name": "l2", "fit_on": None}
    assert "transforms" not in TOY.manifest


def test_transformed_embeddings_come_back_from_their_file(tmp_path: Path) -> None:
    found = apply(Whitening(dims=3))
    found.save(tmp_path / "v.safetensors")
    again = Embeddings.load(tmp_path / "v.safetensors")
    assert (again.key, again.manifest) == (found.key, found.manifest)
    np.testing.assert_array_equal(again.vectors, found.vectors)


def test_vectors_may_be_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", TOY.vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    made = Embeddings(TOY.item_ids, mapped, TOY.manifest, TOY.key)
    np.testing.assert_array_equal(apply(Whitening(), to=made).vectors, apply(Whitening()).vectors)


@pytest.mark.parametrize(
    ("transform", "fit_on", "message"),
    [
        (PCA(dims=7), TRAINING, "pca needs dims of at most the vectors' width 6; got 7"),
        (Whitening(dims=7), TRAINING, "whitening needs dims of at most .* width 6; got 7"),
        (RandomProjection(dims=7), (), "random_projection needs dims of at most .* 6; got 7"),
        (PCA(dims=3), (), "pca with dims=3 must be fitted on at least 3 items; fit_on has 0"),
        (PCA(dims=1), IDS[:1], "pca with dims=1 must be fitted on at least 2 items; fit_on has 1"),
        (Whitening(), IDS[:5], "whitening with dims=6 must .* at least 6 items; fit_on has 5"),
        (PCA(dims=3), ("i0",) * 9, "at least 3 items; fit_on has 1: choose smaller dims or"),
        (
            PCA(dims=3),
            (*IDS, "x", "y"),
            r"2 of the 62 in fit_on .* the first: \['x', 'y'\]",
        ),
    ],
)
def test_what_cannot_be_fitted(transform: Transform, fit_on: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply(transform, fit_on=fit_on)


@pytest.mark.parametrize("transform", [PCA(dims=2), Whitening()])
def test_training_items_that_are_all_alike_are_refused(transform: Transform) -> None:
    vectors = cloud()
    vectors[:40] = vectors[0]
    message = f"{transform.name} must be fitted on items whose vectors differ; all 40 in fit_on"
    with pytest.raises(ValueError, match=message):
        apply(transform, to=embeddings(vectors))


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "pca"},
        {"name": "pca", "dims": 0},
        {"name": "whitening", "floor": 0},
        {"name": "whitening", "floor": 2},
        {"name": "random_projection", "dims": 3, "seed": -1},
        {"name": "l2", "dims": 3},
        {"name": "zca"},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Transform).validate_python(settings)


def test_a_transform_is_found_by_its_name() -> None:
    made = TypeAdapter(Transform).validate_python({"name": "whitening", "dims": 3})
    assert made == Whitening(dims=3)
    with pytest.raises(ValidationError, match="frozen"):
        made.dims = 4


class TestShuffle:
    def test_nobody_keeps_its_vector_and_every_vector_is_used(self):
        found = apply(Shuffle()).vectors
        assert not (found == TOY.vectors).all(axis=1).any()
        np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(TOY.vectors, axis=0))

    def test_the_order_of_items_does_not_matter(self):
        turned = Embeddings(IDS[::-1], TOY.vectors[::-1], TOY.manifest, TOY.key)
        np.testing.assert_array_equal(
            apply(Shuffle()).vectors[::-1], apply(Shuffle(), to=turned).vectors
        )

    def test_another_seed_and_other_items_have_another_key(self):
        fewer = Embeddings(IDS[:50], TOY.vectors[:50], TOY.manifest, TOY.key)
        made = [apply(Shuffle()), apply(Shuffle(seed=1)), apply(Shuffle(), to=fewer)]
        assert len({found.key for found in made}) == 3

    def test_one_item_cannot_be_shuffled(self):
        one = Embeddings(IDS[:1], TOY.vectors[:1], TOY.manifest, TOY.key)
        with pytest.raises(ValueError, match=r"shuffle needs at least 2 items, .*; got 1"):
            apply(Shuffle(), to=one)


class TestRandomVectors:
    def test_they_have_the_place_and_scale_of_the_training_items(self):
        many = tuple(f"i{n}" for n in range(3000))
        noise = apply(RandomVectors(), to=embeddings(np.tile(cloud(), (50, 1)), many), fit_on=many)
        vectors = np.tile(cloud(), (50, 1))
        np.testing.assert_allclose(noise.vectors.mean(0), vectors.mean(0), atol=0.1)
        np.testing.assert_allclose(noise.vectors.std(0), vectors.std(0), rtol=0.1)

    def test_an_items_noise_is_its_own(self):
        fewer = Embeddings(IDS[:50], TOY.vectors[:50], TOY.manifest, TOY.key)
        whole, part = apply(RandomVectors()), apply(RandomVectors(), to=fewer)
        np.testing.assert_array_equal(whole.vectors[:50], part.vectors)
        assert not np.allclose(whole.vectors, apply(RandomVectors(seed=1)).vectors)


def test_the_smallest_width_is_known_to_a_study_alone():
    with pytest.raises(ValueError, match="pca needs dims as a number; got 'smallest'"):
        apply(PCA(dims="smallest"))
