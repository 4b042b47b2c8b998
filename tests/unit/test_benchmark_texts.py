import numpy as np
import pytest

from benchmarks.texts import (
    MAX_TOKENS,
    MEAN_TOKENS,
    P99_TOKENS,
    VOCABULARY_SIZE,
    make_model,
    make_tokenizer,
    titles,
    token_lengths,
    words,
)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.mark.parametrize("num_texts", [500, 2000, 20000])
@pytest.mark.parametrize("seed", [0, 7])
def test_lengths_have_the_profile_of_book_titles(num_texts, seed):
    lengths = token_lengths(num_texts, seed=seed)
    assert lengths.mean() == pytest.approx(MEAN_TOKENS, abs=0.1)
    assert np.percentile(lengths, 99) == pytest.approx(P99_TOKENS, abs=1)
    assert lengths.min() >= 2
    assert not np.array_equal(lengths, token_lengths(num_texts, seed=seed + 1))


def test_a_title_has_as_many_tokens_as_was_drawn_for_it(tokenizer):
    made = titles(300)
    found = [len(ids) for ids in tokenizer(made)["input_ids"]]
    assert found == token_lengths(300).tolist()
    cut = tokenizer(made, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    assert max(map(len, cut)) == MAX_TOKENS


def test_titles_repeat_themselves_under_one_seed_only():
    assert titles(50, seed=3) == titles(50, seed=3)
    assert titles(50, seed=3) != titles(50, seed=4)
    assert len(set(titles(2000))) == 2000


def test_every_word_is_one_token_that_the_model_knows(tokenizer):
    known = words()
    assert len(set(known)) == len(known) == VOCABULARY_SIZE - 4
    assert len(tokenizer) == VOCABULARY_SIZE
    ids = tokenizer(" ".join(known), truncation=False)["input_ids"][1:]
    assert ids == list(range(4, VOCABULARY_SIZE))


def test_a_model_is_made_once_and_read_by_encode_items(tmp_path):
    from tcf import encode_items

    folder = make_model(tmp_path / "tiny", "tiny", dtype="bfloat16")
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert make_model(folder, "tiny") == folder
    assert written == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    vectors = encode_items(titles(20), encoder=folder, dtype="float32", progress=False)
    assert vectors.shape == (20, 32)
    assert np.ptp(vectors, axis=0).min() > 0
