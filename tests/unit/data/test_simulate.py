import numpy as np
import pytest

from tcf.data.simulate import World, simulate, simulate_world


def one_hot(texts: tuple[str, ...], *, length: int) -> np.ndarray:
    """(n, vocabulary) counts of the word n-grams of this length that at least three texts hold."""
    grams = []
    for text in texts:
        words = text.lower().split()
        grams.append([" ".join(words[i : i + length]) for i in range(len(words) - length + 1)])
    names, columns = np.unique(np.concatenate(grams), return_inverse=True)
    counts = np.zeros((len(texts), len(names)))
    np.add.at(counts, (np.repeat(np.arange(len(texts)), [len(g) for g in grams]), columns), 1)
    return counts[:, (counts > 0).sum(axis=0) >= 3]


def explained(x: np.ndarray, y: np.ndarray) -> float:
    """R² of a ridge regression fitted on the first half of the items, on the second half."""
    half = len(x) // 2
    centre, level = x[:half].mean(axis=0), y[:half].mean(axis=0)
    a, b = x[:half] - centre, y[:half] - level
    weights = np.linalg.solve(a.T @ a + np.eye(a.shape[1]), a.T @ b)
    residual = y[half:] - level - (x[half:] - centre) @ weights
    return 1 - (residual**2).sum() / ((y[half:] - y[half:].mean(axis=0)) ** 2).sum()


def world(**changes: object) -> World:
    settings: dict = {"num_users": 20, "num_items": 3000, "seed": 3, **changes}
    return simulate_world(**settings)


def gini(counts: np.ndarray) -> float:
    counts, n = np.sort(counts), len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ counts / (n * counts.sum()))


def successive_similarity(w: World) -> float:
    taste, users = w.item_taste[w.interactions.rows], w.interactions.users()
    same_user = users[1:] == users[:-1]
    return float((taste[1:] * taste[:-1]).mean(axis=1)[same_user].mean())


def test_the_parts_of_taste_have_the_shares_asked_for():
    w = world(text_share=0.7, word_order_share=0.4)
    shares = [np.mean(part[1:] ** 2) for part in (w.words_taste, w.order_taste, w.private_taste)]
    np.testing.assert_allclose(shares, [0.42, 0.28, 0.3])
    assert np.mean(w.item_taste[1:] ** 2) == pytest.approx(1, abs=0.05)
    assert not w.item_taste[0].any()


def test_without_text_share_no_words_tell_taste():
    w = world(text_share=0)
    for length in (1, 2):
        assert explained(one_hot(w.catalog.texts, length=length), w.item_taste[1:]) < 0.02


def test_without_word_order_the_bag_of_words_tells_all_of_the_text():
    w = world(text_share=1, word_order_share=0)
    assert explained(one_hot(w.catalog.texts, length=1), w.item_taste[1:]) > 0.98


def test_text_share_is_what_the_bag_of_words_can_tell_at_most():
    w = world(text_share=0.5, word_order_share=0, num_items=6000)
    found = explained(one_hot(w.catalog.texts, length=1), w.item_taste[1:])
    assert (
        0.4 < found < 0.52
    )  # 302 words fitted on 3000 items: noise of the private half costs 0.05


def test_with_word_order_alone_the_bag_tells_nothing_and_bigrams_tell():
    w = world(text_share=1, word_order_share=1, num_items=5000)
    assert explained(one_hot(w.catalog.texts, length=1), w.item_taste[1:]) < 0.02
    assert explained(one_hot(w.catalog.texts, length=2), w.item_taste[1:]) > 0.8


def test_the_same_bag_of_words_stands_for_opposite_tastes():
    w = world(text_share=1, word_order_share=1, num_items=60_000)
    bags: dict[tuple[str, ...], list[int]] = {}
    for row, text in enumerate(w.catalog.texts, 1):
        cast = [word for word in text.split() if word.istitle()]
        bags.setdefault(tuple(sorted(cast)), []).append(row)
    pairs = [rows for rows in bags.values() if len(rows) > 1]
    cosines = []
    for rows in pairs:
        a, b = w.order_taste[rows[0]], w.order_taste[rows[1]]
        cosines.append(a @ b / np.sqrt((a @ a) * (b @ b)))
    cosines = np.array(cosines)
    assert len(cosines) >= 10
    assert np.mean(cosines > 0.9) + np.mean(cosines < -0.9) == 1
    assert 0.25 < np.mean(cosines < -0.9) < 0.75


def test_popularity_skew_raises_the_gini_coefficient():
    found = [
        gini(
            world(num_users=1500, num_items=300, popularity_skew=s).interactions.item_counts(300)[
                1:
            ]
        )
        for s in (0.0, 0.6, 1.2)
    ]
    assert found[0] + 0.03 < found[1] < found[2] - 0.03


