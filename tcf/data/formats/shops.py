"""H&M and goodbooks-10k: CSV files with a header line."""

from pathlib import Path
from typing import Any

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.events import interactions_of
from tcf.data.formats.files import only
from tcf.data.formats.plain import read_interactions, read_items
from tcf.data.formats.tables import PathLike, scan
from tcf.data.formats.texts import Missing

_CSV = (".csv", ".csv.gz")
# "pattern. shade. colour. department. description" of Li et al. in the file's own columns. The
# colour is the perceived master colour ("Blue"): its shade is the perceived value beside it
# ("Dark"), and colour_group_name ("Dark Blue") would say the shade again. prod_name has no part in
# the recipe.
HM_TEXT = (
    "{graphical_appearance_name}. {perceived_colour_value_name}. {perceived_colour_master_name}. "
    "{department_name}. {detail_desc}"
)


def read_hm(
    folder: PathLike,
    *,
    text: str = HM_TEXT,
    missing: Missing = "error",
    labels: str | None = None,
) -> tuple[Catalog, Interactions]:
    """Read ``articles.csv`` and ``transactions_train.csv`` of H&M (Kaggle, 2022).

    Every line of the transactions is an interaction: an article bought twice is there twice. The
    times are days, and purchases of one day keep the order of the file. Some articles have no
    ``detail_desc``, and their text ends without it.

    Args:
        folder: Holds the files.
        text: Template of the text, with the columns of ``articles.csv``.
        missing: ``"drop"`` leaves articles without any text, and their sales, out.
        labels: Template of the labels, such as ``"{product_group_name}"``; None: none.

    Raises:
        DataError: If a file is missing or malformed, or an article unknown.

    Source: Li et al., arXiv 2305.11700, for the text.
    """
    folder = Path(folder)
    items = only(folder, "articles.csv*", _CSV)
    settings: dict[str, Any] = {"text": text, "missing": missing, "labels": labels}
    catalog = read_items(items, id_column="article_id", **settings)
    sales = scan(
        only(folder, "transactions_train.csv*", _CSV), ["t_dat", "customer_id", "article_id"]
    )
    return catalog, interactions_of(
        sales,
        catalog,
        user="customer_id",
        item="article_id",
        time="t_dat",
        date_format="%Y-%m-%d",
        missing=missing,
    )


def read_goodbooks(
    folder: PathLike, *, text: str = "{title}. {authors}", missing: Missing = "error"
) -> tuple[Catalog, Interactions]:
    """Read ``books.csv`` and ``ratings.csv`` of goodbooks-10k.

    The ratings bear no times; by their description they are sorted by time.

    Args:
        folder: Holds the files.
        text: Template of the text, with the columns of ``books.csv``.
        missing: ``"drop"`` leaves books without text, and their ratings, out.

    Raises:
        DataError: If a file is missing or malformed, or a book unknown.

    Source: github.com/zygmuntz/goodbooks-10k.
    """
    folder = Path(folder)
    books = only(folder, "books.csv*", _CSV)
    catalog = read_items(books, id_column="book_id", text=text, missing=missing)
    taken = read_interactions(
        only(folder, "ratings.csv*", _CSV),
        catalog,
        item_column="book_id",
        time_column=None,
        missing=missing,
    )
    return catalog, taken
