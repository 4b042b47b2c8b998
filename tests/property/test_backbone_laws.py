"""Backbones that read histories: padding, neighbours and the future change nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.model.backbone import Backbone
from tcf.model.bert4rec import BERT4Rec
from tcf.model.gru4rec import GRU4Rec
from tcf.model.layers import xavier_normal_
from tcf.model.mean_history import MeanHistory
from tcf.model.nextitnet import NextItNet
from tcf.model.sasrec import SASRec

LAW = settings(derandomize=True, max_examples=20, deadline=None)
ITEMS, DIM, LONGEST = 12, 8, 7
HISTORY = st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=LONGEST)


def _drawn(model: Backbone) -> Backbone:
    xavier_normal_(model, generator=torch.Generator().manual_seed(0))
    return model.eval()


SIZES = {"dim": DIM, "max_history": LONGEST}
MODELS = {
    "BERT4Rec": _drawn(BERT4Rec(**SIZES)),
    "GRU4Rec": _drawn(GRU4Rec(**SIZES)),
    "MeanHistory": _drawn(MeanHistory(**SIZES)),
    "NextItNet": _drawn(NextItNet(**SIZES)),
    "SASRec": _drawn(SASRec(**SIZES)),
    "SASRec pre-norm": _drawn(SASRec(norm="pre", **SIZES)),
}
ALL = pytest.mark.parametrize("name", MODELS)
CAUSAL = pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.causal])
VECTORS = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def outputs(
    name: str, histories: list[list[int]], *, width: int | None = None
) -> list[torch.Tensor]:
    """Return ``(length, D)`` of each history, all in one batch, padded to ``width``."""
    width = width or max(map(len, histories))
    history = torch.tensor([[0] * (width - len(h)) + h for h in histories])
    mask = torch.tensor([[False] * (width - len(h)) + [True] * len(h) for h in histories])
    found = MODELS[name](torch.arange(len(histories)), VECTORS, history, mask)
    return [row[width - len(h) :] for row, h in zip(found, histories, strict=True)]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


@ALL
@LAW
@given(history=HISTORY, more=st.integers(0, LONGEST))
def test_padding_never_changes_a_vector_or_a_score(name, history, more):
    tight = outputs(name, [history])[0]
    padded = outputs(name, [history], width=min(len(history) + more, LONGEST))[0]
    close(padded, tight)
    close(padded @ VECTORS.t(), tight @ VECTORS.t())


@ALL
@LAW
@given(history=HISTORY, others=st.lists(HISTORY, max_size=5), place=st.integers(0, 5))
def test_a_users_vectors_do_not_depend_on_who_else_is_in_the_batch(name, history, others, place):
    place = min(place, len(others))
    together = outputs(name, [*others[:place], history, *others[place:]])[place]
    close(together, outputs(name, [history])[0])


@CAUSAL
@LAW
@given(
    history=HISTORY,
    cut=st.integers(1, LONGEST),
    replacement=st.lists(st.integers(0, ITEMS - 1), min_size=LONGEST),
)
def test_what_follows_a_step_is_not_seen_there(name, history, cut, replacement):
    cut = min(cut, len(history))
    other = history[:cut] + replacement[: len(history) - cut]
    one, two = outputs(name, [history])[0], outputs(name, [other])[0]
    assert one[:cut].equal(two[:cut])


@ALL
@LAW
@given(order=st.permutations(range(5)), histories=st.lists(HISTORY, min_size=5, max_size=5))
def test_the_order_of_the_users_changes_nothing(name, order, histories):
    straight = outputs(name, histories)
    shuffled = outputs(name, [histories[i] for i in order])
    for place, i in enumerate(order):
        close(shuffled[place], straight[i])


@ALL
def test_the_past_is_seen(name):
    """The laws above would hold for a model that sees the last item alone."""
    one, two = outputs(name, [[1, 2, 3]])[0], outputs(name, [[4, 2, 3]])[0]
    assert (one - two).abs().amax(1).min() > 1e-3
    swapped = outputs(name, [[2, 1, 3]])[0]
    order_matters = (one[2] - swapped[2]).abs().max() > 1e-3
    assert bool(order_matters) == (name != "MeanHistory")
