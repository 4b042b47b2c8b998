"""experiments/q5_llm_ranker small from end to end, with a chat endpoint that loves the first."""

import json
import shutil
from pathlib import Path

import pytest

from experiments.q5_llm_ranker.rank import main
from tests.chat_server import ChatServer

RESULTS = Path(__file__).parents[2] / "experiments" / "q5_llm_ranker" / "results"


def test_it_runs_small(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def say(prompt: str) -> str:
        return "A" if "exactly one" in prompt else "I would take any."

    with ChatServer(say) as server:
        places = ["--out", str(tmp_path), "--cache", str(tmp_path / "cache")]
        main(["--smoke", *places, "--url", server.url, "--model", "first"])
    told = json.loads((tmp_path / "simulated-world.json").read_text())
    shutil.rmtree(tmp_path / "cache" / "models")  # as on another machine: they are trained again
    main(["--smoke", *places])
    again = json.loads((tmp_path / "simulated-world.json").read_text())["rankers"]
    assert again["SASRec + ID"] == told["rankers"]["SASRec + ID"]
    assert set(told["rankers"]) >= {"SASRec + ID", "popularity", "first"}
    assert told["rankers"]["popularity"]["choose 1 of 4"]["hr@1"]["mean"] > 0.3
    first = told["rankers"]["first"]
    one, ten = first["choose 1 of 4"], first["rank 10 of 100"]
    assert one["position"]["shares"] == [1, 0, 0, 0]
    assert one["position"]["p"] < 1e-9
    assert one["same_item_in_another_order"] < 0.5
    assert one["answers_that_could_not_be_read"] == {}
    assert ten["hr@10"]["mean"] == 0
    assert ten["answers_that_could_not_be_read"]["names no candidate"]["unreadable"] == 40
    assert ten["cost_per_user"]["tokens_out"] == 4


def test_a_small_form_writes_no_committed_result():
    with pytest.raises(SystemExit):
        main(["--smoke"])


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_committed_results_say_what_the_page_says(path: Path):
    told = json.loads(path.read_text())
    for ranker, tasks in told["rankers"].items():
        hr = tasks["choose 1 of 4"]["hr@1"]
        assert hr["chance"] == 0.25
        assert f"{100 * hr['mean']:.1f}" in (RESULTS.parent / "README.md").read_text(), ranker
