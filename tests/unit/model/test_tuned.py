"""The tuned tower: what the encoder gives until it is trained, and the gradient of one pass."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModel

from tcf.data.catalog import Catalog
from tcf.encode import encode_items, encode_trunk
from tcf.encode.backends.lora import add_lora
from tcf.errors import DataError, EncoderError
from tcf.model import HybridTower, IdTower, Recommender, SASRec, TunedTextTower
from tcf.model.towers import Tower
from tcf.model.tuned import EncoderStream
from tcf.train.optimizer import group_of
from tests import tiny_models, worlds

E, D = tiny_models.WIDTH, 8
TITLES = [*tiny_models.TITLES, tiny_models.TITLES[0]]
CATALOG = Catalog(tuple(f"i{n}" for n in range(len(TITLES))), tuple(TITLES))
KINDS = ["opt", "opt_post_norm", "llama", "gpt_neox", "qwen3", "bert", "roberta", "t5"]
MORE = ["bart", "mistral", "mixtral", "modernbert"]


def trunk(folder: Path, *, tuned: int | None = 2, **settings):
    how = {"dtype": "float32", "states": "float32", "progress": False, **settings}
    return encode_trunk(CATALOG, encoder=folder, num_tuned_layers=tuned, **how)


def tower(folder: Path, *, tuned: int | None = 2, dim: int = D, seed: int = 0, **settings):
    made = TunedTextTower(trunk(folder, tuned=tuned), CATALOG, dim=dim, **settings)
    generator = torch.Generator().manual_seed(seed)
    for parameter in made.projector.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return made


def bare(folder: Path, *, tuned: int | None = 2, **settings) -> TunedTextTower:
    """A tower whose projector does nothing."""
    made = tower(folder, tuned=tuned, dim=E, num_layers=1, activation=False, **settings)
    with torch.no_grad():
        made.projector[0].weight.copy_(torch.eye(E, made.encoder.width))
        made.projector[0].bias.zero_()
    return made.eval()


def gradients(made: TunedTextTower) -> dict[str, Tensor]:
    made.zero_grad()
    (made.all() * torch.arange(made.dim)).pow(2).sum().backward()
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    flat, same = (torch.cat([g.flatten() for g in grads.values()]) for grads in (one, other))
    return float((flat - same).norm() / flat.norm())


@pytest.mark.parametrize("tuned", [1, 2, None])
@pytest.mark.parametrize("kind", [*KINDS, *MORE])
def test_untouched_it_gives_what_the_encoder_gives(stacks, kind: str, tuned: int | None):
    wanted = encode_items(
        TITLES, encoder=stacks[kind], pooling="mean", dtype="float32", progress=False
    )
    with torch.no_grad():
        found = bare(stacks[kind], tuned=tuned, batch_tokens=40).all().numpy()
    assert not found[0].any()  # padding
    width = wanted.shape[1]
    assert not found[:, width:].any()
    np.testing.assert_allclose(found[1:, :width], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["last_token", "first_token"])
def test_it_pools_as_it_is_told(opt_folder: Path, pooling: str):
    states = trunk(opt_folder, pooling=pooling)
    made = TunedTextTower(states, CATALOG, dim=E, num_layers=1, activation=False).eval()
    with torch.no_grad():
        made.projector[0].weight.copy_(torch.eye(E))
        found = made.all()[1:].numpy()
    wanted = encode_items(
        TITLES, encoder=opt_folder, pooling=pooling, dtype="float32", progress=False
    )
    np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{}, {"lora_rank": 2}, {"adapter_size": 2}, {"gradient_checkpointing": True}],
)
@pytest.mark.parametrize("kind", ["bert", "opt", "t5"])
def test_any_batches_give_the_gradient_of_one_pass(stacks, kind: str, settings: dict):
    found = []
    for batch, kept in [(10_000, 10_000), (10_000, 1), (40, 80), (16, 1), (1, 10_000)]:
        made = tower(stacks[kind], batch_tokens=batch, kept_tokens=kept, **settings)
        found.append(gradients(made.double().eval()))
    assert len(found[0]) == len(list(made.parameters()))
    assert all(difference(found[0], other) < 1e-6 for other in found[1:])
    if "gradient_checkpointing" in settings:
        plain = gradients(tower(stacks[kind]).double().eval())
        assert difference(plain, found[0]) < 1e-6


def test_what_is_run_again_draws_what_was_drawn(bert_folder: Path):
    found, before = [], torch.get_rng_state()
    for kept, inside in [(10_000, False), (1, False), (1, True)]:
        made = tower(
            bert_folder, batch_tokens=32, kept_tokens=kept, dropout=0, gradient_checkpointing=inside
        )
        made.double().train().stream.reseed(5)
        found.append(gradients(made))
    assert difference(found[0], found[1]) < 1e-6
    assert difference(found[0], found[2]) < 1e-6
    assert before.equal(torch.get_rng_state())
    made.stream.reseed(6)
    assert difference(found[0], gradients(made)) > 1e-3


def test_each_step_draws_anew_and_a_stream_goes_on_where_it_was(bert_folder: Path):
    made = tower(bert_folder, dropout=0).train()
    made.stream.reseed(1)
    one = made.all()
    state = made.stream.state()
    two = made.all()
    assert not one.equal(two)
    made.stream.restore(state)
    assert made.all().equal(two)
    other = EncoderStream()
    other.restore(state)
    assert other.seeds(3) == EncoderStream_at(1, step=1).seeds(3)


def EncoderStream_at(seed: int, *, step: int) -> EncoderStream:
    stream = EncoderStream()
    stream.restore({"seed": seed, "step": step})
    return stream


def test_nothing_is_drawn_in_evaluation(bert_folder: Path):
    made = tower(bert_folder)
    with torch.no_grad():
        made.train()
        trained = made.encoder.training
        made.eval()
        assert trained and made.all().equal(made.all())
    assert made.stream.state()["step"] == 0


def test_rows_come_in_any_order_and_repeat(bert_folder: Path):
    made = tower(bert_folder, batch_tokens=30).eval()
    with torch.no_grad():
        table = made.all()
        rows = torch.tensor([3, 0, 9, 1, 3])
        torch.testing.assert_close(made(rows), table[rows])
        torch.testing.assert_close(made(torch.tensor([0, 0])), table[[0, 0]])
    torch.testing.assert_close(table[1], table[9])  # one text
    torch.testing.assert_close(table[0], made.projector(torch.zeros(E)))


def test_frozen_blocks_are_not_there_and_what_is_frozen_is_no_parameter(stacks):
    for kind in ("bert", "opt", "t5"):
        made = tower(stacks[kind], tuned=1)
        names = [name for name, _ in made.encoder.named_parameters()]
        assert names and all(".2." in name for name in names)
        lower = [n for n, _ in made.encoder.named_buffers() if ".0." in n or ".1." in n]
        assert all("relative_attention_bias" in name for name in lower), lower
        assert list(made.encoder.state_dict()) == names


def weights_of(folder: Path) -> dict[str, Tensor]:
    return dict(AutoModel.from_pretrained(folder).state_dict())


@pytest.mark.parametrize("settings", [{}, {"lora_rank": 2}])
@pytest.mark.parametrize("hybrid", [None, "sum", "concatenation", "gate"])
def test_building_a_recommender_leaves_every_pretrained_weight(
    bert_folder: Path, hybrid: str | None, settings: dict
):
    """The released code's mistake 1: there the blocks to be tuned were drawn anew."""
    made = TunedTextTower(trunk(bert_folder), CATALOG, dim=D, **settings)
    whole: Tower = made
    if hybrid is not None:
        whole = HybridTower(IdTower(len(TITLES), dim=D), made, combine=hybrid)  # type: ignore[arg-type]
    Recommender(whole, SASRec(dim=D), seed=3)
    files = weights_of(bert_folder)
    found = made.encoder.weights()
    assert len(found) == (2 * 16 if not settings else 2 * 6)
    for name, weight in found.items():
        assert weight.equal(files[name]), name
    buffers = {name.replace("base_layer.", ""): b for name, b in made.encoder.model.named_buffers()}
    shared = files.keys() & buffers.keys()
    assert len(shared) > 5 and all(buffers[name].equal(files[name]) for name in shared)
    assert any(p.abs().sum() > 0 for p in made.projector.parameters())


