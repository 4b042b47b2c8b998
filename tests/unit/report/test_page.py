"""The page: one file that asks for nothing, the same bytes again, and nothing of the data run."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tcf.report import gather, report_page
from tcf.report.data import page_data
from tcf.study import Arm
from tcf.study.cells import read_cells
from tests.runs import CHECKSUM, ID, write_arm, write_study

HOSTILE = "</script><script>alert('{{data}}')</script><!--\u2028"


def size(name: str, **settings) -> Arm:
    return Arm(name=name, kind="model", encoder=name, family="OPT", **settings)


class Elements(HTMLParser):
    """Counts start tags and keeps the text inside each script."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data


def page_of(folder: Path, **settings) -> str:
    return report_page(gather(read_cells(folder)), **{"title": "a study", **settings})


def data_of(page: str) -> dict:
    return json.loads(Elements(page).scripts[0])


def test_the_page_holds_every_record_and_the_same_bytes_again(tmp_path: Path):
    page = page_of(write_study(tmp_path))
    assert page == page_of(tmp_path)
    written = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    assert [run["record"] for run in data_of(page)["runs"]] == written
    assert [run["file"] for run in data_of(page)["runs"]] == sorted(
        path.name for path in tmp_path.glob("*.json")
    )
    assert "22 runs of 8 arms under SASRec on world" in page


def test_nothing_is_fetched(tmp_path: Path):
    page = page_of(write_study(tmp_path))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and policy[1].startswith("default-src 'none'; img-src data:; script-src 'sha256-")
    for tag, attributes in Elements(page).tags:
        address = attributes.get("src") or attributes.get("href") or "#"
        assert address.startswith(("#", "data:,")), (tag, attributes)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style and "@import" not in style


def test_texts_of_the_data_stay_texts(tmp_path: Path):
    arm = size(f"arm {HOSTILE}")
    write_arm(tmp_path, arm, better=0.5, parameters=7, dataset=HOSTILE)
    write_arm(tmp_path, ID, better=1, dataset=HOSTILE)
    explorer = {"titles": [HOSTILE, "half a surrogate \udcff"], "encoders": []}
    page = page_of(tmp_path, title=HOSTILE, explorer=explorer)
    found = Elements(page)
    assert [tag for tag, _ in found.tags].count("script") == 2  # the data and the page's own
    assert "<!--" not in page and page.encode()
    data = json.loads(found.scripts[0])
    assert data["explorer"] == explorer
    assert data["panels"] == [[HOSTILE, "SASRec"]]
    assert arm.name in {run["record"]["config"]["arm"]["name"] for run in data["runs"]}


def test_tables_are_of_all_users_and_of_slices(tmp_path: Path):
    data = page_data(gather(read_cells(write_study(tmp_path))))
    marks = [dict(zip(data["marks"]["columns"], row, strict=True)) for row in data["marks"]["rows"]]
    assert {mark["slice"] for mark in marks} == {"all"}
    assert {mark["metric"] for mark in marks} == set(data["metrics"]) == {"ndcg@10", "hr@10"}
    assert {mark["series"] for mark in marks} == {"OPT", "TF-IDF", "ID", "popularity"}
    (about,) = data["data"]
    assert about["counts"]["checksum"] == CHECKSUM
    sizes = [users for label, users in about["slices"] if label.startswith("target_train_count")]
    assert sum(sizes) == about["num_users"] == 400
    assert about["cold"] == sizes[0] > 0
    assert about["target_in_history"] == 8


def test_fits_are_drawn_on_every_axis_with_a_band_in_the_first_metric(tmp_path: Path):
    data = page_data(gather(read_cells(write_study(tmp_path))))
    axes = ("parameters", "parameters_without_embeddings")
    assert [(fit["metric"], fit["axis"], "low" in fit) for fit in data["fits"]] == [
        (metric, axis, metric == "ndcg@10") for axis in axes for metric in ("ndcg@10", "hr@10")
    ]
    first = data["fits"][0]
    assert first["x"][0] == 10_000 and first["x"][-1] == 100_000_000
    assert all(
        a <= b <= c for a, b, c in zip(first["low"], first["mean"], first["high"], strict=True)
    )


def test_arms_of_one_family_in_another_training_are_another_series(tmp_path: Path):
    tuned = {"method": "lora", "rank": 2}
    write_arm(tmp_path, size("plain"), better=0.5, parameters=7)
    write_arm(tmp_path, size("LoRA", tuned=tuned), better=0.5, parameters=7)
    write_arm(tmp_path, size("both", with_ids="sum"), better=0.5, parameters=7)
    write_arm(tmp_path, Arm(name="static", kind="static", encoder="e"), better=0.5, parameters=0)
    data = page_data(gather(read_cells(tmp_path)))
    column = data["marks"]["columns"].index("series")
    assert {row[column] for row in data["marks"]["rows"]} == {
        "OPT",
        "OPT, lora",
        "OPT, with IDs, sum",
        "static",
    }


def test_without_the_ledger_of_the_split_there_are_no_slices(tmp_path: Path):
    (path,) = write_study(tmp_path).glob("split-*.parquet")
    path.unlink()
    lines: list[str] = []
    found = gather(read_cells(tmp_path), say=lines.append)
    (line,) = lines
    assert re.match(r"no slices of world: .*the ledger of the split is needed for slices", line)
    data = page_data(found)
    assert data["slices"]["rows"] == []
    assert "slices" not in data["data"][0]
    assert len(report_page(found, title="a study")) > 10_000


def test_the_metric_of_the_verdicts_comes_first_and_needs_no_place_in_the_records(tmp_path: Path):
    write_arm(tmp_path, ID, better=1)
    cells = read_cells(tmp_path)
    assert gather(cells).metrics == ("ndcg@10", "hr@10")
    assert gather(cells, metric="mrr@5").metrics == ("mrr@5", "hr@10", "ndcg@10")
    with pytest.raises(ValueError, match=r"a metric is one of hr, mrr, ndcg .*; got 'map'"):
        gather(cells, metric="map")


def test_metrics_that_are_all_zero_still_make_a_page(tmp_path: Path):
    write_arm(tmp_path, ID, better=0.01)
    for n in range(5):
        write_arm(tmp_path, size(f"o{n}"), better=0.01, parameters=10**n)
    page = page_of(tmp_path)
    assert "The two cannot be told apart: difference +0.0000" in page
    assert "every size has the same value: constant" in page
    assert data_of(page)["fits"][0]["mean"][0] == 0


def test_an_arm_to_compare_with_must_be_there(tmp_path: Path):
    write_arm(tmp_path, size("text"), better=0.5, parameters=7)
    with pytest.raises(ValueError, match=r"against must be an arm of these records: text; got 'I"):
        gather(read_cells(tmp_path), against="ID")
