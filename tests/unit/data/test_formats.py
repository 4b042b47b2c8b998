"""The readers: text untouched, every bad row named."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from tcf.data.catalog import Catalog
from tcf.data.formats import read_folder, read_interactions, read_items, read_microlens
from tcf.errors import DataError

TITLES = (
    'say "hi" # fun',
    '"',
    "it's #1, 'really'",
    '"half',
    "\u201ctyped\u201d \u00e9 \u767e",
    " padded ",
)
ITEMS = Catalog(("a", "b", "c"), ("text a", "text b", "text c"))


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8"))
    return path


def items_tsv(titles: tuple[str, ...] = TITLES) -> str:
    lines = [f"{number}\t{title}\n" for number, title in enumerate(titles)]
    return "item_id\ttitle\n" + "".join(lines)


def interactions_tsv(*lines: str) -> str:
    return "user_id\titem_id\ttimestamp\n" + "".join(f"{line}\n" for line in lines)


class TestItems:
    def test_quotes_and_hash_signs_of_a_tsv_come_through_untouched(self, tmp_path: Path):
        catalog = read_items(write(tmp_path / "items.tsv", items_tsv()))
        assert catalog.item_ids == tuple("012345")
        assert catalog.texts == TITLES

    def test_gzip_gives_the_same(self, tmp_path: Path):
        plain = read_items(write(tmp_path / "items.tsv", items_tsv()))
        (tmp_path / "items.tsv.gz").write_bytes(gzip.compress(items_tsv().encode()))
        assert read_items(tmp_path / "items.tsv.gz") == plain

    def test_a_csv_is_read_by_rfc_4180(self, tmp_path: Path):
        text = (
            "item_id,title\r\n"
            '1,"a ""quoted"" title, with a comma"\r\n'
            '2,"two\nlines"\r\n'
            "3,plain # hash\r\n"
        )
        expected = ('a "quoted" title, with a comma', "two\nlines", "plain # hash")
        assert read_items(write(tmp_path / "items.csv", text)).texts == expected
        (tmp_path / "items.csv.gz").write_bytes(gzip.compress(text.encode()))
        assert read_items(tmp_path / "items.csv.gz").texts == expected

    def test_parquet_gives_the_same_whatever_the_type_of_the_ids(self, tmp_path: Path):
        frame = pl.DataFrame({"item_id": range(len(TITLES)), "title": TITLES})
        frame.write_parquet(tmp_path / "items.parquet")
        tsv = read_items(write(tmp_path / "items.tsv", items_tsv()))
        assert read_items(tmp_path / "items.parquet") == tsv

    def test_words_that_look_like_missing_values_or_numbers_stay_text(self, tmp_path: Path):
        titles = ("null", "NA", "NaN", "None", "007", "1e3", "true")
        assert read_items(write(tmp_path / "items.tsv", items_tsv(titles))).texts == titles

    def test_windows_line_ends_are_no_part_of_a_text(self, tmp_path: Path):
        path = write(tmp_path / "items.tsv", "item_id\ttitle\r\n1\tone\r\n2\ttwo\r\n")
        assert read_items(path).texts == ("one", "two")

    def test_a_template_joins_several_fields_and_one_of_them_may_be_empty(self, tmp_path: Path):
        text = "item_id\tgenres\ttitle\n1\tComedy\tToy {Story}\n2\t\tHeat\n"
        catalog = read_items(write(tmp_path / "items.tsv", text), text="{title}. {genres}")
        assert catalog.texts == ("Toy {Story}. Comedy", "Heat. ")

    def test_a_template_may_hold_words_around_one_field(self, tmp_path: Path):
        path = write(tmp_path / "items.tsv", "item_id\ttitle\n1\tHeat\n")
        assert read_items(path, text="film: {title}").texts == ("film: Heat",)

    def test_another_id_column(self, tmp_path: Path):
        path = write(tmp_path / "items.csv", "item,title\n7,Heat\n")
        assert read_items(path, id_column="item").item_ids == ("7",)

    @pytest.mark.parametrize("text", ["title", "{} {title}", ""])
    def test_a_template_that_names_no_column_is_refused(self, tmp_path: Path, text: str):
        message = rf"text must name a column in braces, like '{{title}}'; got '{text}'"
        with pytest.raises(ValueError, match=message):
            read_items(write(tmp_path / "items.tsv", items_tsv()), text=text)

    @pytest.mark.parametrize("name", ["items.tsv", "items.csv"])
    def test_a_text_may_be_long_and_another_field_empty(self, tmp_path: Path, name: str):
        long = "x" * 140_000
        text = f"item_id\ttitle\tgenres\n1\t{long}\t\n2\tHeat\tCrime\n"
        path = write(tmp_path / name, text.replace("\t", "\t" if name.endswith("tsv") else ","))
        assert read_items(path, text="{title}{genres}").texts == (long, "HeatCrime")

    @pytest.mark.parametrize("title", ["", "  "])
    def test_an_item_without_text_is_named(self, tmp_path: Path, title: str):
        path = write(tmp_path / "items.tsv", items_tsv(("fine", title)))
        message = r"items.tsv:3: every item needs a text in title; 1 of 2 have none, .*: '1': give"
        with pytest.raises(DataError, match=message):
            read_items(path)

    def test_an_id_twice_is_named(self, tmp_path: Path):
        path = write(tmp_path / "items.tsv", "item_id\ttitle\n1\ta\n1\tb\n")
        with pytest.raises(DataError, match="distinct; '1' is there more than once"):
            read_items(path)


class TestInteractions:
    def test_users_keep_their_order_and_times_sort_stably(self, tmp_path: Path):
        path = write(
            tmp_path / "x.tsv",
            interactions_tsv("v\ta\t2", "u\tb\t10", "v\tb\t1", "v\tc\t2", "u\ta\t9", "v\ta\t1"),
        )
        taken = read_interactions(path, ITEMS)
        assert taken.user_ids == ("v", "u")
        assert taken.rows.tolist() == [2, 1, 1, 3, 1, 2]  # v: b a a c; u: a b, 9 before 10
        assert taken.offsets.tolist() == [0, 4, 6]

    def test_without_a_time_column_the_order_of_the_file_counts(self, tmp_path: Path):
        path = write(tmp_path / "x.tsv", interactions_tsv("v\tb\t2", "u\ta\t1", "v\ta\t1"))
        taken = read_interactions(path, ITEMS, time_column=None)
        assert taken.rows.tolist() == [2, 1, 1]

    def test_times_may_be_fractions_or_too_big_for_a_float(self, tmp_path: Path):
        path = write(tmp_path / "x.tsv", interactions_tsv("u\ta\t1.5", "u\tb\t-2e0"))
        assert read_interactions(path, ITEMS).rows.tolist() == [2, 1]
        big = 2**60
        path = write(tmp_path / "y.tsv", interactions_tsv(f"u\ta\t{big + 1}", f"u\tb\t{big}"))
        assert read_interactions(path, ITEMS).rows.tolist() == [2, 1]

    def test_other_column_names_and_extra_columns(self, tmp_path: Path):
        text = "rating,who,what,when\n5,u,b,2\n,u,a,1\n"
        taken = read_interactions(
            write(tmp_path / "x.csv", text),
            ITEMS,
            user_column="who",
            item_column="what",
            time_column="when",
        )
        assert taken.rows.tolist() == [1, 2]

    def test_parquet_times_may_be_dates(self, tmp_path: Path):
        frame = pl.DataFrame(
            {"user_id": [1, 1], "item_id": ["a", "b"], "timestamp": ["2020-02-01", "2020-01-01"]}
        ).with_columns(pl.col("timestamp").str.to_datetime())
        frame.write_parquet(tmp_path / "x.parquet")
        assert read_interactions(tmp_path / "x.parquet", ITEMS).rows.tolist() == [2, 1]

    def test_an_unknown_item_is_named_with_its_line(self, tmp_path: Path):
        path = write(tmp_path / "x.tsv", interactions_tsv("u\ta\t1", "u\tz\t2", "u\ty\t3"))
        message = r"x.tsv:3: every item of an interaction must be in .*; 'z' is not, .* 2 inter"
        with pytest.raises(DataError, match=message):
            read_interactions(path, ITEMS)

    @pytest.mark.parametrize("time", ["soon", "nan", "inf", "2020-01-01"])
    def test_a_time_that_is_no_number_is_named_with_its_line(self, tmp_path: Path, time: str):
        path = write(tmp_path / "x.tsv", interactions_tsv("u\ta\t1", f"u\tb\t{time}"))
        message = f"x.tsv:3: timestamp must be a number; got '{time}'"
        with pytest.raises(DataError, match=message):
            read_interactions(path, ITEMS)

    @pytest.mark.parametrize(("suffix", "user"), [("tsv", ""), ("tsv", " "), ("csv", '""')])
    def test_an_empty_field_is_named_with_its_line(self, tmp_path: Path, suffix: str, user: str):
        text = interactions_tsv("u\ta\t1", f"{user}\tb\t2")
        text = text if suffix == "tsv" else text.replace("\t", ",")
        message = f"x.{suffix}:3: user_id, item_id, timestamp must not be empty; got "
        with pytest.raises(DataError, match=message):
            read_interactions(write(tmp_path / f"x.{suffix}", text), ITEMS)


class TestBadFiles:
    @pytest.mark.parametrize("suffix", [".tsv", ".csv", ".tsv.gz"])
    @pytest.mark.parametrize("fields", [["u", "b"], ["u", "b", "2", "3"]])
    @pytest.mark.parametrize("first", [True, False])
    def test_a_row_with_too_few_or_too_many_fields_is_named_with_its_line(
        self, tmp_path: Path, suffix: str, fields: list[str], first: bool
    ):
        lines = [["user_id", "item_id", "timestamp"], ["u", "a", "1"], ["u", "c", "3"]]
        lines.insert(1 if first else 2, fields)
        separator = "\t" if "tsv" in suffix else ","
        text = "".join(separator.join(line) + "\n" for line in lines).encode()
        path = tmp_path / f"x{suffix}"
        path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
        message = (
            rf"x{suffix}:{2 if first else 3}: a line needs the 3 fields of the header "
            rf"\(user_id, item_id, timestamp\); got {len(fields)}: "
        )
        with pytest.raises(DataError, match=message):
            read_interactions(path, ITEMS)

    def test_a_blank_line_in_the_middle_is_no_row_that_goes_unseen(self, tmp_path: Path):
        path = write(tmp_path / "x.tsv", interactions_tsv("u\ta\t1", "", "u\tb\t2"))
        with pytest.raises(DataError, match=r"x.tsv:3: "):
            read_interactions(path, ITEMS)

    @pytest.mark.parametrize("name", ["items.tsv", "items.csv", "items.tsv.gz"])
    def test_an_empty_file(self, tmp_path: Path, name: str):
        path = tmp_path / name
        path.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
        with pytest.raises(DataError, match=f"{name}: the file is empty; it needs a header line"):
            read_items(path)

    def test_a_header_alone(self, tmp_path: Path):
        path = write(tmp_path / "items.tsv", "item_id\ttitle\n")
        with pytest.raises(DataError, match=r"items.tsv: the file holds a header line and no row"):
            read_items(path)

    def test_a_missing_column(self, tmp_path: Path):
        path = write(tmp_path / "items.tsv", "item_id\tname\n1\tHeat\n")
        message = r"items.tsv: column 'title' is missing; the file has \['item_id', 'name'\]"
        with pytest.raises(DataError, match=message):
            read_items(path)

    def test_a_file_that_is_not_there(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"none.tsv: a file is needed; there is none"):
            read_items(tmp_path / "none.tsv")

    def test_an_unknown_suffix(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"items.json: the name must end in one of .tsv, .csv"):
            read_items(write(tmp_path / "items.json", "{}"))

    @pytest.mark.parametrize("name", ["items.tsv", "items.tsv.gz"])
    def test_text_that_is_not_utf_8(self, tmp_path: Path, name: str):
        text = "item_id\ttitle\n1\tcafé\n".encode("latin-1")
        path = tmp_path / name
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        with pytest.raises(DataError, match=f"{name}:2: the text must be UTF-8; .*: convert"):
            read_items(path)

    def test_a_gzip_file_that_was_cut_short(self, tmp_path: Path):
        whole = gzip.compress(items_tsv(tuple(f"title {n}" for n in range(500))).encode())
        path = tmp_path / "items.tsv.gz"
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=r"items.tsv.gz: the file cannot be read: "):
            read_items(path)

    @pytest.mark.parametrize("name", ["items.tsv.gz", "items.parquet"])
    def test_a_file_of_another_kind_than_its_name_says(self, tmp_path: Path, name: str):
        path = tmp_path / name
        path.write_bytes(b"this is neither gzip nor Parquet, whatever it is called")
        with pytest.raises(DataError, match=name):
            read_items(path)


class TestFolders:
    def test_items_and_interactions(self, tmp_path: Path):
        write(tmp_path / "items.tsv", "item_id\ttitle\na\tHeat\nb\tUp\n")
        write(tmp_path / "interactions.tsv", interactions_tsv("u\tb\t1", "u\ta\t2"))
        catalog, taken = read_folder(tmp_path)
        assert catalog.texts == ("Heat", "Up")
        assert taken.rows.tolist() == [2, 1]

    def test_published_microlens_files(self, tmp_path: Path):
        write(tmp_path / "x_titles.csv", 'item,title\n7,"a ""b"" # c"\n9,up\n')
        write(tmp_path / "x_pairs.tsv", "1\t9 7\n2\t7\n")
        for read in (read_folder, read_microlens):
            catalog, taken = read(tmp_path)
            assert catalog == Catalog(("7", "9"), ('a "b" # c', "up"))
            assert taken.user_ids == ("1", "2")
            assert taken.rows.tolist() == [2, 1, 1]
            assert taken.offsets.tolist() == [0, 2, 3]

    @pytest.mark.parametrize(
        ("pairs", "message"),
        [
            ("1\t9 7\n2 7\n", r"pairs.tsv:2: a line needs a user, a tab and .*; got '2 7'"),
            ("1\t9 7\n2\t\n", r"pairs.tsv:2: a line needs a user"),
            ("\t9 7\n", r"pairs.tsv:1: a line needs a user"),
            ("", r"pairs.tsv: the file is empty; it needs a line for each user"),
            ("1\t9\n1\t7\n", r"pairs.tsv:2: a user needs one line; 1 come again, first '1'"),
            (
                "1\t9 8\n",
                r"pairs.tsv:1: every item of an interaction must be in .*; '8' is not, .* of 2 ",
            ),
        ],
    )
    def test_malformed_microlens_pairs(self, tmp_path: Path, pairs: str, message: str):
        write(tmp_path / "x_titles.csv", "item,title\n7,a\n9,b\n")
        write(tmp_path / "x_pairs.tsv", pairs)
        with pytest.raises(DataError, match=message):
            read_folder(tmp_path)

    def test_microlens_pairs_that_are_not_utf_8(self, tmp_path: Path):
        write(tmp_path / "x_titles.csv", "item,title\n7,a\n")
        (tmp_path / "x_pairs.tsv").write_bytes("é\t7\n".encode("latin-1"))
        with pytest.raises(DataError, match=r"pairs.tsv: the text must be UTF-8"):
            read_folder(tmp_path)

    def test_no_folder(self, tmp_path: Path):
        with pytest.raises(DataError, match=r"none: a data folder is needed; there is none"):
            read_folder(tmp_path / "none")

    def test_a_wrong_folder_says_what_it_holds(self, tmp_path: Path):
        write(tmp_path / "notes.txt", "")
        message = (
            r"must be clear .*; they are of no format that tells itself; the folder holds "
            r"\['notes.txt'\]: say reader= one of amazon, "
        )
        with pytest.raises(DataError, match=message):
            read_folder(tmp_path)

    def test_an_empty_folder(self, tmp_path: Path):
        with pytest.raises(DataError, match="the folder holds nothing"):
            read_folder(tmp_path)

    def test_two_files_for_one_thing(self, tmp_path: Path):
        for name in ("items.csv", "items.tsv"):
            write(tmp_path / name, "item_id\ttitle\n1\tHeat\n")
        with pytest.raises(DataError, match=r"found \['items.csv', 'items.tsv'\]"):
            read_folder(tmp_path)

    def test_microlens_without_its_titles(self, tmp_path: Path):
        write(tmp_path / "x_pairs.tsv", "1\t9 7\n")
        with pytest.raises(DataError, match=r"exactly one \*_titles.csv .* found none"):
            read_folder(tmp_path)
