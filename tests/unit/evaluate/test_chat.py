"""A chat model as a ranker, against a real server on this machine."""

import re
import threading
from pathlib import Path

import numpy as np
import pytest

from tcf.errors import CacheError, EncoderError
from tcf.evaluate import Asked, ChatModel, ask, load_prompt, metric, sample_candidates
from tests import worlds
from tests.chat_server import ChatServer
from tests.embedding_server import Act

SPLIT = worlds.random_split(num_users=30, num_items=40, seed=0)
SETS = sample_candidates(SPLIT.test, num_items=40, num_users=12, num_candidates=4, seed=0)
CHOOSE = load_prompt("choose", "movies")


def model(server: ChatServer, tmp_path: Path, **settings) -> ChatModel:
    settings = {"max_concurrency": 2, "max_retries": 2, **settings}
    return ChatModel(server.url, "talker", cache=tmp_path, api_key_env=None, **settings)


def asked(server: ChatServer, tmp_path: Path, **settings) -> Asked:
    return ask(model(server, tmp_path, **settings), SETS, SPLIT.catalog, prompt=CHOOSE)


def knows(prompt: str) -> str:
    """Answers rightly, from the prompts of which the targets are known."""
    return ANSWERS[prompt]


def prompts() -> list[str]:
    titles = [[SPLIT.catalog.texts[row - 1] for row in rows] for rows in SETS.rows]
    history = [
        [SPLIT.catalog.texts[row - 1] for row in SETS.history(n, last=20)] for n in range(len(SETS))
    ]
    return [CHOOSE.fill(known, shown) for known, shown in zip(history, titles, strict=True)]


ANSWERS = {
    prompt: "ABCD"[place] for prompt, place in zip(prompts(), SETS.places.tolist(), strict=True)
}


def test_who_knows_is_right_and_costs_what_it_said(tmp_path):
    with ChatServer(knows) as server:
        found = asked(server, tmp_path)
    assert metric(found.ledger, "hr@1").mean() == 1.0
    assert (found.chosen == SETS.places).all()
    assert found.problems() == {}
    cost = found.cost(price_in=2.0, price_out=10.0)
    tokens = np.mean([len(prompt.split()) for prompt in ANSWERS])
    assert cost["tokens_in"] == pytest.approx(tokens)
    assert cost["tokens_out"] == 1
    assert cost["price"] == pytest.approx((2 * tokens + 10) / 1e6)
    assert cost["seconds"] >= 0
    assert found.cost()["price"] is None


@pytest.mark.parametrize(
    ("text", "finish", "problem"),
    [
        ("Tastes differ, and who could say?", "stop", "names no candidate"),
        ("", "stop", "empty"),
        ("I'm sorry, I can't.", "content_filter", "refused"),
        (None, "content_filter", "refused"),
        ("Let me think about what", "length", "cut short"),
    ],
)
def test_what_cannot_be_read_is_wrong_and_shown(text, finish, problem, tmp_path):
    with ChatServer(lambda prompt: text, finish=finish) as server:
        found = asked(server, tmp_path)
    assert metric(found.ledger, "hr@1").mean() == 0.0
    assert (found.ledger.rank == 4).all()
    assert (found.chosen == -1).all()
    example = {"count": 12, "unreadable": 12, "example": text or ""}
    assert found.problems() == {problem: example}


def test_a_kept_answer_is_not_asked_for_again(tmp_path):
    with ChatServer(knows) as server:
        asked(server, tmp_path)
        assert len(server.requests) == 12
        asked(server, tmp_path)
        assert len(server.requests) == 12
        asked(server, tmp_path, options={"temperature": 0})
        assert server.requests[-1]["temperature"] == 0
        assert len(server.requests) == 24
        asked(server, tmp_path, revision="March")
        assert len(server.requests) == 36


def test_a_failure_loses_no_answer(tmp_path):
    refused = Act(400, body=b"no more")
    with ChatServer(knows, Act(), Act(), Act(), refused) as server:
        with pytest.raises(EncoderError, match="refuses the request with status 400: no more"):
            asked(server, tmp_path, max_concurrency=1)
        assert len(list(tmp_path.rglob("*.json"))) == 3
        assert metric(asked(server, tmp_path).ledger, "hr@1").mean() == 1.0
        assert len(server.requests) == 4 + 9


def test_a_limit_is_waited_for(tmp_path):
    with ChatServer(knows, Act(429, {"Retry-After": "0"}, b"slow down")) as server:
        assert metric(asked(server, tmp_path).ledger, "hr@1").mean() == 1.0
        assert len(server.requests) == 13


def test_who_never_answers_in_time_is_named(tmp_path):
    never = threading.Event()
    with ChatServer(knows, *[Act(hold=never)] * 4) as server:
        with pytest.raises(EncoderError, match=r"failed 2 times .* no answer within 0.05 s"):
            asked(server, tmp_path, timeout_seconds=0.05, max_retries=1)
        never.set()


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{}]}'])
def test_what_is_no_completion_is_an_error(body: bytes, tmp_path):
    with ChatServer(knows, *[Act(body=body)] * 2) as server:
        message = f"must answer with JSON that holds choices.*{re.escape(body.decode())}"
        with pytest.raises(EncoderError, match=message):
            asked(server, tmp_path)


def test_a_key_that_is_refused_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "wrong")
    with ChatServer(knows, key="right") as server:
        mine = ChatModel(server.url, "talker", cache=tmp_path, api_key_env="MY_KEY")
        with pytest.raises(EncoderError, match="variable MY_KEY is not accepted") as caught:
            ask(mine, SETS, SPLIT.catalog, prompt=CHOOSE)
    assert "wrong" not in str(caught.value)


def test_a_list_ranks_and_what_it_leaves_out_stands_last(tmp_path):
    sets = sample_candidates(SPLIT.test, num_items=40, num_users=5, num_candidates=20, seed=0)
    with ChatServer(lambda prompt: "[2, 1, 3]") as server:
        found = ask(
            model(server, tmp_path),
            sets,
            SPLIT.catalog,
            prompt=load_prompt("rank", "movies"),
            num_wanted=3,
        )
    wanted = [{1: 1, 0: 2, 2: 3}.get(place, 20) for place in sets.places.tolist()]
    assert found.ledger.rank.tolist() == wanted
    assert not found.ledger.ties.any()


def test_settings_without_a_meaning_are_refused(tmp_path):
    mine = ChatModel("http://127.0.0.1:9/v1", "talker", cache=tmp_path, api_key_env=None)
    with pytest.raises(ValueError, match="3 wanted needs a prompt for 'rank'; got 'choose'"):
        ask(mine, SETS, SPLIT.catalog, prompt=CHOOSE, num_wanted=3)
    with pytest.raises(ValueError, match=r"num_wanted must be within 1\.\.4; got 5"):
        ask(mine, SETS, SPLIT.catalog, prompt=load_prompt("rank", "movies"), num_wanted=5)
    with pytest.raises(ValueError, match="without /chat/completions"):
        ChatModel("http://localhost/v1/chat/completions", "talker", cache=tmp_path)
    with pytest.raises(ValueError, match="'stream' has its own argument"):
        ChatModel("http://localhost/v1", "talker", cache=tmp_path, options={"stream": True})


def test_a_damaged_answer_is_named(tmp_path):
    with ChatServer(knows) as server:
        asked(server, tmp_path)
        path = next(tmp_path.rglob("*.json"))
        path.write_text("{")
        with pytest.raises(CacheError, match=f"{path.name}: a kept answer must be as written"):
            asked(server, tmp_path)
