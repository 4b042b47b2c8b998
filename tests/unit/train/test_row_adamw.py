"""RowAdamW against torch.optim.AdamW, which updates every row at every step."""

import pytest
import torch
from torch import nn

from tcf.model.layers import embedding
from tcf.train.row_adamw import RowAdamW

SETTINGS = {"lr": 0.01, "weight_decay": 0.1}
SIZES = (30, 7)
DIM = 3


def tables() -> list[nn.Embedding]:
    """Two tables of one start, whoever asks."""
    generator = torch.Generator().manual_seed(0)
    made = [embedding(size, DIM, sparse=True).double() for size in SIZES]
    for table in made:
        nn.init.normal_(table.weight, generator=generator)
    return made


def compare(
    *,
    steps: int,
    eps: float,
    unit: bool = False,
    busy: bool = False,
    flush_at: tuple[int, ...] = (),
) -> float:
    """Train both on the same random gradients of a few rows a step, of all if ``busy``.

    Returns:
        The largest difference of a weight, seen at each row when it was refreshed and at the end.
    """
    ours, theirs = tables(), tables()
    rowwise = RowAdamW(ours, eps=eps, **SETTINGS)
    dense = torch.optim.AdamW([table.weight for table in theirs], eps=eps, **SETTINGS)
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    for step in range(steps):
        for number, size in enumerate(SIZES):
            count = size if busy else int(torch.randint(1, 4, (1,), generator=generator))
            rows = torch.randperm(size, generator=generator)[:count].sort().values
            gradient = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
            gradient = gradient.sign() if unit else gradient
            rowwise.refresh(number, rows)
            gap = ours[number].weight[rows] - theirs[number].weight[rows]
            worst = max(worst, gap.abs().max().item())
            (ours[number](rows) * gradient).sum().backward()
            theirs[number].weight.grad = torch.zeros(size, DIM, dtype=torch.float64)
            theirs[number].weight.grad[rows] = gradient
        rowwise.step()
        dense.step()
        if step in flush_at:
            rowwise.flush()
            worst = max(worst, largest_gap(ours, theirs))
    rowwise.flush()
    return max(worst, largest_gap(ours, theirs))


def largest_gap(ours: list[nn.Embedding], theirs: list[nn.Embedding]) -> float:
    return max(
        (one.weight - other.weight).abs().max().item()
        for one, other in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("flush_at", [(), (0,), (3, 4, 40), (59,)])
def test_it_equals_adamw_to_double_precision(flush_at: tuple[int, ...]):
    assert compare(steps=60, eps=1e-30, flush_at=flush_at) < 1e-10


def test_rows_refreshed_at_every_step_equal_adamw_to_double_precision():
    assert compare(steps=60, eps=1e-8, busy=True) < 1e-12


def test_it_equals_adamw_over_many_steps():
    assert compare(steps=600, eps=1e-30, flush_at=(300,)) < 1e-10


def test_at_the_usual_eps_gradients_of_size_one_agree_to_a_millionth():
    assert compare(steps=200, eps=1e-8, unit=True, flush_at=(50,)) < 1e-6


def test_a_row_that_was_never_touched_only_decays():
    (table, other) = tables()
    start = table.weight.detach().clone()
    optimizer = RowAdamW([table, other], **SETTINGS)
    for _ in range(5):
        for number in range(2):
            optimizer.refresh(number, torch.tensor([2]))
            [table, other][number](torch.tensor([2])).sum().backward()
        optimizer.step()
    optimizer.flush()
    decayed = start * (1 - SETTINGS["lr"] * SETTINGS["weight_decay"]) ** 5
    rest = torch.arange(SIZES[0]) != 2
    torch.testing.assert_close(table.weight[rest], decayed[rest], rtol=0, atol=1e-14)
    assert (table.weight[2] < decayed[2]).all()


def test_flushing_twice_changes_nothing():
    (table, _) = tables()
    optimizer = RowAdamW([table], **SETTINGS)
    for rows in (torch.tensor([1, 4]), torch.tensor([0])):
        optimizer.refresh(0, rows)
        table(rows).square().sum().backward()
        optimizer.step()
    optimizer.flush()
    once = table.weight.detach().clone()
    optimizer.flush()
    assert table.weight.equal(once)


@pytest.mark.parametrize("looked_up", [[2, 1], [1], [1, 3], [1, 2, 3]])
def test_a_gradient_of_other_rows_than_the_refreshed_is_refused(looked_up: list[int]):
    (table, _) = tables()
    optimizer = RowAdamW([table], **SETTINGS)
    optimizer.refresh(0, torch.tensor([1, 2]))
    table(torch.tensor(looked_up)).sum().backward()
    with pytest.raises(RuntimeError, match="needs the gradient of exactly the refreshed rows"):
        optimizer.step()


def test_a_gradient_of_rows_that_were_not_refreshed_since_the_last_step_is_refused():
    (table, _) = tables()
    optimizer = RowAdamW([table], **SETTINGS)
    rows = torch.tensor([1, 2])
    optimizer.refresh(0, rows)
    table(rows).sum().backward()
    optimizer.step()
    table(rows).sum().backward()
    with pytest.raises(RuntimeError, match="needs the gradient of exactly the refreshed rows"):
        optimizer.step()


def test_a_step_without_a_gradient_is_refused():
    (table, _) = tables()
    optimizer = RowAdamW([table], **SETTINGS)
    optimizer.refresh(0, torch.tensor([1, 2]))
    with pytest.raises(RuntimeError, match="needs the gradient of exactly the refreshed rows"):
        optimizer.step()


def train_some(optimizer: RowAdamW, ours: list[nn.Embedding], *, seed: int, steps: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for number, size in enumerate(SIZES):
            rows = torch.randperm(size, generator=generator)[:3].sort().values
            gradient = torch.randn(3, DIM, generator=generator, dtype=torch.float64)
            optimizer.refresh(number, rows)
            (ours[number](rows) * gradient).sum().backward()
        optimizer.step()


def test_a_step_that_is_skipped_leaves_everything_as_it_would_have_been():
    plain, skipping = tables(), tables()
    one, other = RowAdamW(plain, **SETTINGS), RowAdamW(skipping, **SETTINGS)
    for optimizer, ours in ((one, plain), (other, skipping)):
        train_some(optimizer, ours, seed=1, steps=5)
    for number, size in enumerate(SIZES):
        other.refresh(number, torch.arange(size))
        skipping[number](torch.arange(size)).sum().backward()
    other.skip()
    assert all(table.weight.grad is None for table in skipping)
    for optimizer, ours in ((one, plain), (other, skipping)):
        train_some(optimizer, ours, seed=2, steps=5)
        optimizer.flush()
    assert largest_gap(plain, skipping) < 1e-12


@pytest.mark.parametrize("flushed", [False, True])
def test_a_state_goes_on_with_the_same_bytes(flushed: bool):
    ours, theirs = tables(), tables()
    one = RowAdamW(ours, **SETTINGS)
    train_some(one, ours, seed=1, steps=5)
    if flushed:
        one.flush()
    state = {name: value.clone() for name, value in one.state().items()}
    other = RowAdamW(theirs, **SETTINGS)
    for mine, copy in zip(ours, theirs, strict=True):
        copy.load_state_dict(mine.state_dict())
    other.restore(state)
    for optimizer, held in ((one, ours), (other, theirs)):
        train_some(optimizer, held, seed=2, steps=5)
        optimizer.flush()
    assert largest_gap(ours, theirs) == 0
