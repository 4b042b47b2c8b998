"""What a ladder is put together from: shapes, the rule, the texts, and what it will cost."""

from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tcf.data.simulate import simulate
from tcf.encode.ladder import Recipe, Size, cost, equal_ratios, ladder_costs, num_parameters
from tcf.encode.ladder.corpus import Corpus, distinct_texts
from tcf.encode.ladder.model import build, parameter_groups
from tcf.encode.ladder.sizes import train_flops

TITLES = simulate(num_users=1, num_items=200, seed=0)[0].texts


def corpus_of(texts, recipe, *, seed=0):
    held_out, order = np.random.SeedSequence(seed).spawn(2)
    return Corpus.of(distinct_texts(texts), recipe, held_out=held_out, order=order)


@pytest.mark.parametrize(
    ("num", "smallest", "largest"),
    [
        (6, 30_000, 3_000_000),
        (8, 20_000, 4_000_000),
        (6, 3_300, 336_000),
        (10, 10_000, 1_000_000),
        (7, 1_000_000, 100_000_000),
    ],
)
def test_sizes_are_in_equal_ratios(num, smallest, largest):
    sizes = equal_ratios(num, smallest=smallest, largest=largest)
    counts = [num_parameters(size) for size in sizes]
    assert counts[0] == pytest.approx(smallest, rel=0.03)
    assert counts[-1] == pytest.approx(largest, rel=0.03)
    ratio = (largest / smallest) ** (1 / (num - 1))
    assert [b / a for a, b in pairwise(counts)] == pytest.approx([ratio] * (num - 1), rel=0.06)
    assert len({size.hidden // size.heads for size in sizes}) == 1
    assert all(size.hidden % size.heads == 0 for size in sizes)
    assert all(2 * size.hidden <= size.inner <= 7 * size.hidden for size in sizes)
    assert len({size.name for size in sizes}) == num


def test_names_say_shape_or_parameters():
    assert Size(16, 1, 2).name == "opt-h16-l1"
    names = [size.name for size in equal_ratios(3, smallest=30_000, largest=3_000_000)]
    assert names == ["opt-30k", "opt-300k", "opt-3M"]


@pytest.mark.parametrize("size", [Size(24, 3, 3), Size(16, 2, 2, 50)])
def test_parameters_are_counted_as_the_model_has_them(size):
    model = build(size, Recipe(num_epochs=1), vocab_size=300, seed=0)
    tables = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Embedding))
    assert num_parameters(size) == sum(p.numel() for p in model.parameters()) - tables


def test_flops_are_those_of_torch():
    from torch.utils.flop_counter import FlopCounterMode

    size, recipe = Size(16, 2, 2, 50), Recipe(num_epochs=1)
    model = build(size, recipe, vocab_size=300, seed=0)
    model.set_attn_implementation("eager")  # the counter knows no fused attention on a CPU
    with FlopCounterMode(display=False) as counter:
        model(torch.ones(1, 20, dtype=torch.long), use_cache=False).logits.sum().backward()
    ours = train_flops(size, vocab_size=300, num_tokens=20, length=20)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1000, 2000), "at least two sizes, .*; got 1 from 1,000 to 2,000"),
        ((3, 2000, 2000), "got 3 from 2,000 to 2,000"),
        ((3, 0, 2000), "got 3 from 0 to 2,000"),
        ((3, 100, 2000), "no shape has about 100 parameters .*; the nearest has .*: begin with"),
        ((9, 10_000, 11_000), "sizes must differ by a tenth or more; 9 from 10,000 to 11,000"),
    ],
)
def test_a_range_that_is_none_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        equal_ratios(arguments[0], smallest=arguments[1], largest=arguments[2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "by num_tokens or by num_epochs, one of them; got None and None"),
        ({"num_tokens": 5, "num_epochs": 1}, "one of them; got 5 and 1"),
        ({"num_epochs": -1}, "greater than or equal to 0"),
        ({"num_tokens": 0}, "greater than or equal to 1"),
        ({"num_tokens": 5, "vocab_size": 200}, "greater than or equal to 258"),
        ({"num_tokens": 5, "momentum": 0.9}, "Extra inputs are not permitted"),
    ],
)
def test_a_recipe_says_one_length_and_nothing_unknown(changes, message):
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(changes)


def test_mup_gives_matrices_a_rate_that_falls_with_the_shape_and_all_else_one_rate():
    recipe = Recipe(num_epochs=1, learning_rate=0.01, base_width=64)
    for hidden in (16, 128):
        size = Size(hidden, 2, hidden // 8)
        model = build(size, recipe, vocab_size=300, seed=0)
        matrices, others = parameter_groups(model, size, recipe)
        assert matrices["peak"] == pytest.approx(0.01 * 64 / hidden / 2**0.5)
        assert others["peak"] == 0.01
        assert {weight.ndim for weight in matrices["params"]} == {2}
        assert len(matrices["params"]) == 2 * 6
        together = [*matrices["params"], *others["params"]]
        assert {id(w) for w in together} == {id(w) for w in model.parameters()}
        assert len(together) == len(list(model.parameters()))
        assert recipe.logit_scale(hidden) == 64 / hidden


def test_under_mup_what_leaves_a_matrix_is_as_large_in_every_width():
    recipe, spread = Recipe(num_epochs=1), []
    for hidden in (32, 128):
        model = build(Size(hidden, 2, 4), recipe, vocab_size=300, seed=0)
        block = model.model.decoder.layers[0]
        layers = (block.self_attn.q_proj, block.fc1, block.fc2, block.self_attn.out_proj)
        spread.append([float(w.weight.detach().std() * w.in_features**0.5) for w in layers])
    np.testing.assert_allclose(spread[0], [0.5, 0.5, 0.25, 0.25], rtol=0.1)
    np.testing.assert_allclose(spread[1], [0.5, 0.5, 0.25, 0.25], rtol=0.1)


def moved(hidden, rule, *, num_steps):
    """How far logits are from where they were after some steps on a batch."""
    recipe, size = Recipe(num_epochs=1, rule=rule), Size(hidden, 2, hidden // 8)
    model = build(size, recipe, vocab_size=300, seed=0)
    ids = torch.randint(3, 300, (8, 20), generator=torch.Generator().manual_seed(0))
    scale, groups = recipe.logit_scale(hidden), parameter_groups(model, size, recipe)
    optimizer = torch.optim.AdamW([{**g, "lr": g["peak"]} for g in groups], weight_decay=0.0)
    before = model(ids).logits.detach() * scale
    for _ in range(num_steps):
        optimizer.zero_grad()
        logits = model(ids).logits[:, :-1] * scale
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].ravel()).backward()
        optimizer.step()
    return float((model(ids).logits.detach() * scale - before).std())


