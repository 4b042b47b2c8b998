import json
import shutil
from itertools import pairwise

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from tcf._util import write_json
from tcf.data.simulate import simulate
from tcf.encode import ladder
from tcf.encode.backends.files import fingerprint
from tcf.encode.ladder import SIZES, Size, num_parameters, train_ladder

SMALL = (Size(8, 1, 2), Size(16, 2, 2))
TITLES = simulate(num_users=1, num_items=200, seed=0)[0].texts


def train(folder, *, texts=TITLES, **changes):
    settings = {"seed": 0, "sizes": SMALL, "num_epochs": 2, "progress": False, **changes}
    return train_ladder(texts, folder=folder, **settings)


def about(folder):
    return json.loads((folder / "ladder.json").read_text(encoding="utf-8"))


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    return train(tmp_path_factory.mktemp("ladder"))


def test_every_member_is_an_ordinary_folder(members):
    assert list(members) == ["opt-h8-l1", "opt-h16-l2", "random"]
    for folder in members.values():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        batch = tokenizer(["A title", "A longer title"], padding=True, return_tensors="pt")
        states = AutoModel.from_pretrained(folder)(**batch).last_hidden_state
        assert states.shape == (*batch["input_ids"].shape, about(folder)["size"]["hidden"])


def test_the_tokenizer_begins_each_title_with_its_mark_and_gives_it_back(members):
    tokenizer = AutoTokenizer.from_pretrained(members["random"])
    ids = tokenizer(TITLES[0])["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == TITLES[0]
    assert tokenizer.pad_token_id == 0


def test_parameters_are_those_of_the_saved_model(members):
    for folder in members.values():
        model = AutoModelForCausalLM.from_pretrained(folder)
        decoder = model.model.decoder
        tables = decoder.embed_tokens.weight.numel() + decoder.embed_positions.weight.numel()
        total = sum(p.numel() for p in model.parameters())
        assert about(folder)["parameters"] == total
        assert about(folder)["parameters_without_embeddings"] == total - tables


def test_default_sizes_span_a_hundredfold_in_about_equal_ratios():
    counts = [num_parameters(size) for size in SIZES]
    assert len(counts) == 6
    assert counts[-1] >= 100 * counts[0]
    ratios = [b / a for a, b in pairwise(counts)]
    assert min(ratios) > 2
    assert max(ratios) < 3


def test_parameters_follow_the_closed_form():
    h, layers = 24, 3
    block = 12 * h**2 + 13 * h  # attention, feed-forward and two norms, all with biases
    assert num_parameters(Size(h, layers, 3)) == layers * block + 2 * h


def test_training_lowers_the_loss_and_the_random_member_is_untrained(members):
    trained, random = about(members["opt-h16-l2"]), about(members["random"])
    assert trained["held_out_loss"] < random["held_out_loss"] - 0.5
    assert random["num_steps"] == 0
    assert random["train_loss"] is None
    assert random["size"] == trained["size"]


def test_every_size_takes_the_same_number_of_steps(members):
    assert {about(members[size.name])["num_steps"] for size in SMALL} == {2 * 3}  # 190 titles by 64


def test_the_loss_of_padded_titles_is_that_of_each_title_alone(members):
    model = AutoModelForCausalLM.from_pretrained(members["opt-h16-l2"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(members["opt-h16-l2"])
    titles = ["A Wolf", TITLES[0], "Frozen Blizzard Wolf Against Baker"]
    ids = [torch.tensor(tokenizer(title)["input_ids"]) for title in titles]
    with torch.no_grad():
        alone = [model(input_ids=i[None], labels=i[None]).loss * (len(i) - 1) for i in ids]
        together = ladder._loss(model, torch.nn.utils.rnn.pad_sequence(ids, batch_first=True))
    expected = sum(alone) / sum(len(i) - 1 for i in ids)
    torch.testing.assert_close(together, expected, rtol=1e-5, atol=0)


def test_finished_members_are_found_again(members, monkeypatch):
    monkeypatch.setattr(ladder, "_make", lambda *_, **__: pytest.fail("trained again"))
    assert train(next(iter(members.values())).parent) == members


def test_only_what_is_missing_is_made_and_has_the_same_bytes(tmp_path):
    made = train(tmp_path)
    before = {name: weights(folder) for name, folder in made.items()}
    stamp = made["opt-h8-l1"].stat().st_ino
    (made["opt-h16-l2"] / "ladder.json").write_text("{", encoding="utf-8")  # as if half-written
    made = train(tmp_path)
    assert {name: weights(folder) for name, folder in made.items()} == before
    assert made["opt-h8-l1"].stat().st_ino == stamp


def test_how_long_it_took_is_no_part_of_an_encoders_key(members, tmp_path):
    folder = members["opt-h8-l1"]
    other = tmp_path / "again"
    shutil.copytree(folder, other)
    write_json(other / "ladder.json", {**about(folder), "seconds": 12345.0})
    assert fingerprint(other) == fingerprint(folder)


def test_one_seed_gives_the_same_bytes_on_any_number_of_threads(members, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(2 if threads == 1 else 1)
    try:
        again = train(tmp_path, sizes=SMALL)
    finally:
        torch.set_num_threads(threads)
    assert {n: weights(f) for n, f in again.items()} == {n: weights(f) for n, f in members.items()}


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"num_epochs": 1}, {"texts": TITLES[:150]}, {"vocab_size": 300}]
)
def test_whatever_shapes_the_weights_trains_anew(tmp_path, changes):
    size = SMALL[:1]
    first = weights(train(tmp_path, sizes=size, random_member=False)["opt-h8-l1"])
    other = weights(train(tmp_path, sizes=size, random_member=False, **changes)["opt-h8-l1"])
    assert first != other


def test_the_order_and_repetition_of_texts_do_not_matter(members, monkeypatch):
    monkeypatch.setattr(ladder, "_make", lambda *_, **__: pytest.fail("trained again"))
    folder = next(iter(members.values())).parent
    assert train(folder, texts=[*reversed(TITLES), TITLES[0]]) == members


def test_global_generators_and_threads_are_left_alone(tmp_path):
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    train(tmp_path, sizes=SMALL[:1])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_an_error_while_saving_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(ladder, "write_json", full)
    with pytest.raises(OSError, match="disk full"):
        train(tmp_path, sizes=SMALL[:1])
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_never_replaced(tmp_path):
    (tmp_path / "random").mkdir()
    (tmp_path / "random" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match=r"random must be empty or hold a member of a ladder"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["random"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": TITLES[:39] * 2}, "at least 40 distinct texts and one size; got 39 and 2"),
        ({"sizes": ()}, "at least 40 distinct texts and one size; got 200 and 0"),
        ({"num_epochs": -1}, "num_epochs must not be negative; got -1"),
    ],
)
def test_bad_arguments_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, **changes)
