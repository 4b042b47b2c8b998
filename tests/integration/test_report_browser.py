"""The page in a real browser, Debian's chromium driven by Playwright; skipped where none is."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcf.report import gather, report_page
from tcf.study import Arm
from tcf.study.cells import read_cells
from tests.runs import CHECKSUM, write_arm, write_study

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install 'tcf[dev]'"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no chromium is installed: apt-get install chromium", allow_module_level=True)

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
TIMEOUT_MS = 60_000  # the machine may be busy with something else
TITLES = ["a red car", HOSTILE, "a blue car", "a lazy dog"]


def lists(order: list[list[int]]) -> dict[str, Any]:
    """Neighbours as the page takes them, three an item."""
    items = base64.b64encode(np.array(order, "<u2").tobytes()).decode()
    cosines = base64.b64encode(np.array([[255, 128, 0]] * 4, np.uint8).tobytes()).decode()
    return {"items": items, "cosines": cosines}


EXPLORER = {
    "titles": TITLES,
    "num_items": 40,
    "num_neighbours": 3,
    "encoders": [
        {"name": "OPT", **lists([[2, 1, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])},
        {"name": "TF-IDF", **lists([[3, 2, 1], [3, 2, 0], [3, 1, 0], [2, 1, 0]])},
    ],
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder)
    hostile = Arm(name=HOSTILE, kind="model", encoder="e", family="OPT")
    write_arm(folder, hostile, better=0.8, parameters=3_000_000, at_limit=(1,))
    page = report_page(gather(read_cells(folder)), title=HOSTILE, explorer=EXPLORER)
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=TIMEOUT_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    """The page, opened; at the end, nothing was fetched, logged or asked."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    trouble: list[str] = []

    def route(request: Any) -> None:
        if request.request.url.partition("#")[0] == file.as_uri():
            request.continue_()
        else:
            trouble.append(f"asked for {request.request.url}")
            request.abort()

    context.route("**/*", route)
    page.on("console", lambda message: trouble.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (trouble.append(f"dialog: {dialog}"), dialog.dismiss()))
    page.goto(file.as_uri())
    page.locator("#charts .mark").first.wait_for()
    yield page
    context.close()
    assert trouble == []


def label_of(page: Any) -> str:
    """What the element with the focus is called."""
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


def test_verdicts_come_first_and_texts_are_texts(page: Any):
    assert page.locator("main > section").first.get_attribute("id") == "verdicts"
    assert page.locator("#verdicts .behind .tone").text_content() == "behind ID"
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.title() == HOSTILE
    assert page.locator("img").count() == 0
    assert page.locator("#arms-table").get_by_text(HOSTILE).count() == 1


def test_a_mark_tells_its_value_when_hovered(page: Any):
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.locator(".mark[aria-label^='OPT-1000000;'] .target").hover()
    text = tip.inner_text()
    value = page.locator("#arms-table tr", has_text="OPT-1000000").first.locator("td").nth(1)
    assert value.inner_text().split("\n")[0] in text
    for words in ("95% interval", "about new seeds and new users", "3 seeds, 400 users"):
        assert words in text
    page.mouse.move(5, 5)
    assert tip.is_hidden()


def test_arms_are_switched_off_and_on(page: Any):
    mark = page.locator(".mark[aria-label^='TF-IDF;']")
    button = page.get_by_role("button", name="TF-IDF", exact=True).first
    assert (mark.count(), button.get_attribute("aria-pressed")) == (1, "true")
    button.click()
    assert (mark.count(), button.get_attribute("aria-pressed")) == (0, "false")
    button.press("Enter")
    assert (mark.count(), button.get_attribute("aria-pressed")) == (1, "true")
    page.get_by_role("button", name="OPT-100000000", exact=True).first.click()
    assert page.locator(".fit").count() == 1
    page.get_by_role("button", name="OPT: all").click()
    page.get_by_role("button", name="OPT: all").click()
    assert page.locator(".mark[aria-label^='OPT']").count() == 0
    assert page.locator(".fit").count() == 0


def test_another_metric_and_another_axis(page: Any):
    before = page.locator(".mark[aria-label^='ID;']").get_attribute("aria-label")
    assert page.locator(".fit-band").count() == 1
    page.locator("#curve-controls").get_by_label("Metric").select_option("hr@10")
    after = page.locator(".mark[aria-label^='ID;']").get_attribute("aria-label")
    assert before != after and "HR@10 0." in after
    assert (page.locator(".fit").count(), page.locator(".fit-band").count()) == (1, 0)
    page.get_by_label("Horizontal axis").select_option("parameters_without_embeddings")
    assert page.get_by_text("parameters used, embeddings left out").count() >= 1
    assert "FLOPs" not in page.get_by_label("Horizontal axis").inner_text()


