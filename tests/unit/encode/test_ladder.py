"""A family of language models: what is the same in all sizes, found again, and gone on with."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

import tcf
from tcf._checkpoint import Checkpoint
from tcf._util import write_json
from tcf.data.simulate import simulate
from tcf.encode.backends.files import fingerprint
from tcf.encode.ladder import Recipe, Size, family, training
from tcf.encode.ladder.corpus import Corpus
from tcf.errors import CacheError
from tests.fuse import Kill

SMALL = (Size(8, 1, 1), Size(16, 2, 2, 50))
NAMES = [size.name for size in SMALL]
RECIPE = Recipe(num_epochs=2, vocab_size=512, max_tokens=32, part_tokens=256)
TITLES = simulate(num_users=1, num_items=200, seed=0)[0].texts


def train(folder, *, texts=TITLES, recipe=RECIPE, **changes):
    settings = {"seed": 0, "sizes": SMALL, "progress": False, "random_member": True, **changes}
    return family.train_ladder(texts, folder=folder, recipe=recipe, **settings)


def about(folder):
    return json.loads((folder / "ladder.json").read_text(encoding="utf-8"))


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def changed(**changes):
    return RECIPE.model_copy(update=changes)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    return train(tmp_path_factory.mktemp("ladder"))


@pytest.fixture
def nothing_is_trained(monkeypatch):
    monkeypatch.setattr(family, "Trainer", lambda *_, **__: pytest.fail("trained again"))


def test_every_member_is_an_ordinary_folder(members):
    assert list(members) == [*NAMES, "random"]
    for folder in members.values():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        batch = tokenizer(["A title", "A longer title"], padding=True, return_tensors="pt")
        states = AutoModel.from_pretrained(folder)(**batch).last_hidden_state
        assert states.shape == (*batch["input_ids"].shape, about(folder)["size"]["hidden"])


def test_every_member_is_an_encoder(members):
    for size in SMALL:
        vectors = tcf.encode_items(TITLES[:5], encoder=members[size.name], progress=False)
        assert vectors.shape == (5, size.hidden)


def test_the_tokenizer_begins_each_title_with_its_mark_and_gives_it_back(members):
    tokenizer = AutoTokenizer.from_pretrained(members["random"])
    ids = tokenizer(TITLES[0])["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == TITLES[0]
    assert tokenizer.pad_token_id == 0


def test_parameters_are_those_of_the_model_without_the_head_kept_apart(members):
    for folder in members.values():
        model = AutoModelForCausalLM.from_pretrained(folder)
        decoder = model.model.decoder
        tables = decoder.embed_tokens.weight.numel() + decoder.embed_positions.weight.numel()
        total = sum(p.numel() for p in decoder.parameters())
        assert about(folder)["parameters"] == total
        assert about(folder)["parameters_without_embeddings"] == total - tables


@pytest.mark.parametrize("rule", ["mup", "root_width"])
def test_the_loss_written_is_that_of_the_folder_read_back(rule, tmp_path):
    folder = train(tmp_path, recipe=changed(rule=rule), sizes=SMALL[1:])[NAMES[1]]
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    seeds = np.random.SeedSequence(0).spawn(3)
    corpus = Corpus.of(sorted(set(TITLES)), RECIPE, held_out=seeds[1], order=seeds[2])
    texts = [sorted(set(TITLES))[row] for row in corpus.held_out]
    nats, num_tokens = 0.0, 0
    with torch.no_grad():
        for text in texts:  # each alone, by Transformers' own loss
            ids = torch.tensor([tokenizer(text)["input_ids"]])
            nats += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
            num_tokens += ids.shape[1] - 1
    told = about(folder)
    assert told["validation_loss"] == pytest.approx(nats / num_tokens, rel=1e-5)
    num_bytes = sum(len(text.encode()) for text in texts)
    assert told["validation_loss_per_byte"] == pytest.approx(nats / num_bytes, rel=1e-5)
    assert told["points"][-1]["validation_loss"] == told["validation_loss"]


def test_training_lowers_the_loss_and_the_random_member_is_untrained(members):
    trained, random = about(members[NAMES[1]]), about(members["random"])
    assert trained["validation_loss"] < random["validation_loss"] - 0.5
    first, last = trained["points"][0], trained["points"][-1]
    assert last["validation_loss"] < first["validation_loss"]
    assert last["train_loss"] < first["train_loss"]
    assert random["num_steps"] == 0
    assert random["train_loss"] is None
    assert random["size"] == trained["size"]


def test_every_size_sees_the_same_texts_in_the_same_order(tmp_path, monkeypatch):
    seen: dict[int, list] = {}
    step = training.Trainer.step

    def noted(self, rows):
        seen.setdefault(self.model.config.hidden_size, []).append(rows.tolist())
        step(self, rows)

    monkeypatch.setattr(training.Trainer, "step", noted)
    train(tmp_path, random_member=False)
    assert seen[8] == seen[16]
    assert len(seen[8]) == 2 * 3  # 190 titles by 64
    first, second = np.concatenate(seen[8][:3]), np.concatenate(seen[8][3:])
    assert sorted(first) == sorted(second)
    assert first.tolist() != second.tolist()


def test_the_ladder_says_all_of_its_members(members):
    folder = members["random"].parent
    told = about(folder)
    assert told["recipe"] == RECIPE.model_dump()
    assert (told["seed"], told["num_texts"], told["num_held_out"]) == (0, 190, 10)
    assert [one["name"] for one in told["members"]] == [NAMES[0], "random", NAMES[1]]
    (tokens,) = {one["num_tokens"] for one in told["members"] if one["num_steps"]}
    for one in told["members"]:
        assert one == {
            key: value for key, value in about(folder / one["name"]).items() if key in one
        }
        assert one["machine"] and one["versions"]["torch"]
        assert one["num_tokens"] == (tokens if one["num_steps"] else 0)
        assert (one["train_flops"] > 0) == (one["num_steps"] > 0)


def test_finished_members_are_found_again(members, nothing_is_trained):
    assert train(members["random"].parent) == members


def test_the_order_and_repetition_of_texts_do_not_matter(members, nothing_is_trained):
    assert train(members["random"].parent, texts=[*reversed(TITLES), TITLES[0]]) == members


def test_only_what_is_missing_is_made_and_has_the_same_bytes(tmp_path):
    made = train(tmp_path)
    before = {name: weights(folder) for name, folder in made.items()}
    stamp = made[NAMES[0]].stat().st_ino
    (made[NAMES[1]] / "ladder.json").write_text("{", encoding="utf-8")  # damaged
    (tmp_path / "ladder.json").write_text("{", encoding="utf-8")
    made = train(tmp_path)
    assert {name: weights(folder) for name, folder in made.items()} == before
    assert made[NAMES[0]].stat().st_ino == stamp
    assert len(about(tmp_path)["members"]) == 3


def test_a_further_size_joins_the_others(members, tmp_path):
    shutil.copytree(members["random"].parent, tmp_path / "ladder")
    train(tmp_path / "ladder", sizes=[Size(24, 1, 3)], random_member=False)
    assert len(about(tmp_path / "ladder")["members"]) == 4


def test_how_long_it_took_is_no_part_of_an_encoders_key(members, tmp_path):
    folder = members[NAMES[0]]
    other = tmp_path / "again"
    shutil.copytree(folder, other)
    write_json(other / "ladder.json", {**about(folder), "seconds": 12345.0})
    assert fingerprint(other) == fingerprint(folder)


def test_one_seed_gives_the_same_bytes_on_any_number_of_threads(members, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(2 if threads == 1 else 1)
    try:
        again = train(tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert {n: weights(f) for n, f in again.items()} == {n: weights(f) for n, f in members.items()}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_kill_anywhere_changes_no_bit(dtype, tmp_path, monkeypatch):
    recipe = changed(dtype=dtype)
    whole = train(tmp_path / "whole", recipe=recipe)
    step, steps = training.Trainer.step, iter(range(1000))

    def killed(self, rows):
        if next(steps) in (2, 5, 9):  # in the first size, again in it, and in the second
            raise Kill
        step(self, rows)

    monkeypatch.setattr(training.Trainer, "step", killed)
    for _ in range(3):
        with pytest.raises(Kill):
            train(tmp_path / "killed", recipe=recipe, checkpoint_every_seconds=0)
    resumed = train(tmp_path / "killed", recipe=recipe, checkpoint_every_seconds=0)
    assert {n: weights(f) for n, f in resumed.items()} == {n: weights(f) for n, f in whole.items()}
    assert next(steps) < 2 * 6 + 3 + 4  # nothing was made twice but what a kill broke off
    for name in NAMES:
        one, other = about(resumed[name]), about(whole[name])
        assert one["points"] == other["points"]
    assert not list((tmp_path / "killed").glob(".*checkpoint"))


def test_a_checkpoint_of_another_training_is_refused(tmp_path, monkeypatch):
    def killed(self, rows):
        raise Kill

    step = training.Trainer.step
    write = Checkpoint.write
    monkeypatch.setattr(Checkpoint, "write", lambda *a: (write(*a), killed(*a[:2])))
    with pytest.raises(Kill):
        train(tmp_path, checkpoint_every_seconds=0)
    monkeypatch.setattr(Checkpoint, "write", write)
    monkeypatch.setattr(training.Trainer, "step", step)
    (tmp_path / "ladder.json").unlink()
    with pytest.raises(CacheError, match=r"differs in seed is 0, here 1: take another path"):
        train(tmp_path, seed=1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seed": 1}, "seed is 0, here 1"),
        ({"recipe": changed(num_epochs=1)}, "recipe.num_epochs is 2, here 1"),
        ({"texts": TITLES[:150]}, "texts is .*, here .*"),
        ({"recipe": changed(vocab_size=300)}, "recipe.vocab_size is 512, here 300"),
        ({"sizes": [Size(8, 1, 2)]}, "size.heads is 1, here 2"),
        ({"sizes": [Size(24, 1, 3)], "seed": 2}, "seed is 0, here 2"),
    ],
)
def test_a_ladder_of_other_settings_is_never_replaced(changes, field, members):
    with pytest.raises(ValueError, match=rf"goes on with what it was made by; .* {field}: take an"):
        train(members["random"].parent, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"recipe": changed(num_epochs=1)},
        {"texts": TITLES[:150]},
        {"recipe": changed(vocab_size=300)},
        {"recipe": changed(rule="root_width")},
        {"recipe": changed(learning_rate=0.02)},
    ],
)
def test_whatever_shapes_the_weights_changes_them(members, changes, tmp_path):
    other = train(tmp_path, sizes=SMALL[1:], random_member=False, **changes)[NAMES[1]]
    assert weights(members[NAMES[1]]) != weights(other)


def test_what_an_older_version_made_is_made_anew(members, tmp_path):
    folder = tmp_path / "ladder"
    shutil.copytree(members["random"].parent, folder)
    for path in (folder / "ladder.json", folder / NAMES[0] / "ladder.json"):
        write_json(path, {**json.loads(path.read_text()), "format": 2, "seed": 7})
    train(folder)
    assert about(folder / NAMES[0]) == {**about(members[NAMES[0]])} | {
        "seconds": about(folder / NAMES[0])["seconds"]
    }


def test_global_generators_and_threads_are_left_alone(tmp_path):
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    train(tmp_path, sizes=SMALL[:1])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_an_error_while_saving_leaves_no_member(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(family, "save", full)
    with pytest.raises(OSError, match="disk full"):
        train(tmp_path, sizes=SMALL[:1])
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_foreign_files_are_never_replaced(tmp_path):
    (tmp_path / "random").mkdir()
    (tmp_path / "random" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match=r"random must be empty or hold a member of a ladder"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["random"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": TITLES[:39] * 2}, "at least 40 distinct texts, .*; got 39"),
        ({"texts": [*TITLES, " \t"]}, r"at place 200 of 201 is blank, ' \\t': leave it out"),
        (
            {"texts": [f"{mark}Ä b" for mark in ".,:;!?-_/#+*'()[]{}<>|~^°§$%&=@" + " " * 9]},
            "at least 40",
        ),
        (
            {"texts": ["-" * n + "Title" + "!" * k for n in range(7) for k in range(7)]},
            "must differ in more than case, spaces, marks and accents; all 49 are like",
        ),
        ({"sizes": ()}, "a ladder needs at least one size; got none"),
        ({"sizes": SMALL[:1] * 2}, "sizes must differ in their names; got opt-h8-l1, opt-h8-l1"),
        ({"recipe": changed(learning_rate=1e30)}, "a loss must be a number; after .* steps it is"),
    ],
)
def test_bad_arguments_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, **changes)


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    seeds = np.random.SeedSequence(0).spawn(3)
    corpus = Corpus.of(sorted(set(TITLES)), RECIPE, held_out=seeds[1], order=seeds[2])
    found = []
    for part_tokens in (None, 64):
        recipe = changed(part_tokens=part_tokens)
        model = family.build(SMALL[1], recipe, vocab_size=512, seed=0)
        trainer = training.Trainer(model, SMALL[1], corpus=corpus, recipe=recipe, num_steps=6)
        loss = trainer.backward(next(corpus.batches(recipe)))
        found.append((loss, [weight.grad for weight in model.parameters()]))
    (loss, gradients), (same, others) = found
    assert loss == pytest.approx(same, rel=1e-6)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
