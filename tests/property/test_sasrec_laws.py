"""SASRec: padding, neighbours and the future change nothing."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.model.layers import xavier_normal_
from tcf.model.sasrec import SASRec

LAW = settings(derandomize=True, max_examples=30, deadline=None)
ITEMS, DIM, LONGEST = 12, 8, 7
HISTORY = st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=LONGEST)


def _model() -> SASRec:
    model = SASRec(dim=DIM, max_history=LONGEST)
    xavier_normal_(model, generator=torch.Generator().manual_seed(0))
    return model.eval()


MODEL = _model()
VECTORS = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def outputs(histories: list[list[int]], *, width: int | None = None) -> list[torch.Tensor]:
    """Return ``(length, D)`` of each history, all in one batch, padded to ``width``."""
    width = width or max(map(len, histories))
    history = torch.tensor([[0] * (width - len(h)) + h for h in histories])
    mask = torch.tensor([[False] * (width - len(h)) + [True] * len(h) for h in histories])
    found = MODEL(torch.arange(len(histories)), VECTORS, history, mask)
    return [row[width - len(h) :] for row, h in zip(found, histories, strict=True)]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


@LAW
@given(HISTORY, st.integers(0, LONGEST))
def test_padding_never_changes_a_vector_or_a_score(history, more):
    tight = outputs([history])[0]
    padded = outputs([history], width=min(len(history) + more, LONGEST))[0]
    close(padded, tight)
    close(padded @ VECTORS.t(), tight @ VECTORS.t())


@LAW
@given(HISTORY, st.lists(HISTORY, max_size=5), st.integers(0, 5))
def test_a_users_vectors_do_not_depend_on_who_else_is_in_the_batch(history, others, place):
    place = min(place, len(others))
    together = outputs([*others[:place], history, *others[place:]])[place]
    close(together, outputs([history])[0])


@LAW
@given(HISTORY, st.integers(1, LONGEST), st.lists(st.integers(0, ITEMS - 1), min_size=LONGEST))
def test_what_follows_a_step_is_not_seen_there(history, cut, replacement):
    cut = min(cut, len(history))
    other = history[:cut] + replacement[: len(history) - cut]
    one, two = outputs([history])[0], outputs([other])[0]
    assert one[:cut].equal(two[:cut])


@LAW
@given(st.permutations(range(5)), st.lists(HISTORY, min_size=5, max_size=5))
def test_the_order_of_the_users_changes_nothing(order, histories):
    straight = outputs(histories)
    shuffled = outputs([histories[i] for i in order])
    for place, i in enumerate(order):
        close(shuffled[place], straight[i])


def test_the_past_is_seen():
    """The laws above would hold for a model that sees the last item alone."""
    one, two = outputs([[1, 2, 3]])[0], outputs([[4, 2, 3]])[0]
    assert (one - two).abs().amax(1).min() > 1e-3
    swapped = outputs([[2, 1, 3]])[0]
    assert (one[2] - swapped[2]).abs().max() > 1e-3
