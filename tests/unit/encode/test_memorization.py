"""The memorisation probe: a model taught titles by heart, one that was not, and refusals."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp

from tcf.encode import check_memorization
from tcf.encode.causal import LanguageModel
from tcf.encode.encoders import resolve
from tcf.encode.memorization import _interval, recall
from tcf.errors import EncoderError
from tests import tiny_models

WORDS = sorted({word for title in tiny_models.TITLES for word in title.split() if word.isalpha()})


def invented(count: int, *, seed: int) -> list[str]:
    """Titles of four to eight words that no rule connects."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(4, 9))) for _ in range(count)]


TITLES, OTHERS = invented(40, seed=0), invented(40, seed=1)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model after 80 passes over the titles."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_models.tiny_llama(tmp_path_factory.mktemp("taught"))
    batch = AutoTokenizer.from_pretrained(folder)(TITLES, padding=True, return_tensors="pt")
    mask = batch["attention_mask"]
    labels = batch["input_ids"].masked_fill(mask == 0, -100)
    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(80):
        out = model(input_ids=batch["input_ids"], attention_mask=mask, labels=labels)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


def test_a_model_that_was_never_trained_knows_nothing(blank: Path):
    finding = check_memorization(blank, TITLES, seed=0)
    assert finding.verdict == "ok" and finding.fix == ""
    for name in ("swapped_nats", "shuffled_nats"):
        assert finding.figures[f"{name}_low"] < 0 < finding.figures[f"{name}_high"]
    assert finding.figures["share_written"] == 0
    assert finding.figures["num_titles"] == 40


def test_a_model_that_was_taught_the_titles_gives_itself_away(taught: Path):
    finding = check_memorization(taught, TITLES, seed=0)
    assert finding.verdict == "warning"
    assert "newer than its training data" in finding.fix
    assert finding.figures["swapped_nats_low"] > 1
    assert finding.figures["shuffled_nats_low"] > 1
    assert finding.figures["share_written"] > 0.5
    assert finding.figures["share_written_by_chance"] < 0.1
    assert re.search(r"40 titles: perplexity \d.*, \d.* with words shuffled \(\+", finding.found)


def test_of_titles_it_was_not_taught_it_knows_nothing(taught: Path):
    assert check_memorization(taught, OTHERS, seed=0).verdict == "ok"


def test_one_seed_says_one_thing(blank: Path):
    first, again = (check_memorization(blank, TITLES, seed=3, num_titles=20) for _ in range(2))
    assert first == again
    assert first.figures["num_titles"] == 20
    assert first != check_memorization(blank, TITLES, seed=4, num_titles=20)


def test_the_interval_is_that_of_a_paired_t_test(blank: Path):
    titles = [title.split() for title in TITLES]
    read = recall(resolve(blank), titles, rng=np.random.default_rng(0))
    interval = ttest_1samp(read.swapped - read.ending, 0).confidence_interval(0.95)
    assert _interval(read.swapped - read.ending)[1:] == pytest.approx((interval.low, interval.high))


def test_losses_are_those_of_the_model_read_one_text_at_a_time(blank: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(blank)
    witness = AutoModelForCausalLM.from_pretrained(blank).eval()
    model = LanguageModel(resolve(blank), device="cpu")
    reads = model.read(model.ids(TITLES))
    for title, read in zip(TITLES, reads, strict=True):
        ids = tokenizer(title, return_tensors="pt")["input_ids"]  # </s> comes first, as ours
        with torch.no_grad():
            loss = witness(input_ids=ids, labels=ids).loss
        assert read.loss.mean() == pytest.approx(float(loss), rel=1e-5)
        assert len(read.loss) == len(title.split())


def test_too_few_titles_are_no_probe(blank: Path):
    finding = check_memorization(blank, [*TITLES[:15], "three short words"], seed=0)
    assert finding.verdict == "ok"
    assert finding.found == "not made: it takes 16 titles of 4 words and more; there are 15"


def test_a_tokenizer_that_joins_words_is_refused(tmp_path: Path, blank: Path):
    import shutil

    from tokenizers import Regex, Tokenizer, pre_tokenizers

    folder = tmp_path / "joined"
    shutil.copytree(blank, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r".+"), "isolated")  # a text, one token
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(EncoderError, match="keeps words apart; this one does in 0 of 40 titles"):
        check_memorization(folder, TITLES, seed=0)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("bert", "words see what follows them: take a decoder-only model"),
        ("roberta", "words see what follows them"),
        ("t5", "this is an encoder-decoder"),
        ("bart", "this is an encoder-decoder"),
    ],
)
def test_what_is_not_causal_is_refused_with_the_reason(tmp_path: Path, kind: str, reason: str):
    folder = getattr(tiny_models, f"tiny_{kind}")(tmp_path)
    with pytest.raises(EncoderError, match=rf"a causal language model is needed.*{reason}"):
        check_memorization(folder, TITLES, seed=0)


def test_encoders_without_a_language_model_are_refused():
    with pytest.raises(EncoderError, match=r"TF-IDF \+ SVD: a causal language model"):
        check_memorization("tfidf-svd", TITLES, seed=0)


def test_a_model_saved_without_its_head_is_refused(tmp_path: Path):
    from transformers import AutoModel

    folder = tiny_models.tiny_llama(tmp_path / "whole")
    (tmp_path / "bare").mkdir()
    bare = tmp_path / "bare"
    tiny_models.word_tokenizer(bare, template="</s> $A")
    AutoModel.from_pretrained(folder).save_pretrained(bare)
    with pytest.raises(EncoderError, match=r"with its head is needed; its files lack lm_head"):
        check_memorization(bare, TITLES, seed=0)


def test_weights_that_cannot_be_read_are_named(tmp_path: Path):
    folder = tiny_models.tiny_llama(tmp_path)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(EncoderError, match=r"with its head is needed; none could be loaded \("):
        check_memorization(folder, TITLES, seed=0)
