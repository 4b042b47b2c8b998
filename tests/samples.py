"""One small data set, written in every format that `tcf` reads. All rows are invented."""

import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ITEMS = {"01": 'say "hi" # fun', "2": "it's two", "3": "Über drei", "4": "four, at last"}
HISTORIES = {"u1": ["2", "01", "3"], "u2": ["4", "2"], "u03": ["3"]}
START = 1_573_257_600  # 9 November 2019, 00:00 UTC
DAY = 86_400
_EVENTS = [  # as a log has them: by time, users mixed; one a day
    ("u1", "2"),
    ("u2", "4"),
    ("u1", "01"),
    ("u03", "3"),
    ("u2", "2"),
    ("u1", "3"),
]
EVENTS = [(user, item, START + DAY * n) for n, (user, item) in enumerate(_EVENTS)]
TIMES = {u: [time for user, _, time in EVENTS if user == u] for u in HISTORIES}


@dataclass(frozen=True)
class Sample:
    """A folder of one format.

    Attributes:
        reader: Name in ``READERS``.
        files: Name -> content.
        text: What the default template makes of an item's title.
        timed: Whether the times come through.
        options: Of the reader.
        told: Whether `read_folder` finds the reader itself.
    """

    reader: str
    files: dict[str, bytes]
    text: str = "{}"
    timed: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    told: bool = True

    def write(self, folder: Path) -> Path:
        """Write the files and return the folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


def _lines(rows: list[tuple], separator: str, *, header: tuple = (), quoted: bool = False) -> bytes:
    def cell(value: object) -> str:
        text = str(value)
        return '"' + text.replace('"', '""') + '"' if quoted and set(text) & {'"', ","} else text

    whole = [header, *rows] if header else rows
    return "".join(separator.join(map(cell, row)) + "\n" for row in whole).encode()


def _csv(rows: list[tuple], *header: str) -> bytes:
    return _lines(rows, ",", header=header, quoted=True)


def _tsv(rows: list[tuple], *header: str) -> bytes:
    return _lines(rows, "\t", header=header)


def _json(records: list[dict]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _dicts(records: list[dict]) -> bytes:
    return "".join(f"{record!r}\n" for record in records).encode()


def _day(time: int, layout: str = "%Y-%m-%d") -> str:
    return datetime.fromtimestamp(time, UTC).strftime(layout)


_TITLES = list(ITEMS.items())
_IN_LINES = _tsv([(user, " ".join(items)) for user, items in HISTORIES.items()])
_RATINGS = [(user, item, 4, time) for user, item, time in EVENTS]
_NEWS = [(i, "news", "sport", title, "", "http://x", "[]", '[{"a": "b"}]') for i, title in _TITLES]
_MOVIES = [(item_id, title, "Drama|War") for item_id, title in _TITLES]
_FLAGS = ("0",) * 8 + ("1",) + ("0",) * 8 + ("1", "0")


def _mind(user: str) -> list[tuple]:
    """Two impressions, the later one first; the first item of a longer history was known before."""
    items, times = HISTORIES[user], TIMES[user]
    known = items[:1] if len(items) > 1 else []
    rows = [
        (n, user, _day(time, "%m/%d/%Y %I:%M:%S %p"), " ".join(known), f"9-0 {item}-1".strip())
        for n, (item, time) in enumerate(zip(items, times, strict=True))
        if item not in known
    ]
    return rows[::-1]


def _mind_files(folder: str = "") -> dict[str, bytes]:
    behaviors = [row for user in HISTORIES for row in _mind(user)]
    return {f"{folder}news.tsv": _tsv(_NEWS), f"{folder}behaviors.tsv": _tsv(behaviors)}


_ARTICLES = [
    (i, title, "Solid", "Dark", "Blue", "Dark Blue", "Socks", title) for i, title in _TITLES
]
_HM_COLUMNS = (
    "article_id",
    "prod_name",
    "graphical_appearance_name",
    "perceived_colour_value_name",
    "perceived_colour_master_name",
    "colour_group_name",
    "department_name",
    "detail_desc",
)
_META = [{"asin": item_id, "title": title, "price": 3} for item_id, title in _TITLES]
_NO_TITLE = {"asin": "9", "title": ""}
_UNROLLED = [
    (user, " ".join(items[:n]), items[n])
    for user, items in {**HISTORIES, "u03": ["3", "01"]}.items()
    for n in range(1, len(items))
]
_SEQUENCES = ("user_id:token", "item_id_list:token_seq", "item_id:token")

SAMPLES = {
    "plain tsv": Sample(
        "plain",
        {
            "items.tsv": _tsv(_TITLES, "item_id", "title"),
            "interactions.tsv": _tsv(EVENTS, "user_id", "item_id", "timestamp"),
        },
    ),
    "plain csv.gz": Sample(
        "plain",
        {
            "items.csv.gz": gzip.compress(_csv(_TITLES, "item_id", "title"), mtime=0),
            "interactions.csv.gz": gzip.compress(
                _csv([(t, i, u) for u, i, t in EVENTS], "timestamp", "item_id", "user_id"), mtime=0
            ),
        },
    ),
    "mind": Sample("mind", _mind_files(), timed=False),
    "mind train": Sample("mind", _mind_files("MINDsmall_train/"), timed=False),
    "hm": Sample(
        "hm",
        {
            "articles.csv": _csv(_ARTICLES, *_HM_COLUMNS),
            "transactions_train.csv": _csv(
                [(_day(time), user, item, 0.05) for user, item, time in EVENTS],
                "t_dat",
                "customer_id",
                "article_id",
                "price",
            ),
        },
        text="Solid. Dark. Blue. Socks. {}",
    ),
    "study": Sample("study", {"behaviors.tsv": _IN_LINES, "items.tsv": _tsv(_TITLES)}, timed=False),
    "study news": Sample(
        "study",
        {
            "behaviors.tsv": b"user_id\titem_id\n" + _IN_LINES,
            "news.tsv": _tsv(_TITLES, "item_id", "title"),
        },
        timed=False,
    ),
    "bili": Sample(
        "bili",
        {"Bili_behaviour.tsv": _IN_LINES, "Bili_videos.csv": _csv(_TITLES, "item_id", "title")},
        timed=False,
        told=False,
    ),
    "transrec": Sample(
        "transrec",
        {"x_behaviors.tsv": _IN_LINES, "x_items.tsv": _tsv(_TITLES)},
        timed=False,
        told=False,
    ),
    "ninerec pairs": Sample(
        "ninerec",
        {
            "KU_item.csv": _csv([(item_id, "三", title) for item_id, title in _TITLES]),
            "KU_pair.csv": _csv([(i, u, t * 1000) for u, i, t in EVENTS]),
        },
    ),
    "ninerec lines": Sample(
        "ninerec",
        {
            "QB_item.csv": _csv([(item_id, "三", title) for item_id, title in _TITLES]),
            "QB_behaviour.tsv": _IN_LINES,
        },
        timed=False,
        told=False,
    ),
    "microlens lines": Sample(
        "microlens",
        {
            "MicroLens-50k_pairs.tsv": _IN_LINES.replace(b"\n", b"\r\n"),
            "MicroLens-50k_titles.csv": _csv(_TITLES, "item", "title").replace(b"\n", b"\r\n"),
        },
        timed=False,
    ),
    "microlens csv": Sample(
        "microlens",
        {
            "MicroLens-1M_pairs.csv": _csv(
                [(u, i, t * 1000) for u, i, t in EVENTS], "user", "item", "timestamp"
            ),
            "MicroLens-1M_title_en.csv": _csv(_TITLES),
        },
    ),
    "pixelrec": Sample(
        "pixelrec",
        {
            "items/Pixel200K.csv": _csv(
                [(i, t, "tag") for i, t in _TITLES], "item_id", "title", "tag"
            ),
            "interactions/Pixel200K.csv": _csv(
                [(i, u, t) for u, i, t in EVENTS], "item_id", "user_id", "timestamp"
            ),
        },
        told=False,
    ),
    "movielens 100k": Sample(
        "movielens",
        {
            "u.item": _lines(
                [(i, t, "01-Jan-1995", "", "http://x", *_FLAGS) for i, t in _TITLES], "|"
            )
            .decode()
            .encode("latin-1"),
            "u.data": _tsv(_RATINGS),
        },
    ),
    "movielens 1m": Sample(
        "movielens",
        {
            "movies.dat": _lines(_MOVIES, "::").decode().encode("latin-1"),
            "ratings.dat": _lines(_RATINGS, "::"),
        },
    ),
    "movielens latest": Sample(
        "movielens",
        {
            "movies.csv": _csv(_MOVIES, "movieId", "title", "genres"),
            "ratings.csv": _csv(_RATINGS, "userId", "movieId", "rating", "timestamp"),
            "links.csv": b"movieId,imdbId\n",
        },
    ),
    "amazon 2014": Sample(
        "amazon",
        {
            "meta_Beauty.json": _dicts([*_META, _NO_TITLE]),
            "reviews_Beauty_5.json": _json(
                [{"reviewerID": u, "asin": i, "unixReviewTime": t} for u, i, t in EVENTS]
            ),
        },
    ),
    "amazon 2018": Sample(
        "amazon",
        {
            "meta_Books.json.gz": gzip.compress(_json([*_META, _META[1]]), mtime=0),
            "Books_5.json.gz": gzip.compress(
                _json([{"reviewerID": u, "asin": i, "unixReviewTime": t} for u, i, t in EVENTS]),
                mtime=0,
            ),
        },
    ),
    "amazon 2023": Sample(
        "amazon",
        {
            "meta_All_Beauty.jsonl": _json(
                [{"parent_asin": i, "title": t, "features": ["a", "b"]} for i, t in _TITLES]
            ),
            "All_Beauty.jsonl": _json(
                [
                    {"user_id": u, "asin": "v", "parent_asin": i, "timestamp": t * 1000}
                    for u, i, t in [*EVENTS, ("u1", "no metadata", START)]
                ]
            ),
        },
    ),
    "steam": Sample(
        "steam",
        {
            "steam_games.json": _dicts(
                [{"id": i, "app_name": t, "tags": ["a"]} for i, t in [*_TITLES, ("", "no id")]]
            ),
            "steam_reviews.json": _dicts(
                [{"username": u, "product_id": i, "date": _day(t)} for u, i, t in EVENTS]
            ),
        },
    ),
    "yelp": Sample(
        "yelp",
        {
            "yelp_academic_dataset_business.json": _json(
                [{"business_id": i, "name": t, "categories": "Food"} for i, t in _TITLES]
            ),
            "yelp_academic_dataset_review.json": _json(
                [
                    {"user_id": u, "business_id": i, "date": _day(t, "%Y-%m-%d %H:%M:%S")}
                    for u, i, t in EVENTS
                ]
            ),
        },
        text="{}. Food",
    ),
    "goodbooks": Sample(
        "goodbooks",
        {
            "books.csv": _csv([(i, t, "A, B") for i, t in _TITLES], "book_id", "title", "authors"),
            "ratings.csv": _csv([(u, i, 5) for u, i, _ in EVENTS], "user_id", "book_id", "rating"),
        },
        text="{}. A, B",
        timed=False,
    ),
    "recbole": Sample(
        "recbole",
        {
            "x.item": _tsv(_TITLES, "item_id:token", "title:token_seq"),
            "x.inter": _tsv(
                _RATINGS, "user_id:token", "item_id:token", "rating:float", "timestamp:float"
            ),
        },
    ),
    "recbole sequences": Sample(
        "recbole",
        {
            "x.item": _tsv(_TITLES, "item_id:token", "title:token_seq"),
            "x.train.inter": _tsv(_UNROLLED[:-1], *_SEQUENCES),
            "x.valid.inter": _tsv(_UNROLLED[-1:], *_SEQUENCES),
        },
        timed=False,
    ),
}