@pytest.mark.parametrize("settings", [{}, {"lora_rank": 2}])
@pytest.mark.parametrize("kind", ["bert", "opt", "t5"])
def test_trained_weights_go_back_into_the_model_they_came_from(stacks, kind: str, settings: dict):
    made = bare(stacks[kind], **settings)
    with torch.no_grad():
        for parameter in made.encoder.parameters():
            parameter.add_(0.01)
        found = made.all()[1:]
    from tcf.encode.backends.loading import load_model

    model, _ = load_model(stacks[kind], dtype=torch.float32, device=torch.device("cpu"))
    untouched, surplus = model.load_state_dict(made.encoder.weights(), strict=False)
    assert not surplus and untouched
    for row, text in enumerate(made._text_of_row[1:]):
        ids = made.states.tokens.padded(np.array([text]), side="right")["input_ids"]
        with torch.no_grad():
            wanted = model(torch.from_numpy(ids)).last_hidden_state[0].mean(0)
        torch.testing.assert_close(found[row], wanted, atol=1e-4, rtol=1e-4)


def test_lora_is_drawn_from_its_seed_and_starts_at_nothing(bert_folder: Path):
    before = torch.get_rng_state()
    states = trunk(bert_folder)
    one, same, other = (
        TunedTextTower(states, CATALOG, dim=D, lora_rank=2, seed=seed) for seed in (1, 1, 2)
    )
    assert before.equal(torch.get_rng_state())
    for name, weight in one.encoder.named_parameters():
        assert "lora_" in name
        assert weight.equal(same.encoder.get_parameter(name))
        drawn = "lora_A" in name
        assert weight.any() == drawn
        assert weight.equal(other.encoder.get_parameter(name)) != drawn