def test_the_keyboard_walks_the_marks_and_opens_a_record(page: Any):
    page.get_by_role("button", name="TF-IDF", exact=True).first.focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('mark')"):
            break
    first = label_of(page)
    page.keyboard.press("ArrowRight")
    second = label_of(page)
    assert first != second
    name = second.partition(";")[0]
    assert page.locator("#tip .strong").inner_text() == name
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible()
    assert name in dialog.get_by_role("heading").first.inner_text()
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert label_of(page) == second


def test_a_record_is_complete_and_has_an_address(page: Any):
    page.locator("#runs-table").get_by_role("button", name="world / SASRec / ID / seed 1").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").first.inner_text() == "world / SASRec / ID / seed 1"
    dialog.get_by_role("button", name="seed 2").click()
    assert dialog.get_by_role("heading").first.inner_text() == "world / SASRec / ID / seed 2"
    for words in ("ffffffff", "torch", "learning rate", "best after epoch 3"):
        assert dialog.get_by_text(words).count() >= 1
    assert dialog.locator(".learning svg").count() == 2
    address = page.url
    dialog.get_by_role("button", name="Close the record").click()
    assert dialog.is_hidden()
    page.goto("about:blank")
    page.goto(address)
    assert dialog.get_by_role("heading").first.inner_text() == "world / SASRec / ID / seed 2"


def test_tables_sort_by_click_and_by_key(page: Any):
    table = page.locator("#arms-table")
    head = table.locator("th", has_text="NDCG@10")

    def values() -> list[float]:
        cells = table.locator("tbody tr td:nth-child(3)").all_inner_texts()
        return [float(cell.split()[0]) for cell in cells]

    unsorted = values()
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert values() == sorted(unsorted, reverse=True) != unsorted
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(unsorted)
    parameters = table.locator("th", has_text="Parameters")
    parameters.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "none"
    last = table.locator("tbody tr td:nth-child(2)").all_inner_texts()[-1]
    assert last == "–"  # what has no parameters comes last, whichever way


def test_the_table_of_arms_says_what_lists_do_and_who_stopped(page: Any):
    table = page.locator("#arms-table")
    heads = [text.split(" ")[0] for text in table.locator("thead th").all_inner_texts()]
    row = table.locator("tbody tr", has_text=HOSTILE).locator("th, td").all_inner_texts()
    told = dict(zip(heads, row, strict=True))
    assert (told["Coverage"], told["Novelty"], told["Epochs"]) == ("0.25", "7.13", "3 ▲")
    assert (told["Parameters"], told["Seeds"], told["Memory"]) == ("3M", "3", "7B")


def test_slices_by_another_cut(page: Any):
    choose = page.get_by_label("NDCG@10 by")
    assert "cold" in page.locator("#slices-table thead").inner_text()
    choose.select_option("history_length")
    assert "cold" not in page.locator("#slices-table thead").inner_text()
    assert "5-9" in page.locator("#slices-table thead").inner_text()


def test_the_data_are_audited(page: Any):
    words = page.locator("#data-sets").inner_text()
    for told in ("Users\t500\t400\t80.0%", "cold", CHECKSUM, "Audit of the files", "empty\n3"):
        assert told in words


def test_the_explorer_finds_an_item_by_keys_alone(page: Any):
    box = page.get_by_role("combobox", name="Item")
    box.focus()
    page.keyboard.type("CAR blue")
    options = page.get_by_role("listbox", name="Items").get_by_role("option")
    assert options.all_inner_texts() == ["a blue car"]
    page.keyboard.press("ArrowDown")
    assert options.first.get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    assert page.locator("#item-list").is_hidden()
    columns = page.locator(".neighbours section")
    found = [text.split("\n") for text in columns.all_inner_texts()]
    assert found[0][0] == "OPT" and found[0][1].startswith("a red car")
    assert found[1][0] == "TF-IDF" and found[1][1].startswith("a lazy dog")
    assert "1.00" in found[0][1] or "1.00" in found[0][2]
    columns.first.get_by_role("button", name=HOSTILE).click()
    assert page.locator(".chosen").inner_text() == f"Nearest to {HOSTILE}:"
    box.fill("nothing like it")
    assert page.get_by_text("No item has these words.").is_visible()


def test_light_and_dark_by_system_and_by_hand(page: Any):
    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light = background()
    page.emulate_media(color_scheme="dark")
    dark = background()
    assert dark != light
    button = page.locator("#theme")
    button.click()
    assert (button.inner_text(), background()) == ("Light", light)
    button.click()
    assert (button.inner_text(), background()) == ("Dark", dark)


@pytest.mark.parametrize("width", [360, 800])
def test_nothing_is_wider_than_a_narrow_window(page: Any, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function(f"document.querySelector('#charts svg').clientWidth <= {width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_leaves_the_controls_out(page: Any):
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator("#curve-controls").is_hidden()
    assert page.locator("#verdicts").is_visible()
