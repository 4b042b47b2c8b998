import gzip
import math

import numpy as np
import polars as pl
import pytest
import torch

from benchmarks.witness import (
    WitnessHistories,
    WitnessSASRec,
    witness_epoch,
    witness_log_popularity,
    witness_loss,
    witness_ranks,
    witness_read,
    witness_vectors,
)


def histories(num_users=40, num_items=30, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, num_items + 1, size=rng.integers(3, 22)) for _ in range(num_users)]


def batch_of(rows):
    examples = [WitnessHistories(rows)[user] for user in range(len(rows))]
    slots, masks = zip(*examples, strict=True)
    return torch.stack(slots), torch.stack(masks)


def test_an_example_is_left_padded_and_masks_what_has_no_input():
    slots, mask = WitnessHistories([np.array([7, 8, 9])])[0]
    assert slots.tolist() == [0] * 18 + [7, 8, 9]
    assert mask.tolist() == [0] * 18 + [1, 1]


def test_an_example_keeps_the_last_twenty_one_rows():
    slots, mask = WitnessHistories([np.arange(1, 30)])[0]
    assert slots.tolist() == list(range(9, 30))
    assert mask.sum() == 20


def test_the_loss_is_the_one_written_out_position_by_position():
    rows = histories(num_users=6, num_items=12)
    slots, mask = batch_of(rows)
    generator = torch.Generator().manual_seed(0)
    users = torch.randn(6, 20, 4, generator=generator, dtype=torch.float64)
    items = torch.randn(6, 21, 4, generator=generator, dtype=torch.float64)
    log_popularity = witness_log_popularity(rows, num_items=12).double()
    losses = []
    for user in range(6):
        own = set(slots[user].tolist())
        for place in range(20):
            if not mask[user, place]:
                continue
            scores, target = [], None
            for other in range(6):
                for slot in range(21):
                    row = slots[other, slot].item()
                    is_target = (other, slot) == (user, place + 1)
                    if row in own | {0} and not is_target:
                        continue
                    score = users[user, place] @ items[other, slot] - log_popularity[row]
                    scores.append(score.item())
                    target = score.item() if is_target else target
            losses.append(math.log(sum(map(math.exp, scores))) - target)
    found = witness_loss(users, items, slots, mask, log_popularity)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-9)


def test_log_popularity_is_the_share_of_the_training_interactions():
    found = witness_log_popularity([np.array([1, 1, 2]), np.array([1])], num_items=3)
    assert found.exp().tolist() == pytest.approx([1, 0.75, 0.25, 1])  # 1: row never used


def test_ranks_agree_with_counting_in_double_precision():
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(50, 8)), rng.normal(size=(101, 8))
    targets = rng.integers(1, 101, size=50)
    known = [rng.integers(1, 101, size=rng.integers(0, 20)) for _ in range(50)]
    known[3] = np.append(known[3], targets[3])  # a target is never masked
    expected = []
    for user, target in enumerate(targets):
        scores = items @ users[user]
        allowed = sorted(set(range(1, 101)) - set(known[user]) - {target})
        expected.append(1 + sum(scores[allowed] > scores[target]))
    hr10, ndcg10, ranks = witness_ranks(torch.tensor(users), torch.tensor(items), targets, known)
    expected = np.array(expected)
    assert (ranks == expected).all()
    assert hr10 == pytest.approx((expected <= 10).mean())
    assert ndcg10 == pytest.approx(np.where(expected <= 10, 1 / np.log2(expected + 1), 0).mean())


def test_a_position_ignores_what_follows_it_and_padding():
    model = WitnessSASRec(30).eval()
    slots = torch.arange(1, 21).repeat(2, 1)
    slots[1, 12:] = torch.arange(21, 29)
    with torch.no_grad():
        one, other = model(model.item_table(slots), slots != 0)
        assert torch.equal(one[:12], other[:12])
        slots[:, :5] = 0
        padded = model(model.item_table(slots), slots != 0)
        model.item_table.weight[0] = 7.0
        assert torch.equal(model(model.item_table(slots), slots != 0)[:, 5:], padded[:, 5:])


def test_user_vectors_do_not_depend_on_the_batch():
    model, rows = WitnessSASRec(30), histories(num_users=9)
    together, items = witness_vectors(model, rows)
    alone, _ = witness_vectors(model, rows, batch_size=1)
    assert items.shape == (31, 64)
    torch.testing.assert_close(together, alone)


def test_epochs_repeat_under_a_seed_and_lower_the_loss():
    def train():
        torch.manual_seed(0)
        model, rows = WitnessSASRec(30, dropout=0.0), histories()
        log_popularity = witness_log_popularity(rows, num_items=30)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
        arguments = (model, rows, log_popularity)
        return [witness_epoch(*arguments, seed=s, optimizer=optimizer) for s in range(6)]

    losses = train()
    assert losses == train()
    assert losses[-1] < losses[0] - 0.1


def test_interactions_are_read_as_published(tmp_path):

    rows = [("b", f"i{k}", k) for k in range(30)] + [("a", f"i{k}", k) for k in range(4)]
    rows += [("c", "i29", 5), *[("c", f"i{k}", k) for k in (3, 2, 1, 28)]]
    names = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
    table = pl.DataFrame(rows, schema=names, orient="row")
    table.write_csv(tmp_path / "plain.tsv", separator="\t")

    text = (tmp_path / "plain.tsv").read_bytes()
    (tmp_path / "interactions.tsv.gz").write_bytes(gzip.compress(text))
    users, num_items = witness_read(tmp_path)
    assert [len(rows) for rows in users] == [23, 5]  # "a" has too few
    assert num_items == 26  # i7 to i29, and i1 to i3
    assert users[0][-1] == users[1][-2]  # i29