def test_adapters_are_drawn_from_their_seed_and_start_at_nothing(bert_folder: Path):
    before = torch.get_rng_state()
    one, same, other = (
        TunedTextTower(trunk(bert_folder), CATALOG, dim=D, adapter_size=3, seed=seed)
        for seed in (1, 1, 2)
    )
    assert before.equal(torch.get_rng_state())
    names = [name for name, _ in one.encoder.named_parameters()]
    assert len(names) == 2 * 4 and all(".adapter." in name for name in names)
    for name, weight in one.encoder.named_parameters():
        assert weight.equal(same.encoder.get_parameter(name))
        drawn = name.endswith("down.weight")
        assert weight.any() == drawn
        assert weight.equal(other.encoder.get_parameter(name)) != drawn


@pytest.mark.parametrize("kind", ["bert", "opt", "opt_post_norm", "t5"])
def test_an_adapter_changes_nothing_until_it_is_trained_and_then_learns(stacks, kind: str):
    plain, made = bare(stacks[kind]), bare(stacks[kind], adapter_size=3)
    assert made.all().equal(plain.all())
    found = gradients(made)
    ups = {n for n in found if n.endswith("up.weight")}
    assert len(ups) == 2 and all(found[name].any() for name in ups)
    with torch.no_grad():
        for name in ups:
            made.get_parameter(name).normal_(generator=torch.Generator().manual_seed(0))
    assert not made.all().allclose(plain.all())


def test_adapters_are_no_weights_of_the_model_they_stand_in(bert_folder: Path):
    made = tower(bert_folder, adapter_size=2)
    with pytest.raises(EncoderError, match="has no place for adapters"):
        made.encoder.weights()
    with pytest.raises(ValueError, match="LoRA or adapters, not both; got lora_rank=2, adapter"):
        tower(bert_folder, lora_rank=2, adapter_size=2)


def test_autocast_computes_in_bf16_and_keeps_weights(bert_folder: Path):
    made = tower(bert_folder).eval()
    with torch.no_grad():
        exact = made.all()[1:]
    with torch.autocast("cpu", torch.bfloat16):
        rough = made.all()[1:]
    rough.float().sum().backward()
    cosine = torch.nn.functional.cosine_similarity(exact, rough.detach().float())
    assert float(cosine.min()) > 0.99 and not rough.float().equal(exact)
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in made.parameters())