def test_drift_makes_successive_items_alike():
    still, moving = (
        successive_similarity(world(num_users=400, num_items=300, drift=d)) for d in (0.0, 0.8)
    )
    assert moving > still + 0.1


def test_users_have_the_number_of_interactions_asked_for_and_no_repeats():
    catalog, interactions = simulate(num_users=600, num_items=60, seed=0, popularity_skew=2)
    assert interactions.counts().min() == 5
    assert interactions.counts().max() == 23
    assert interactions.rows.dtype == np.int32
    assert interactions.rows.min() >= 1
    assert interactions.rows.max() <= catalog.num_items
    pairs = interactions.users() * 61 + interactions.rows
    assert len(np.unique(pairs)) == interactions.num_interactions


def test_repeats_are_drawn_when_asked_for():
    w = world(num_users=50, num_items=10, repeats=True)
    assert w.interactions.counts().max() > 10
    assert np.isfinite(w.oracle_scores()[:, 1:]).all()


def test_a_very_sharp_taste_still_draws_no_item_twice():
    interactions = world(num_users=50, num_items=24, focus=1e4).interactions
    assert len(np.unique(interactions.users() * 25 + interactions.rows)) == len(interactions.rows)


def test_titles_are_almost_all_distinct_and_of_ten_words():
    texts = world().catalog.texts
    assert len(set(texts)) >= 0.999 * len(texts)
    assert {len(text.split()) for text in texts} == {10}


def test_the_oracle_beats_popularity_and_cannot_see_what_is_taken():
    w = world(num_users=1000, num_items=500)
    scores, ends = w.oracle_scores(), w.interactions.offsets[1:] - 1
    targets = w.interactions.rows[ends]
    popularity = np.where(np.isinf(scores), -np.inf, w.log_popularity)
    own = popularity[np.arange(1000), targets][:, None]
    by_popularity = np.mean((popularity > own).sum(axis=1) < 10)
    assert w.oracle_hr(k=10) > 2 * by_popularity
    assert w.oracle_hr(k=500) == 1
    assert (
        np.isinf(scores).sum() == w.interactions.num_interactions
    )  # padding in the target's place


def test_without_taste_the_oracle_is_popularity():
    w = world(num_users=10, num_items=100, focus=0)
    scores = w.oracle_scores()
    kept = np.isfinite(scores)
    np.testing.assert_allclose(scores[kept], np.broadcast_to(w.log_popularity, kept.shape)[kept])


def test_one_seed_gives_the_same_bytes_and_another_seed_others():
    a, b, c = (world(seed=seed) for seed in (1, 1, 2))
    assert a.catalog == b.catalog
    assert a.interactions.rows.tobytes() == b.interactions.rows.tobytes()
    assert a.item_taste.tobytes() == b.item_taste.tobytes()
    assert a.catalog.texts != c.catalog.texts


def test_changing_users_leaves_items_alone_and_changing_shares_leaves_titles_alone():
    a, b, c = world(), world(num_users=30), world(text_share=0.1)
    assert a.catalog == b.catalog == c.catalog
    assert a.item_taste.tobytes() == b.item_taste.tobytes()
    assert a.interactions.offsets.tobytes() == c.interactions.offsets.tobytes()


def test_simulate_is_the_world_without_its_truth():
    catalog, interactions = simulate(num_users=20, num_items=3000, seed=3)
    assert catalog == world().catalog
    assert interactions.rows.tobytes() == world().interactions.rows.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_share": 1.1}, "text_share must be between 0 and 1; got 1.1"),
        ({"word_order_share": -0.1}, "word_order_share must be between 0 and 1"),
        ({"drift": float("nan")}, "drift must be between 0 and 1; got nan"),
        ({"popularity_skew": -1.0}, "popularity_skew must be finite and not negative; got -1.0"),
        ({"focus": float("inf")}, "focus must be finite and not negative"),
        ({"num_users": 0}, "num_users must be at least 1; got 0"),
        ({"num_items": 1}, "num_items must be at least 2; got 1"),
        ({"num_tastes": 0}, "num_tastes must be at least 1"),
        ({"min_interactions": 0}, "1 <= min_interactions <= max_interactions; got 0 and 23"),
        ({"min_interactions": 9, "max_interactions": 8}, "got 9 and 8"),
        ({"num_items": 23}, "max_interactions must be below num_items=23; got 23"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        world(**changes)


@pytest.mark.parametrize("k", [0, 3001])
def test_a_cut_off_outside_the_catalogue_is_refused(k):
    with pytest.raises(ValueError, match="k must be between 1 and 3000 items"):
        world().oracle_hr(k=k)
