"""The dials of the simulated world: each does what it says, none else moves, draws obey the law."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from scipy.stats import kstest

from tcf.data import leave_one_out
from tcf.data.simulate import World, simulate, simulate_world
from tcf.evaluate import hr, rank_targets
from tests import worlds

DAY = 86_400
DIALS: dict[str, dict] = {
    "none": {},
    "no drift": {"drift": 0.0},
    "drift": {"drift": 0.9},
    "repeats": {"repeats": True},
    "taste walks": {"num_days": 40, "taste_walk": 0.8},
    "popularity walks": {"num_days": 40, "popularity_walk": 2.0},
    "new items": {"num_days": 40, "new_items": 0.4, "new_after": 0.2},
    "noise": {"text_noise": 0.5, "swapped_titles": 0.5, "num_synonyms": 3},
}
SAMPLERS = ("gumbel", "inverse")
FIRST = {"num_users": 30, "num_items": 50, "seed": 3}


def world(**changes: object) -> World:
    settings: dict = {"num_users": 60, "num_items": 200, "seed": 5, **changes}
    return simulate_world(**settings)


def words_of(w: World) -> Counter[str]:
    return Counter(word for text in w.catalog.texts for word in text.split())


class TestTheWorldStaysAsItWas:
    @pytest.mark.parametrize(
        ("settings", "checksum", "texts"),
        [
            ({"num_users": 40, "num_items": 60, "seed": 0}, "a649c523", "906b6fa4"),
            (
                {**FIRST, "repeats": True, "drift": 0.0, "text_share": 0.2},
                "20923992",
                "a789007f",
            ),
        ],
    )
    def test_the_bytes_of_the_first_world(self, settings: dict, checksum: str, texts: str):
        catalog, taken = simulate(**settings)
        assert leave_one_out(catalog, taken).checksum.startswith(checksum)
        assert hashlib.sha256("\n".join(catalog.texts).encode()).hexdigest().startswith(texts)

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_one_seed_one_world(self, sampler: str):
        first, again, other = (world(sampler=sampler, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.interactions.rows, again.interactions.rows)
        assert first.catalog == again.catalog
        assert not np.array_equal(first.interactions.rows[:50], other.interactions.rows[:50])

    def test_dials_of_texts_leave_users_alone_and_the_other_way_round(self):
        plain = world()
        spoilt = world(text_noise=0.3, swapped_titles=0.2)
        np.testing.assert_array_equal(spoilt.interactions.rows, plain.interactions.rows)
        assert spoilt.catalog.texts != plain.catalog.texts
        assert world(popularity_skew=0.1, drift=0.9).catalog == plain.catalog


class TestDrawsObeyTheLaw:
    @pytest.mark.parametrize("sampler", SAMPLERS)
    @pytest.mark.parametrize("dials", DIALS.values(), ids=DIALS)
    def test_every_draw_is_of_its_law(self, dials: dict, sampler: str):
        """Where the law's own distribution function puts what was drawn: anywhere, all alike."""
        w = world(
            num_users=1500,
            num_items=30,
            min_interactions=4,
            max_interactions=6,
            sampler=sampler,
            **dials,
        )
        taken, rng = w.interactions, np.random.default_rng(0)
        for step in (0, 1, 3):
            places = taken.offsets[:-1] + step
            logits = w.logits(places)
            before = taken.rows[taken.offsets[:-1, None] + np.arange(step)]
            if not w.law.repeats:
                logits[np.arange(len(logits))[:, None], before] = -np.inf
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            ends = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
            users, rows = np.arange(len(places)), taken.rows[places]
            height = weights[users, rows] / weights.sum(axis=1)
            assert (height > 0).all()
            at = ends[users, rows] - height * rng.random(len(places))
            assert kstest(at, "uniform").pvalue > 1e-3, step

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_items_are_taken_as_often_as_the_law_says(self, sampler: str):
        w = world(num_users=20_000, num_items=25, min_interactions=1, max_interactions=1, drift=0,
                  sampler=sampler)  # fmt: skip
        logits = w.logits(w.interactions.offsets[:-1])
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        spread = np.sqrt((shares * (1 - shares)).sum(axis=0)[1:])
        found = w.interactions.item_counts(25)[1:]
        assert np.abs((found - shares.sum(axis=0)[1:]) / spread).max() < 4

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_nobody_takes_an_item_twice(self, sampler: str):
        w = world(num_items=24, sampler=sampler)
        pairs = w.interactions.users() * 100 + w.interactions.rows
        assert len(np.unique(pairs)) == len(pairs)


