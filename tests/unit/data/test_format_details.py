"""What each format's reader refuses, leaves out and says, beyond the plain tables."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tcf.data.catalog import Catalog
from tcf.data.formats import (
    read_folder,
    read_interactions,
    read_items,
    read_movies,
    read_plain,
)
from tcf.data.formats.mind import read_behaviors
from tcf.errors import DataError
from tests.samples import SAMPLES

ITEMS = Catalog(("a", "b", "c"), ("text a", "text b", "text c"))


def changed(folder: Path, name: str, **files: str | bytes) -> Path:
    """Write a sample with some of its files changed; a dot in a name is written ``__``."""
    SAMPLES[name].write(folder)
    for key, content in files.items():
        path = folder / key.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read_changed(folder: Path, name: str, options: dict[str, Any] | None = None, **files: Any):
    sample = SAMPLES[name]
    return read_folder(
        changed(folder, name, **files), reader=sample.reader, **sample.options, **(options or {})
    )


class TestTimes:
    def read(self, *times: object) -> np.ndarray:
        frame = pl.DataFrame(
            {"user_id": ["u"] * len(times), "item_id": ["a"] * len(times), "timestamp": times}
        )
        taken = read_interactions(frame, ITEMS)
        assert taken.times is not None
        return taken.times

    @pytest.mark.parametrize(
        ("times", "seconds"),
        [
            ((3, 1, 2), [1, 2, 3]),
            ((0, 999_999_999_99), [0, 999_999_999_99]),
            ((1_600_000_000_000, 1_500_000_000_000), [1_500_000_000, 1_600_000_000]),
            ((1_600_000_000_123, 0), [0, 1_600_000_000.123]),
            ((-1_600_000_000_000, 1_500_000_000_000), [-1_600_000_000, 1_500_000_000]),
            ((1_600_000_000_000_000,), [1_600_000_000]),
            ((1_600_000_000_000_000_000,), [1_600_000_000]),
            ((1.5, -2.25), [-2.25, 1.5]),
        ],
    )
    def test_numbers_as_large_as_milliseconds_become_seconds(self, times: tuple, seconds: list):
        found = self.read(*times)
        assert found.tolist() == seconds
        whole = all(isinstance(second, int) for second in seconds)
        assert found.dtype == (np.int64 if whole else np.float64)

    def test_two_units_in_one_column_are_refused(self):
        message = (
            "the frame, row 1: the times of timestamp must be of one unit; 1500000000 cannot be of "
            "the unit of 1600000000000: write them all in seconds"
        )
        with pytest.raises(DataError, match=message):
            self.read(1_600_000_000_000, 1_500_000_000)

    def test_dates_of_a_frame_become_seconds(self):
        dates = pl.Series(["2020-01-02", "2020-01-01"]).str.to_date()
        assert self.read(*dates).tolist() == [1_577_836_800, 1_577_923_200]

    def test_a_date_of_another_form_is_named_with_its_line(self, tmp_path: Path):
        sales = "t_dat,customer_id,article_id\n2020-01-02,u,2\n02/01/2020,u,2\n"
        message = r"csv:3: t_dat must be a date like %Y-%m-%d; got '02/01/2020'"
        with pytest.raises(DataError, match=message):
            read_changed(tmp_path, "hm", transactions_train__csv=sales)


class TestFrames:
    FRAME = pl.DataFrame({"item_id": ["1", "02"], "title": ["one", "two"], "n": [1, None]})

    @pytest.mark.parametrize("kind", ["polars", "lazy", "arrow", "pandas", "datasets"])
    def test_any_frame_is_a_source(self, kind: str):
        frame: Any = self.FRAME
        if kind == "lazy":
            frame = frame.lazy()
        if kind == "arrow":
            frame = frame.to_arrow()
        if kind == "pandas":
            frame = pytest.importorskip("pandas").DataFrame(frame.to_dict(as_series=False))
        if kind == "datasets":
            frame = pytest.importorskip("datasets").Dataset.from_dict(
                frame.to_dict(as_series=False)
            )
        assert read_items(frame) == Catalog(("1", "02"), ("one", "two"))

    def test_integers_may_be_ids_and_floats_may_not(self):
        frame = pl.DataFrame({"item_id": [1, 2], "title": ["one", "two"]})
        assert read_items(frame).item_ids == ("1", "2")
        message = r"the frame: ids must be text or integers; column 'item_id' holds Float64"
        with pytest.raises(DataError, match=message):
            read_items(frame.with_columns(pl.col("item_id").cast(float)))

    @pytest.mark.parametrize("column", [[["a"], ["b"]], [b"a", b"b"]])
    def test_lists_and_bytes_are_no_text(self, column: list):
        message = r"the frame: column 'title' must hold text or numbers; it holds (List|Binary)"
        with pytest.raises(DataError, match=message):
            read_items(pl.DataFrame({"item_id": [1, 2], "title": column}))

    def test_what_is_no_table_is_refused(self):
        with pytest.raises(DataError, match=r"a path or a frame .* is needed; got dict: ch"):
            read_items({"train": self.FRAME})

    def test_a_fault_is_named_by_its_row(self):
        with pytest.raises(DataError, match="the frame, row 1: item_id must not be empty"):
            read_items(pl.DataFrame({"item_id": ["1", None], "title": ["a", "b"]}))

    @pytest.mark.parametrize("suffix", [".arrow", ".feather", ".parquet"])
    def test_arrow_files(self, tmp_path: Path, suffix: str):
        path = tmp_path / f"items{suffix}"
        self.FRAME.write_parquet(path) if suffix == ".parquet" else self.FRAME.write_ipc(path)
        assert read_items(path).texts == ("one", "two")
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(DataError, match=f"items{suffix}: the file cannot be read"):
            read_items(path)

    def test_a_stream_of_arrow_as_datasets_keeps_it(self, tmp_path: Path):
        table = self.FRAME.to_arrow()
        path = str(tmp_path / "items.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
        assert read_items(tmp_path / "items.arrow").item_ids == ("1", "02")


class TestDelimited:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("x.csv", b'item_id,title\n1,"a"b\n2,c\n', r"x.csv:2: a quote in a field m"),
            (
                "x.csv",
                b'item_id,title\n1,"a\n2,c\n',
                r"x.csv:2: a quote in a field must",
            ),
            (
                "x.csv",
                b'item_id,title\n1,"a\nb"\n2,\x00\n',
                r"x.csv:4: text must not hold NUL",
            ),
            ("x.tsv", b"item_id,title\n1,a\n", r"x.tsv: column 'item_id' is missing; .*id,title"),
            ("x.tsv", b"item_id\ttitle\ttitle\n1\ta\tb\n", r"x.tsv: column 'title' is there twice"),
            (
                "x.tsv",
                b"item_id\ttitle\r1\ta\r",
                r"x.tsv: (column|the file)",
            ),
            (
                "x.csv",
                b'item_id,title\n1,"a\nb"\n1,c\n',
                r"x.csv:4: item ids must be distinct",
            ),
            (
                "x.tsv",
                "item_id\ttitle\n1\ta\n".encode("utf-16"),
                r"x.tsv:1: the text must be U",
            ),
        ],
    )
    def test_a_malformed_file_is_named_with_its_line(
        self, tmp_path: Path, name: str, content: bytes, message: str
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_items(tmp_path / name)

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path: Path):
        (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfitem_id,title\r\n01,a\r\n")
        assert read_items(tmp_path / "x.csv").item_ids == ("01",)

    def test_a_folder_is_no_file(self, tmp_path: Path):
        (tmp_path / "items.tsv").mkdir()
        with pytest.raises(DataError, match=r"items.tsv: a file is needed; this is a folder"):
            read_items(tmp_path / "items.tsv")

    @pytest.mark.parametrize("cut", [1, 8, 20])
    def test_a_gzip_that_ends_early_is_no_shorter_file(self, tmp_path: Path, cut: int):
        content = gzip.compress(b"item_id\ttitle\n" + b"".join(b"%d\ta\n" % n for n in range(99)))
        (tmp_path / "x.tsv.gz").write_bytes(content[:-cut])
        with pytest.raises(DataError, match=r"x.tsv.gz: the file cannot be read"):
            read_items(tmp_path / "x.tsv.gz")

    def test_a_gzip_that_ends_early_and_is_not_utf_8(self, tmp_path: Path):
        content = b"item_id\ttitle\n" + b"".join(b"%d\t\xff\n" % n for n in range(9_999))
        (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(content)[:-6])
        with pytest.raises(DataError, match=r"x.tsv.gz(:2)?: the (text must be UTF-8|file cannot)"):
            read_items(tmp_path / "x.tsv.gz")

    @pytest.mark.parametrize("text", ["{title:>9}", "{title!r}", "{title"])
    def test_a_template_takes_columns_as_they_are(self, tmp_path: Path, text: str):
        with pytest.raises(ValueError, match=r"text (takes columns as|must be a temp)"):
            read_items(TestFrames.FRAME, text=text)


class TestMissing:
    def test_items_without_text_are_left_out_with_their_interactions(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        items = "item_id\ttitle\n01\tone\n2\t\n3\tthree\n4\tfour\n"
        catalog, taken = read_changed(tmp_path, "plain tsv", {"missing": "drop"}, items__tsv=items)
        assert catalog.item_ids == ("01", "3", "4")
        assert taken.user_ids == ("u2", "u1", "u03")  # as they first appear in what is left
        assert taken.counts().tolist() == [1, 2, 1]
        assert "items without text are left out: 1 of 4 have none" in caplog.text
        assert "items that are not in the catalogue are left out: 2 of 6" in caplog.text

    def test_lines_keep_their_users_when_items_are_left_out(self, tmp_path: Path):
        options = {"missing": "drop", "items_header": False}
        _, taken = read_changed(tmp_path, "study", options, items__tsv="4\tfour\n01\tone\n")
        assert taken.user_ids == ("u1", "u2")
        assert taken.rows.tolist() == [2, 1]

    def test_all_items_unknown_is_an_error_even_then(self, tmp_path: Path):
        with pytest.raises(DataError, match="'2' is not, and 6 interactions of 6 have such items"):
            items = "item_id\ttitle\nx\tone\n"
            read_changed(tmp_path, "plain tsv", {"missing": "drop"}, items__tsv=items)


class TestHeaders:
    """A first line is a header or an item: the other file proves it, or the caller says it."""

    def test_a_first_item_that_nobody_took_must_be_stated(self, tmp_path: Path):
        items = "7\tseven\n2\ttwo\n01\tone\n3\tthree\n4\tfour\n"
        message = r"items.tsv:1: the first line must be a header or an item .*; '7' could be either"
        with pytest.raises(DataError, match=message):
            read_changed(tmp_path, "study", items__tsv=items)
        catalog, _ = read_changed(tmp_path, "study", {"items_header": False}, items__tsv=items)
        assert catalog.num_items == 5 and catalog.texts[0] == "seven"

    def test_an_item_called_like_a_column_must_be_stated(self, tmp_path: Path):
        files: dict[str, Any] = {
            "items__tsv": "item\tone\n2\ttwo\n",
            "behaviors__tsv": "u\t2 item\n",
        }
        with pytest.raises(DataError, match=r"items.tsv:1: .*; 'item' could be both: say items_he"):
            read_changed(tmp_path, "study", **files)
        _, taken = read_changed(tmp_path, "study", {"items_header": False}, **files)
        assert taken.rows.tolist() == [2, 1]

    def test_a_false_statement_is_disproved(self, tmp_path: Path):
        message = r"items.tsv:1: items_header=True says .* is a header; it holds the item '01'"
        with pytest.raises(DataError, match=message):
            read_changed(tmp_path, "study", {"items_header": True})
        message = r"behaviors.tsv:1: behaviors_header=True says .*; it holds the item '2, 01, 3'"
        with pytest.raises(DataError, match=message):
            read_changed(tmp_path, "study", {"behaviors_header": True})

    def test_a_first_line_of_unknown_items_is_no_header(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"behaviors.tsv:1: every item .* '9' is not"):
            read_changed(tmp_path, "study", behaviors__tsv="u\t2 9 01\nv\t2\n")
        with pytest.raises(DataError, match=r"behaviors.tsv:1: .*; '8, 9' could be either: "):
            read_changed(tmp_path, "study", behaviors__tsv="u\t8 9\nv\t2\n")

    def test_lines_are_counted_with_the_header(self, tmp_path: Path):
        behaviors = "user_id\titem_id\nu\t2\nv\t2 9\n"
        with pytest.raises(DataError, match=r"behaviors.tsv:3: every item .* '9' is not"):
            read_changed(tmp_path, "study news", behaviors__tsv=behaviors)
        with pytest.raises(DataError, match=r"behaviors.tsv: the file holds a header line and no"):
            read_changed(tmp_path, "study news", behaviors__tsv="user_id\titem_id\n")

    def test_columns_without_a_header_need_names(self, tmp_path: Path):
        items = "".join(f"{i}\tx\ttitle {i}\ty\n" for i in ("01", "2", "3", "4"))
        with pytest.raises(DataError, match=r"items.tsv:1: the columns .* need names; .* 4 fields"):
            read_changed(tmp_path, "study", items__tsv=items)
        options = {"columns": ["id", "kind", "title", "more"], "text": "{kind}: {title}"}
        catalog, _ = read_changed(tmp_path, "study", options, items__tsv=items)
        assert catalog.texts[0] == "x: title 01"

    def test_which_column_is_the_text_must_be_clear(self, tmp_path: Path):
        items = "item_id\tkind\tmore\n" + "".join(f"{i}\tx\ty\n" for i in ("01", "2", "3", "4"))
        with pytest.raises(DataError, match=r"which column holds the text must be said; .*more'\]"):
            read_changed(tmp_path, "study news", news__tsv=items)


class TestNineRec:
    def test_pairs_may_be_written_either_way_round(self, tmp_path: Path):
        pairs = "u1,2,1000\nu1,01,2000\nu2,3,1500\n"
        _, taken = read_changed(
            tmp_path, "ninerec pairs", {"items_header": False}, KU_pair__csv=pairs
        )
        assert taken.user_ids == ("u1", "u2")

    def test_users_called_like_items_make_the_way_round_unclear(self, tmp_path: Path):
        options = {"items_header": False}
        with pytest.raises(DataError, match=r"KU_pair.csv: one of the first two columns must hold"):
            read_changed(tmp_path, "ninerec pairs", options, KU_pair__csv="2,3\n3,2\n")
        options["item_first"] = True
        _, taken = read_changed(tmp_path, "ninerec pairs", options, KU_pair__csv="2,3\n3,2\n")
        assert taken.user_ids == ("3", "2") and taken.times is None

    def test_a_pair_has_two_or_three_fields(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"KU_pair.csv:1: a line needs a user, an item an"):
            read_changed(tmp_path, "ninerec pairs", KU_pair__csv="2\n")


class TestMind:
    def test_one_row_an_impression(self, tmp_path: Path):
        folder = SAMPLES["mind"].write(tmp_path)
        assert read_behaviors(folder / "behaviors.tsv").frame.height == 4

    @pytest.mark.parametrize("shown", ["2", "2-1 3", "2-2", ""])
    def test_what_was_clicked_must_be_said(self, tmp_path: Path, shown: str):
        behaviors = (
            f"1\tu\t11/11/2019 9:05:58 AM\t2\t2-1\n2\tu\t11/11/2019 9:05:58 AM\t2\t{shown}\n"
        )
        with pytest.raises(DataError, match=r"behaviors.tsv:2: "):
            read_changed(tmp_path, "mind", behaviors__tsv=behaviors)

    def test_a_time_that_is_none_is_named(self, tmp_path: Path):
        behaviors = "1\tu\t2019-11-11\t2\t2-1\n"
        with pytest.raises(DataError, match=r"behaviors.tsv:1: time must be a date like %m"):
            read_changed(tmp_path, "mind", behaviors__tsv=behaviors)

    def test_train_and_dev_are_one_and_an_item_has_one_text(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        SAMPLES["mind train"].write(tmp_path)
        dev = tmp_path / "MINDsmall_dev"
        dev.mkdir()
        news = "5\tn\ts\tfive\t\t\t\t\n2\tn\ts\tit's two\t\t\t\t\n"
        (dev / "news.tsv").write_text(news)
        (dev / "behaviors.tsv").write_text("1\tu1\t11/20/2019 9:05:58 PM\t3\t5-1 2-0\n")
        (tmp_path / "MINDsmall_test").mkdir()
        (tmp_path / "MINDsmall_test" / "behaviors.tsv").write_text("no labels\n")
        catalog, taken = read_folder(tmp_path)
        assert catalog.item_ids == ("01", "2", "3", "4", "5")
        u1 = taken.user_ids.index("u1")
        rows = taken.rows[taken.offsets[u1] : taken.offsets[u1 + 1]]
        assert [catalog.item_ids[row - 1] for row in rows] == ["2", "01", "3", "5"]
        assert "1 of 3 users have more than one history" in caplog.text
        (dev / "news.tsv").write_text(news.replace("two", "zwei"))
        with pytest.raises(DataError, match="an item has one text in all files; '2' has \"it's z"):
            read_folder(tmp_path)

    def test_no_part_is_there(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"behaviors.tsv and news.tsv are needed, .* nothing"):
            read_folder(tmp_path, reader="mind")


class TestRecBole:
    def test_a_history_that_is_not_what_came_before_is_named(self, tmp_path: Path):
        header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
        lines = header + "u\t2 3\t4\nu\t2 4\t01\n"
        message = r"train.inter:3: a line's item_id_list must be the last items of the same user"
        with pytest.raises(DataError, match=message):
            read_changed(tmp_path, "recbole sequences", x__train__inter=lines)
        lines = header + "v\t3\t2\nu\t2 3\t4\nu\t3 4\t01\n"  # a list that was cut to the last two
        _, taken = read_changed(tmp_path, "recbole sequences", x__train__inter=lines)
        assert taken.counts()[:2].tolist() == [2, 4]

    @pytest.mark.parametrize(
        "header", ["item_id\ttitle", "item_id:token\ttitle:text", "a:token\ta:float"]
    )
    def test_a_header_names_types(self, tmp_path: Path, header: str):
        with pytest.raises(DataError, match=r"x.item:1: a column is headed name:type, once, with"):
            read_changed(tmp_path, "recbole", x__item=f"{header}\n2\ttwo\n")

    def test_the_text_must_be_said_where_no_column_is_called_so(self, tmp_path: Path):
        item = "item_id:token\tlabel:token_seq\n" + "".join(
            f"{i}\tx\n" for i in ("01", "2", "3", "4")
        )
        with pytest.raises(DataError, match=r"x.item: which column holds the text must be said"):
            read_changed(tmp_path, "recbole", x__item=item)
        catalog, _ = read_changed(tmp_path, "recbole", {"text": "{label}"}, x__item=item)
        assert catalog.texts == ("x",) * 4
        with pytest.raises(DataError, match=r"x.item: column 'title' is missing; .*'label'\]"):
            read_changed(tmp_path, "recbole", {"text": "{title}"}, x__item=item)


class TestRecords:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b'{"asin": "2"', r"Books.json:2: a line must be a record in JSON; got"),
            (b"[1]", r"Books.json:2: a line must be a record in JSON; got b'\[1\]"),
            (b'{"asin": "\xe9"}', r"Books.json:2: the text must be UTF-8"),
            (b'{"asin": "2"}', r"Books.json:2: reviewerID, asin, unixReviewTime must not be empty"),
        ],
    )
    def test_a_line_that_is_no_record_is_named(self, tmp_path: Path, line: bytes, message: str):
        changed(tmp_path, "amazon 2014")
        (tmp_path / "reviews_Beauty_5.json").unlink()
        good = b'{"reviewerID": "u", "asin": "2", "unixReviewTime": 5}\n'
        (tmp_path / "Books.json").write_bytes(good + line + b"\n")
        with pytest.raises(DataError, match=message):
            read_folder(tmp_path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (
                b"{'asin': '2', 'title': 'a'}\n{'asin': open}\n",
                r"json:2: a line must be .*of Py",
            ),
            (b"{'asin': '2', 'title': 'a'}\n['x']\n", r"json:2: a line must be a record; got"),
            (b"{'asin': '2', 'title': '\xe9'}\n", r"json:1: the text must be UTF-8"),
            (b"{'asin': '2', 'name': 'a'}\n", r"json: key 'title' is missing in every record"),
            (b"{'id': '2', 'title': 'a'}\n", r"json: key 'asin' is missing in every record"),
            (b"\n", r"json: the file is empty; it needs a record a line"),
            (b'{"asin": "2", "title": "\\u0000"}', r"json:1: text must not hold NUL"),
        ],
    )
    def test_a_dict_of_python_is_read_and_nothing_else_of_it(
        self, tmp_path: Path, content: bytes, message: str
    ):
        with pytest.raises(DataError, match=message):
            read_changed(tmp_path, "amazon 2014", meta_Beauty__json=content)

    def test_reviews_of_no_edition_are_refused(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"json:1: a review needs user_id, .*; it has \['a'\]"):
            read_changed(tmp_path, "amazon 2014", reviews_Beauty_5__json='{"a": 1}\n')
        for content in ("", "{}\n"):
            with pytest.raises(DataError, match=r"5.json: the (file|first line) "):
                read_changed(tmp_path, "amazon 2014", reviews_Beauty_5__json=content)
        changed(tmp_path, "amazon 2014", more__json="")
        with pytest.raises(DataError, match="exactly one file of reviews is needed beside met"):
            read_folder(tmp_path)

    def test_lists_are_joined_and_a_repeated_product_counts_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        catalog, _ = read_changed(tmp_path, "amazon 2023", {"text": "{title}: {features}"})
        assert catalog.texts[1] == "it's two: a b"
        assert "items that are not in the catalogue are left out: 1 of 7" in caplog.text
        read_changed(tmp_path / "2018", "amazon 2018")
        assert "records without id and repeated ones are left out: 1 of 5" in caplog.text

    def test_a_gzip_that_ends_early(self, tmp_path: Path):
        meta = SAMPLES["amazon 2018"].files["meta_Books.json.gz"][:-6]
        with pytest.raises(DataError, match=r"meta_Books.json.gz: the file cannot be read: "):
            read_changed(tmp_path, "amazon 2018", meta_Books__json__gz=meta)


class TestMovieLens:
    @pytest.mark.parametrize(
        ("name", "genres"),
        [
            ("movielens 100k", "Drama|War"),
            ("movielens 1m", "Drama|War"),
            ("movielens latest", "Drama|War"),
        ],
    )
    def test_genres_are_a_column_of_every_edition(self, tmp_path: Path, name: str, genres: str):
        folder = SAMPLES[name].write(tmp_path)
        assert read_movies(folder, text="{title}. {genres}").texts[2] == f"Über drei. {genres}"
        with pytest.raises(DataError, match="column 'plot' is missing; the file has"):
            read_movies(folder, text="{plot}")

    def test_a_copy_in_utf_8_is_read_as_such(self, tmp_path: Path):
        movies = SAMPLES["movielens 1m"].files["movies.dat"].decode("latin-1")
        catalog, _ = read_changed(tmp_path, "movielens 1m", movies__dat=movies)
        assert catalog.texts[2] == "Über drei"

    def test_a_line_with_another_number_of_fields(self, tmp_path: Path):
        message = r"movies.dat:2: a line needs the 3 fields of this format \(movieId, title, genres"
        with pytest.raises(DataError, match=message):
            read_changed(tmp_path, "movielens 1m", movies__dat="01::a::b\n2::a::b::c\n")
        with pytest.raises(DataError, match=r"movies.dat:1: a line needs the 3 fields"):
            read_changed(tmp_path, "movielens 1m", movies__dat="01|a|b\n")


class TestFolders:
    def test_files_of_two_formats_leave_the_choice_to_the_caller(self, tmp_path: Path):
        SAMPLES["plain tsv"].write(tmp_path)
        SAMPLES["movielens latest"].write(tmp_path)
        with pytest.raises(DataError, match=r"are those of movielens and of plain; .* say read"):
            read_folder(tmp_path)
        assert read_folder(tmp_path, reader="plain")[0].num_items == 4

    def test_a_reader_that_there_is_not(self, tmp_path: Path):
        with pytest.raises(ValueError, match=r"reader must be one of .* did you mean 'movielens'"):
            read_folder(tmp_path, reader="movielense")

    def test_a_reader_of_ones_own(self, tmp_path: Path):
        made = SAMPLES["plain tsv"]
        assert read_folder(made.write(tmp_path), reader=read_plain)[0].num_items == 4

    def test_pixelrec_needs_one_file_of_each_kind(self, tmp_path: Path):
        folder = SAMPLES["pixelrec"].write(tmp_path)
        (folder / "again.csv").write_bytes((folder / "items" / "Pixel200K.csv").read_bytes())
        message = r"exactly one CSV with the columns \['item_id', 'title'\] is needed; found \['ag"
        with pytest.raises(DataError, match=message):
            read_folder(folder, reader="pixelrec")
