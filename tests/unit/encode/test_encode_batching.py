"""Batches under a token budget, and the back-off."""

import numpy as np
import pytest

from tcf.encode.batching import batches, run_with_backoff


def test_batches_are_a_permutation_under_the_budget_longest_first() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, size=200)
    plan = list(batches(lengths, batch_tokens=64))
    assert sorted(np.concatenate(plan)) == list(range(200))
    assert all(len(b) * lengths[b].max() <= 64 for b in plan)
    longest = [lengths[b].max() for b in plan]
    assert longest == sorted(longest, reverse=True)


def test_a_text_above_the_budget_gets_a_batch_of_its_own() -> None:
    assert [b.tolist() for b in batches(np.array([3, 9]), batch_tokens=4)] == [[1], [0]]


def test_no_texts_make_no_batches() -> None:
    assert list(batches(np.array([], int), batch_tokens=4)) == []


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_tokens must be at least 1; got 0"):
        list(batches(np.ones(3), batch_tokens=0))


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried"), MemoryError()])
def test_batches_are_halved_where_memory_runs_out(error: Exception) -> None:
    sizes: list[int] = []

    def run(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise error
        return batch * 10

    plan = iter([np.arange(8), np.arange(8, 16)])
    done = list(run_with_backoff(plan, run))
    positions = np.concatenate([p for p, _ in done])
    assert positions.tolist() == list(range(16))
    assert np.concatenate([r for _, r in done]).tolist() == (positions * 10).tolist()
    assert sizes == [8, 4, *[2] * 8]  # the second batch is cut before it fails


def test_one_text_that_does_not_fit_is_an_error() -> None:
    def run(batch: np.ndarray) -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(run_with_backoff(iter([np.arange(4)]), run))


def test_other_errors_pass_through_at_once() -> None:
    calls = []

    def run(batch: np.ndarray) -> None:
        calls.append(len(batch))
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        list(run_with_backoff(iter([np.arange(4)]), run))
    assert calls == [4]
