"""A causal model as a ranker: taught what follows what, it knows; its prefix changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tcf.data.catalog import Catalog
from tcf.encode.causal import LanguageModel
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError
from tcf.evaluate import Candidates, likelihood_scores, load_prompt
from tests import tiny_models, worlds

PROMPT = load_prompt("continue", "movies")
CATALOG = Catalog(tuple(f"i{n}" for n in range(8)), tuple(tiny_models.TITLES))
SETS = Candidates(
    worlds.ranking_tasks([[1, 2], [7, 7, 5, 8], [3]], [3, 4, 6]),
    np.array([[3, 4, 5], [4, 1, 6], [8, 6, 7]], np.int32),
)


@pytest.fixture(scope="module", params=["opt", "llama"])
def language(request, tmp_path_factory) -> LanguageModel:
    folder = tmp_path_factory.mktemp(request.param)
    getattr(tiny_models, f"tiny_{request.param}")(folder)
    return LanguageModel(EncoderSpec(name=str(folder)), device="cpu")


def test_a_prefix_run_once_changes_no_loss(language: LanguageModel):
    prefix, *rows = language.ids(["the quick brown fox", *tiny_models.TITLES])
    whole = language.read([[*prefix, *row] for row in rows])
    for row, after, all_of_it in zip(rows, language.read_after(prefix, rows), whole, strict=True):
        assert len(after) == len(row)
        np.testing.assert_allclose(after, all_of_it.loss[len(prefix) :], atol=2e-5)


def test_a_score_is_the_models_log_likelihood(language: LanguageModel):
    found = likelihood_scores(language, SETS, CATALOG, prompt=PROMPT)
    (prompt,) = language.ids([PROMPT.fill([CATALOG.texts[0], CATALOG.texts[1]]).rstrip()])
    for place, row in enumerate(SETS.rows[0]):
        (title,) = language.ids([" " + CATALOG.texts[row - 1]])
        (losses,) = language.read([[*prompt, *title]])
        assert found.total[0, place] == pytest.approx(-losses.loss[len(prompt) :].sum(), abs=1e-4)
        assert found.mean[0, place] == pytest.approx(found.total[0, place] / len(title), abs=1e-6)


def test_the_order_of_the_candidates_changes_no_score(language: LanguageModel):
    other = SETS.shuffled(seed=1)
    first = likelihood_scores(language, SETS, CATALOG, prompt=PROMPT).mean
    second = likelihood_scores(language, other, CATALOG, prompt=PROMPT).mean
    for task in range(len(SETS)):
        order = np.argsort(SETS.rows[task]), np.argsort(other.rows[task])
        np.testing.assert_allclose(first[task, order[0]], second[task, order[1]], atol=1e-4)


def test_a_long_history_loses_its_oldest_titles(tmp_path: Path):
    language = LanguageModel(EncoderSpec(name=str(tiny_models.tiny_opt(tmp_path))), device="cpu")
    long = Candidates(worlds.ranking_tasks([[7] * 20], [3]), np.array([[3, 4]], np.int32))
    assert np.isfinite(likelihood_scores(language, long, CATALOG, prompt=PROMPT).mean).all()
    language.max_tokens = 10
    with pytest.raises(EncoderError, match="10 positions, which must hold a title of 9 tokens"):
        likelihood_scores(language, long, CATALOG, prompt=PROMPT)


def test_a_model_that_was_taught_the_titles_prefers_them(tmp_path: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_models.tiny_opt(tmp_path)
    net, tokenizer = (
        kind.from_pretrained(folder) for kind in (AutoModelForCausalLM, AutoTokenizer)
    )
    text = PROMPT.fill([CATALOG.texts[0], CATALOG.texts[1]]).rstrip() + " " + CATALOG.texts[2]
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        net(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    net.save_pretrained(folder)
    scores = likelihood_scores(EncoderSpec(name=str(folder)), SETS, CATALOG, prompt=PROMPT)
    assert scores.mean[0].argmax() == 0  # row 3 is the one that follows


def test_settings_without_a_meaning_are_refused(language: LanguageModel):
    choose = load_prompt("choose", "movies")
    with pytest.raises(ValueError, match="needs a prompt for 'continue'; got one for 'choose'"):
        likelihood_scores(language, SETS, CATALOG, prompt=choose)
    with pytest.raises(ValueError, match="must be at least 1; got 0 and 30"):
        likelihood_scores(language, SETS, CATALOG, prompt=PROMPT, max_history=0)


def test_a_title_without_a_token_is_named(language: LanguageModel):
    texts = (*tiny_models.TITLES[:3], " ", *tiny_models.TITLES[4:])
    blank = Catalog(CATALOG.item_ids, texts)
    with pytest.raises(EncoderError, match="finds none in that of item 'i3'"):
        likelihood_scores(language, SETS, blank, prompt=PROMPT)
