"""Who gained and who lost most, with the names that ledgers do not hold."""

from pathlib import Path

import numpy as np
import pytest

from tcf.data.split import Split
from tcf.errors import DataError
from tcf.evaluate.ledger import Ledger
from tcf.study.cells import Cell, read_cells
from tcf.study.movers import movers
from tcf.study.records import write_ledger
from tests import worlds
from tests.runs import ID, TEXT, write_run

SPLIT = worlds.random_split(num_users=80, num_items=25, seed=0)


def cells(folder: Path, split: Split = SPLIT, **ranks: list[np.ndarray]) -> list[Cell]:
    """Cells ID and text with these ranks, one array a seed."""
    users = len(split.test)
    for arm in (ID, TEXT):
        for seed, rank in enumerate(ranks[arm.name]):
            path = write_run(folder, arm, seed=seed, num_users=users, checksum=split.checksum)
            ledger = Ledger(rank.astype(np.int32), np.zeros(users, np.int32))
            write_ledger(path.with_suffix(".parquet"), ledger)
    return sorted(read_cells(folder), key=lambda cell: cell.arm)


def random_cells(folder: Path) -> list[Cell]:
    rng = np.random.default_rng(1)
    draw = [rng.integers(1, 20, (3, len(SPLIT.test))) for _ in range(2)]
    return cells(folder, ID=list(draw[0]), text=list(draw[1]))


def test_users_and_items_are_those_of_a_loop_over_the_users(tmp_path: Path):
    a, b = random_cells(tmp_path)
    users, items = movers(a, b, SPLIT, metric="mrr@10", top=1000)
    change = (b.values("mrr@10") - a.values("mrr@10")).mean(0)
    sums: dict[str, list[float]] = {}
    for n, row in enumerate(SPLIT.test.targets):
        sums.setdefault(SPLIT.catalog.item_ids[row - 1], []).append(change[n])
    assert users["change"].is_sorted(descending=True) and items["change"].is_sorted(descending=True)
    assert len(users) == (abs(change) > 1e-12).sum()
    for user in users.iter_rows(named=True):
        n = SPLIT.train.user_ids.index(user["user_id"])
        row = int(SPLIT.test.targets[n])
        assert user["change"] == pytest.approx(change[n])
        assert user["target_id"] == SPLIT.catalog.item_ids[row - 1]
        assert user["target_text"] == SPLIT.catalog.texts[row - 1]
        assert user["history_length"] == SPLIT.test.ends[n] - SPLIT.test.starts[n]
        assert user["rank_a"] == pytest.approx(np.mean([x.rank[n] for x in a.ledgers]))
        assert user["value_b"] - user["value_a"] == pytest.approx(change[n])
    for item in items.iter_rows(named=True):
        mine = sums[item["item_id"]]
        row = SPLIT.catalog.rows_of([item["item_id"]])[0]
        assert item["change"] == pytest.approx(sum(mine)) and item["num_users"] == len(mine)
        assert item["text"] == SPLIT.catalog.texts[row - 1]
        assert item["train_count"] == (SPLIT.train.rows == row).sum()
        assert item["value_b"] - item["value_a"] == pytest.approx(np.mean(mine))


def test_top_counts_each_way(tmp_path: Path):
    a, b = random_cells(tmp_path)
    every = movers(a, b, SPLIT, top=1000)
    for whole, cut in zip(every, movers(a, b, SPLIT, top=3), strict=True):
        assert cut["change"].to_list() == [*whole["change"][:3], *whole["change"][-3:]]


def test_of_equal_changes_the_one_that_moved_further_is_first(tmp_path: Path):
    ones = np.ones(len(SPLIT.test), int)
    far = ones.copy()
    far[[4, 7]] = 50, 900  # both lose all of their ndcg@10
    a, b = cells(tmp_path, ID=[far], text=[ones])
    users, _ = movers(a, b, SPLIT)
    assert users["user_id"].to_list() == ["u7", "u4"]
    assert users.select("rank_a", "rank_b", "change").rows() == [(900, 1, 1), (50, 1, 1)]
    users, _ = movers(b, a, SPLIT)
    assert users["user_id"].to_list() == ["u4", "u7"]  # the largest loss is last


def test_where_nothing_moves_nothing_is_listed(tmp_path: Path):
    a, b = cells(tmp_path, ID=[np.full(80, 3)] * 3, text=[np.full(80, 3)] * 2)
    assert [len(frame) for frame in movers(a, b, SPLIT)] == [0, 0]


def test_data_that_are_not_those_of_the_records_are_refused(tmp_path: Path):
    a, b = random_cells(tmp_path)
    other = worlds.random_split(num_users=80, num_items=25, seed=1)
    message = f"split {SPLIT.checksum[:12]}; this is split {other.checksum[:12]}: name the study"
    with pytest.raises(DataError, match=message):
        movers(a, b, other)


def test_top_is_at_least_one(tmp_path: Path):
    a, b = random_cells(tmp_path)
    with pytest.raises(ValueError, match="top must be at least 1; got 0"):
        movers(a, b, SPLIT, top=0)
