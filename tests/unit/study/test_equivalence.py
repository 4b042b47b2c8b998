"""How arms stand to one another: told apart, level, both, or open."""

from pathlib import Path

import numpy as np
import pytest

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.paired import no_worse
from tcf.study.cells import read_cells
from tcf.study.equivalence import drawable, standings
from tcf.study.records import write_ledger
from tests.runs import ID, POPULARITY, TEXT, write_run, write_split

NUM_USERS = 2000


def write(folder: Path, arm, *, seed: int, moved: float) -> None:
    """Write a run of the same users' ranks, a share of which is moved behind the cut-off."""
    rng = np.random.default_rng(seed)
    ranks = np.random.default_rng(99).integers(1, 20, NUM_USERS)
    ranks[rng.random(NUM_USERS) < 0.02] = 1  # the seed's own luck
    ranks[: int(moved * NUM_USERS)] = 30
    path = write_run(folder, arm, seed=seed, num_users=NUM_USERS)
    none = np.zeros(NUM_USERS, np.int32)
    write_ledger(path.with_suffix(".parquet"), Ledger(ranks.astype(np.int32), none))


@pytest.mark.parametrize(
    ("moved", "margin", "verdict"),
    [
        (0.3, 0.1, "behind"),
        (0.0, 0.1, "level"),
        (0.0, 0.001, "open"),
        (0.03, 0.3, "behind, by less than the margin"),
    ],
)
def test_an_arm_that_lost_a_share_of_its_hits(
    tmp_path: Path, moved: float, margin: float, verdict: str
):
    for seed in range(3):
        write(tmp_path, ID, seed=seed, moved=0)
        write(tmp_path, TEXT, seed=seed + 10 if moved == 0 else seed, moved=moved)
    table = standings(read_cells(tmp_path), metric="hr@10", margin=margin)
    (row,) = table.iter_rows(named=True)
    assert row["verdict"] == verdict
    assert row["margin"] == pytest.approx(margin * row["against_value"])


def test_both_ways_must_be_no_worse(tmp_path: Path):
    for seed in range(3):
        write(tmp_path, ID, seed=seed, moved=0)
        write(tmp_path, TEXT, seed=seed, moved=0.01)
    cells = {cell.arm: cell for cell in read_cells(tmp_path)}
    (row,) = standings(list(cells.values()), metric="hr@10").iter_rows(named=True)
    a, b = cells["text"].values("hr@10"), cells["ID"].values("hr@10")
    ways = [no_worse(x, y, margin=row["margin"]).p for x, y in ((a, b), (b, a))]
    assert row["p_level"] == max(ways)


def test_what_is_not_trained_stands_too(tmp_path: Path):
    for seed in range(3):
        write_run(tmp_path, ID, seed=seed, better=3)
    write_run(tmp_path, POPULARITY)
    (row,) = standings(read_cells(tmp_path)).iter_rows(named=True)
    assert (row["arm"], row["verdict"]) == ("popularity", "behind")


def test_a_margin_of_nothing(tmp_path: Path):
    write_run(tmp_path, ID)
    write_run(tmp_path, TEXT)
    with pytest.raises(ValueError, match="margin must be above 0; got 0"):
        standings(read_cells(tmp_path), margin=0)


def test_small_data_sets_get_no_panel_and_are_named(tmp_path: Path):
    for name, items, users in (("small", 499, 1000), ("few", 500, 999), ("enough", 500, 1000)):
        data = {"checksum": "c" * 64, "items_after": items, "users_after": users}
        write_run(
            tmp_path, ID, config={"dataset": name}, data=data, fingerprint=name.ljust(64, "0")
        )
    write_split(tmp_path)
    kept, said = drawable(read_cells(tmp_path))
    assert [cell.dataset for cell in kept] == ["enough"]
    assert "a panel needs 500 items and 1,000 users" in said
    assert "small (499 items, 1,000 users)" in said and "few (500 items, 999 users)" in said
    assert drawable(kept) == (kept, "")