def test_mup_moves_what_the_model_says_as_far_in_every_width():
    """The coordinate check of Yang et al. (2021), appendix D; one rate for all does not pass it."""
    narrow, wide = (moved(hidden, "mup", num_steps=20) for hidden in (32, 256))
    assert wide == pytest.approx(narrow, rel=0.4)
    assert moved(256, "root_width", num_steps=1) > 2 * moved(32, "root_width", num_steps=1)


def test_root_width_is_one_rate_for_all():
    recipe = Recipe(num_epochs=1, rule="root_width", base_width=32)
    size = Size(128, 1, 16)
    (group,) = parameter_groups(build(size, recipe, vocab_size=300, seed=0), size, recipe)
    assert group["peak"] == pytest.approx(0.01 / 2)
    assert recipe.logit_scale(128) == 1.0


def test_rates_warm_up_and_fall_to_nothing():
    shares = [Recipe.warmed(step, 100) for step in range(101)]
    assert shares[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert all(a >= b for a, b in pairwise(shares[9:]))
    assert shares[100] == pytest.approx(0, abs=1e-12)


def test_steps_end_with_the_batch_that_passes_the_tokens():
    recipe = Recipe(num_tokens=6000, vocab_size=512, batch_size=16)
    corpus = corpus_of(TITLES, recipe)
    steps, tokens = corpus.duration(recipe)
    rows = list(islice(corpus.batches(recipe), steps))
    seen = np.cumsum([corpus.lengths[part].sum() for part in rows])
    assert seen[-1] == tokens
    assert seen[-2] < 6000 <= seen[-1]
    a_pass = -(-len(corpus.train) // 16)
    assert steps > a_pass  # more than one
    assert sorted(np.concatenate(rows[:a_pass])) == sorted(corpus.train)


def test_what_differs_in_case_marks_and_accents_alone_is_on_one_side():
    texts = [f"Café number {word}" for word in TITLES]
    alike = [text.upper().replace("É", "E").replace(" ", " - ") + "!" for text in texts]
    corpus = corpus_of(texts + alike, Recipe(num_epochs=1, vocab_size=512))
    distinct = distinct_texts(texts + alike)
    number = {text: n for part in (texts, alike) for n, text in enumerate(part)}
    train, held_out = (
        {number[distinct[row]] for row in part} for part in (corpus.train, corpus.held_out)
    )
    assert not train & held_out
    assert len(train | held_out) == len(set(texts))
    assert len(corpus.held_out) > len(distinct) // 20


def test_the_held_out_part_is_drawn_by_the_seed():
    recipe = Recipe(num_epochs=1, vocab_size=512)
    one, same, other = (corpus_of(TITLES, recipe, seed=seed) for seed in (0, 0, 1))
    assert one.held_out.tolist() == same.held_out.tolist() != other.held_out.tolist()
    assert len(one.held_out) == len(set(TITLES)) // 20


def test_the_names_of_special_tokens_are_letters_in_a_text():
    texts = [*TITLES, "<pad>", "a <s> b <pad>"]
    corpus = corpus_of(texts, Recipe(num_epochs=1, vocab_size=300))
    for ids in corpus.ids:
        assert ids[0] == 1
        assert (ids[1:] > 1).all()


def test_bytes_are_counted_as_far_as_a_text_is_read():
    texts = [*TITLES, "日本語のとても長い題名 " * 30, "é"]
    recipe = Recipe(num_epochs=1, vocab_size=300, max_tokens=20)
    corpus = corpus_of(texts, recipe)
    for text, ids, num_bytes in zip(
        distinct_texts(texts), corpus.ids, corpus.num_bytes, strict=True
    ):
        assert 2 <= len(ids) <= 20
        if len(ids) < 20:
            assert num_bytes == len(text.encode())
        else:
            assert len(corpus.tokenizer.decode(list(ids)).strip("� ")) <= num_bytes
            assert num_bytes < 20 * 20


def test_costs_are_what_a_training_takes(monkeypatch):
    monkeypatch.setattr(cost, "_PROBE_SECONDS", 0.05)
    sizes = equal_ratios(2, smallest=2000, largest=8000)
    recipe = Recipe(num_tokens=3000, vocab_size=512, batch_size=16)
    small, large = ladder_costs(TITLES, recipe=recipe, sizes=sizes, seed=0)
    assert (small.num_steps, small.num_tokens) == (large.num_steps, large.num_tokens)
    assert 3000 <= small.num_tokens < 4000
    assert small.train_flops < large.train_flops
    assert small.seconds > 0
    assert large.parameters_without_embeddings == num_parameters(sizes[1])
    tables = (512 + 64 + 2) * sizes[1].hidden  # OPT begins its positions at the third row
    assert large.parameters == num_parameters(sizes[1]) + tables