def test_parameters_are_counted_by_group(bert_folder: Path):
    made = TunedTextTower(trunk(bert_folder, tuned=1), CATALOG, dim=D)
    found = Recommender(made, SASRec(dim=D), seed=0).num_parameters()
    assert found["encoder"] == sum(p.numel() for p in made.encoder.parameters())
    assert found["tower"] == E * D + D + D * D + D
    hybrid = HybridTower(IdTower(len(TITLES), dim=D), made, combine="gate")
    more = Recommender(hybrid, SASRec(dim=D), seed=0).num_parameters()
    assert more["encoder"] == found["encoder"]
    assert more["tower"] == found["tower"] + (len(TITLES) + 1) * D + 2 * D * D + D


def test_states_of_another_catalogue_stop_the_run(bert_folder: Path):
    with pytest.raises(DataError, match="embeddings and catalogue must hold the same item ids"):
        TunedTextTower(trunk(bert_folder), worlds.catalog(4), dim=D)


@pytest.mark.parametrize(
    "name", ["num_layers", "lora_rank", "adapter_size", "batch_tokens", "kept_tokens"]
)
def test_a_number_below_one_is_refused(bert_folder: Path, name: str):
    with pytest.raises(ValueError, match=f"needs {name} of at least 1; got 0"):
        TunedTextTower(trunk(bert_folder), CATALOG, dim=D, **{name: 0})


def test_weights_say_which_encoder_and_how_it_was_tuned(bert_folder: Path, tmp_path: Path):
    def saved(made: Tower) -> Recommender:
        return Recommender(made, SASRec(dim=D), seed=0)

    def mixed(combine, text: Tower) -> HybridTower:
        return HybridTower(IdTower(len(TITLES), dim=D), text, combine=combine)

    def lora(**settings) -> TunedTextTower:
        return TunedTextTower(trunk(bert_folder), CATALOG, dim=D, lora_rank=2, **settings)

    plain = tower(bert_folder)
    other = TunedTextTower(trunk(bert_folder, max_tokens=9), CATALOG, dim=D)
    pairs = [
        (plain, other, "whose tower is TunedTextTower.states='"),
        (lora(), lora(lora_alpha=3.0), "lora_alpha=3.0.*found.*lora_alpha=4.0"),
        (mixed("gate", plain), mixed("concatenation", plain), "combine='concatenation'"),
        (mixed("sum", plain), mixed("sum", other), "combine='sum', text=TunedTextTower.states='"),
    ]
    for one, wanted, message in pairs:
        saved(one).save(tmp_path / "w")
        with pytest.raises(DataError, match=message):
            saved(wanted).load_weights(tmp_path / "w")
    saved(lora()).save(tmp_path / "w")
    saved(lora(lora_alpha=4.0)).load_weights(tmp_path / "w")  # what None comes to


def test_lora_needs_peft_and_linear_layers(bert_folder: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(EncoderError, match="LoRA needs linear layers; LayerNorm has none"):
        add_lora([torch.nn.LayerNorm(3)], rank=2, alpha=1.0, seed=0)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(EncoderError, match=r"LoRA needs peft: pip install 'tcf\[peft\]'"):
        tower(bert_folder, lora_rank=2)


def test_parameters_of_an_encoder_train_at_its_rates(bert_folder: Path):
    made = TunedTextTower(trunk(bert_folder), CATALOG, dim=D, lora_rank=2)
    whole = HybridTower(IdTower(len(TITLES), dim=D), made, combine="gate")
    for top in (made, whole):
        groups: dict[str, set[str]] = {"encoder": set(), "projector": set(), "recommender": set()}
        for name, _ in Recommender(top, SASRec(dim=D), seed=0).named_parameters():
            groups[group_of(name)].add(name)
        assert len(groups["encoder"]) == len(list(made.encoder.parameters()))
        assert len(groups["projector"]) == len(list(made.projector.parameters()))
        assert all("lora_" in name for name in groups["encoder"])
        assert not any("lora_" in name or "projector" in name for name in groups["recommender"])