class TestTexts:
    def test_noise_replaces_its_share_of_the_words(self):
        plain, noisy = world(num_items=3000), world(num_items=3000, text_noise=0.3)
        pairs = zip(plain.catalog.texts, noisy.catalog.texts, strict=True)
        same = [a == b for one, two in pairs for a, b in zip(one.split(), two.split(), strict=True)]
        assert np.mean(same) == pytest.approx(0.7, abs=0.02)  # a few words stand in for themselves
        np.testing.assert_array_equal(noisy.item_taste, plain.item_taste)

    def test_swapped_items_bear_each_others_titles(self):
        plain, swapped = world(), world(swapped_titles=0.25)
        assert sorted(plain.catalog.texts) == sorted(swapped.catalog.texts)
        pairs = zip(plain.catalog.texts, swapped.catalog.texts, strict=True)
        assert sum(a != b for a, b in pairs) == pytest.approx(50, abs=2)

    def test_synonyms_and_words_make_the_vocabulary_larger(self):
        plain, rich = world(num_items=3000), world(num_items=3000, num_synonyms=3)
        large = world(num_items=3000, num_words=12)
        assert len(words_of(rich)) > 2.5 * len(words_of(plain))
        assert len(words_of(large)) > 1.8 * len(words_of(plain))
        np.testing.assert_array_equal(rich.item_taste, plain.item_taste)  # the same is meant


class TestTime:
    def test_times_rise_within_the_period(self):
        w = world(num_days=30)
        times = w.interactions.times
        assert times is not None and times.dtype == np.int64
        assert times.min() >= 0 and times.max() < 30 * DAY
        assert world().interactions.times is None

    def test_nothing_is_taken_before_it_appears(self):
        w = world(num_users=500, num_days=30, new_items=0.4, new_after=0.5)
        times = w.interactions.times
        assert times is not None
        assert (w.first_days > 0).sum() == 80 and w.first_days[w.first_days > 0].min() >= 15
        assert (times // DAY >= w.first_days[w.interactions.rows]).all()

    def test_a_walking_taste_forgets_where_it_was(self):
        w = world(num_users=4000, num_days=30, taste_walk=0.9, min_interactions=8)
        walked = w.visits.walked
        assert walked is not None
        ends = walked[w.interactions.offsets[1:] - 1]
        assert np.mean(w.user_taste * ends) == pytest.approx(0.12, abs=0.05)  # 0.1 at the very end
        assert ends.std() == pytest.approx(1, abs=0.03)

    def test_popularity_walks_by_the_spread_asked_for(self):
        w = world(num_items=3000, num_days=30, popularity_walk=1.5)
        moved = w.law.log_popularity[-1, 1:] - w.law.log_popularity[0, 1:]
        assert moved.std() == pytest.approx(1.5, abs=0.08)


class TestOracle:
    @pytest.mark.parametrize("dials", DIALS.values(), ids=DIALS)
    def test_it_is_ranked_like_any_model(self, dials: dict):
        w = world(num_users=300, **dials)
        split = leave_one_out(w.catalog, w.interactions)
        found = hr(rank_targets(w.oracle, split.test), k=10).mean()
        if w.law.repeats:  # what is known is masked in a ranking, and the law goes on offering it
            assert 0 < found <= 1
        else:
            assert found == pytest.approx(w.oracle_hr(k=10))
        assert 0 < hr(rank_targets(w.oracle, split.validation), k=10).mean() <= 1

    def test_its_own_figure_counts_ties_as_evaluation_does(self):
        w = world(num_items=2000, text_share=1.0, word_order_share=0.0, popularity_skew=0.0,
                  num_words=1)  # fmt: skip
        ledger = rank_targets(w.oracle, leave_one_out(w.catalog, w.interactions).test)
        assert (ledger.ties > 0).any()  # titles of the same words
        for k in (1, 5, 10):
            assert hr(ledger, k=k).mean() == pytest.approx(w.oracle_hr(k=k), abs=1e-12)

    def test_it_refuses_tasks_of_another_world(self):
        split = leave_one_out(*simulate(num_users=60, num_items=200, seed=6))
        with pytest.raises(ValueError, match=r"of its own world .* without leaving out users"):
            rank_targets(world().oracle, split.test)
        with pytest.raises(ValueError, match=r"task 0 asks for row 3 after 2 interactions of user"):
            rank_targets(world().oracle, worlds.ranking_tasks([[1, 2]], [3]))


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"text_noise": 1.1}, "text_noise must be between 0 and 1; got 1.1"),
        ({"popularity_walk": -1, "num_days": 3}, "popularity_walk must be finite and not negative"),
        ({"num_synonyms": 0}, "num_synonyms must be at least 1; got 0"),
        ({"sampler": "gumble"}, "did you mean 'gumbel'"),
        ({"taste_walk": 0.5}, "only a world with num_days has time for taste_walk"),
        ({"new_items": 0.95, "num_days": 9}, "10 of 200 items are there.*lower new_items=0.95"),
        ({"new_items": 0.1, "num_days": 1}, "new items appear on a later day than the first"),
    ],
)
def test_what_no_world_can_have_is_refused(dials: dict, message: str):
    with pytest.raises(ValueError, match=message):
        world(**dials)
