"""DATASETS: the data sets of the field by name.

A size or checksum stands here only where the publishers give it (GroupLens: MD5), others have
recorded it of the published file (TensorFlow Datasets: SHA-256), or it was taken of the original
that the tests read. Counts are those of the publishers' descriptions unless notes say otherwise.
"""

from typing import Any

from tcf._util import lookup
from tcf.data.catalog import Catalog, Interactions
from tcf.data.dataset import Counts, DataFile, DataSet
from tcf.data.formats.tables import PathLike

_MADE = "a made file of the same format"
_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_MOVIELENS_TERMS = "research use; no redistribution, no commercial use without permission"
_MOVIELENS_SHARED = "research use; redistribution on the same terms; no commercial use"
_MOVIELENS_CITATION = (
    "Harper & Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015, "
    "doi 10.1145/2827872"
)
_WESTLAKE_TERMS = "research use; no licence file; modified copies must not be offered"
_MICROLENS = "https://recsys.westlake.edu.cn"
_MICROLENS_CITATION = (
    "Ni et al., A Content-Driven Micro-Video Recommendation Dataset at Scale, arXiv 2309.15379"
)
_PIXELREC_CITATION = (
    "Cheng et al., An Image Dataset for Benchmarking Recommender Systems with Raw Pixels, "
    "SDM 2024, arXiv 2309.06789"
)
_PIXELREC_BY_HAND = (
    "open https://github.com/westlake-repl/PixelRec, follow its links to the interactions and to "
    "the item information (Google Drive), and place the two CSV files of this size in the folder, "
    "as interactions/NAME.csv and items/NAME.csv"
)
_MIND_TERMS = "Microsoft Research License Terms: non-commercial research; a click"
_MIND_CITATION = (
    "Wu et al., MIND: A Large-scale Dataset for News Recommendation, ACL 2020, "
    "doi 10.18653/v1/2020.acl-main.331"
)
_UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"
_UCSD_OLD = "https://datarepo.eng.ucsd.edu/mcauley_group/data"
_AMAZON_TERMS = "no licence stated; academic use, cite"
_AMAZON_NOTES = (
    "One category at a time; the counts are those of all categories together. Reviews of "
    "products without title are left out."
)


def _movielens(
    edition: str,
    counts: Counts,
    *,
    title: str = "",
    num_bytes: int | None = None,
    checksum: str | None = None,
    original: bool = False,
    notes: str = "",
) -> DataSet:
    return DataSet(
        title=title or f"MovieLens {edition.upper()}",
        page="https://grouplens.org/datasets/movielens/",
        reader="movielens",
        licence=_MOVIELENS_TERMS if edition in ("100k", "1m", "10m") else _MOVIELENS_SHARED,
        citation=_MOVIELENS_CITATION,
        counts=counts,
        checked="original files" if original else _MADE,
        files=(
            DataFile(f"ml-{edition}.zip", (f"{_GROUPLENS}/ml-{edition}.zip",), num_bytes, checksum),
        ),
        notes=notes,
    )


def _pixelrec(size: str, counts: Counts) -> DataSet:
    return DataSet(
        title=f"PixelRec {size}",
        page="https://github.com/westlake-repl/PixelRec",
        reader="pixelrec",
        licence=_WESTLAKE_TERMS,
        citation=_PIXELREC_CITATION,
        counts=counts,
        checked=_MADE,
        by_hand=_PIXELREC_BY_HAND,
    )


def _mind(size: str, counts: Counts) -> DataSet:
    parts = ("train", "dev")
    return DataSet(
        title=f"MIND ({size})",
        page="https://msnews.github.io",
        reader="mind",
        licence=_MIND_TERMS,
        citation=_MIND_CITATION,
        counts=counts,
        checked="part of the original files" if size == "small" else _MADE,
        files=tuple(
            DataFile(f"MIND{size}_{part}.zip", folder=f"MIND{size}_{part}") for part in parts
        ),
        by_hand=(
            "read and accept the terms at https://msnews.github.io, download "
            f"MIND{size}_train.zip and MIND{size}_dev.zip, place them in the folder and call again"
        ),
        notes=(
            "Counts as papers report them, for MIND (large) with its test part, which says of no "
            "impression what was clicked. The clicks before the first impression are read as well."
        ),
    )


def _microlens(
    size: str, counts: Counts, titles: DataFile, pairs: DataFile, notes: str = ""
) -> DataSet:
    return DataSet(
        title=f"MicroLens-{size}",
        page="https://github.com/westlake-repl/MicroLens",
        reader="microlens",
        licence=_WESTLAKE_TERMS,
        citation=_MICROLENS_CITATION,
        counts=counts,
        checked="original files" if size == "50k" else _MADE,
        files=(titles, pairs),
        notes=notes,
    )


def _from_westlake(size: str, name: str, **known: Any) -> DataFile:
    name = f"MicroLens-{size}_{name}"
    return DataFile(name, (f"{_MICROLENS}/MicroLens-{size}-Dataset/{name}",), **known)


DATASETS: dict[str, DataSet] = {
    "amazon-2014": DataSet(
        title="Amazon Reviews 2014, 5-core",
        page="https://jmcauley.ucsd.edu/data/amazon/",
        reader="amazon",
        licence=_AMAZON_TERMS,
        citation="McAuley et al., Image-based Recommendations on Styles and Substitutes, "
        "SIGIR 2015, doi 10.1145/2766462.2767755",
        counts=Counts(interactions=142_800_000, about=True),
        checked=_MADE,
        files=(
            DataFile(
                "meta_{part}.json.gz",
                (
                    "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/"
                    "meta_{part}.json.gz",
                ),
            ),
            DataFile(
                "reviews_{part}_5.json.gz",
                (
                    "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/"
                    "reviews_{part}_5.json.gz",
                ),
            ),
        ),
        parts=(
            "Amazon_Instant_Video",
            "Apps_for_Android",
            "Automotive",
            "Baby",
            "Beauty",
            "Books",
            "CDs_and_Vinyl",
            "Cell_Phones_and_Accessories",
            "Clothing_Shoes_and_Jewelry",
            "Digital_Music",
            "Electronics",
            "Grocery_and_Gourmet_Food",
            "Health_and_Personal_Care",
            "Home_and_Kitchen",
            "Kindle_Store",
            "Movies_and_TV",
            "Musical_Instruments",
            "Office_Products",
            "Patio_Lawn_and_Garden",
            "Pet_Supplies",
            "Sports_and_Outdoors",
            "Tools_and_Home_Improvement",
            "Toys_and_Games",
            "Video_Games",
        ),
        notes=f"{_AMAZON_NOTES} They are of all reviews; the 5-core holds fewer.",
    ),
    "amazon-2018": DataSet(
        title="Amazon Reviews 2018, 5-core",
        page="https://nijianmo.github.io/amazon/",
        reader="amazon",
        licence=_AMAZON_TERMS,
        citation="Ni et al., Justifying Recommendations using Distantly-Labeled Reviews and "
        "Fine-Grained Aspects, EMNLP 2019, doi 10.18653/v1/D19-1018",
        counts=Counts(interactions=233_100_000, about=True),
        checked=_MADE,
        files=(
            DataFile(
                "meta_{part}.json.gz",
                (
                    f"{_UCSD}/amazon_v2/metaFiles2/meta_{{part}}.json.gz",
                    f"{_UCSD_OLD}/amazon_v2/metaFiles2/meta_{{part}}.json.gz",
                ),
            ),
            DataFile(
                "{part}_5.json.gz",
                (
                    f"{_UCSD}/amazon_v2/categoryFilesSmall/{{part}}_5.json.gz",
                    f"{_UCSD_OLD}/amazon_v2/categoryFilesSmall/{{part}}_5.json.gz",
                ),
            ),
        ),
        parts=(
            "AMAZON_FASHION",
            "All_Beauty",
            "Appliances",
            "Arts_Crafts_and_Sewing",
            "Automotive",
            "Books",
            "CDs_and_Vinyl",
            "Cell_Phones_and_Accessories",
            "Clothing_Shoes_and_Jewelry",
            "Digital_Music",
            "Electronics",
            "Gift_Cards",
            "Grocery_and_Gourmet_Food",
            "Home_and_Kitchen",
            "Industrial_and_Scientific",
            "Kindle_Store",
            "Luxury_Beauty",
            "Magazine_Subscriptions",
            "Movies_and_TV",
            "Musical_Instruments",
            "Office_Products",
            "Patio_Lawn_and_Garden",
            "Pet_Supplies",
            "Prime_Pantry",
            "Software",
            "Sports_and_Outdoors",
            "Tools_and_Home_Improvement",
            "Toys_and_Games",
            "Video_Games",
        ),
        notes=f"{_AMAZON_NOTES} They are of all reviews; the 5-core holds fewer.",
    ),
    "amazon-2023": DataSet(
        title="Amazon Reviews 2023",
        page="https://amazon-reviews-2023.github.io",
        reader="amazon",
        licence=_AMAZON_TERMS,
        citation="Hou et al., Bridging Language and Items for Retrieval and Recommendation, "
        "arXiv 2403.03952",
        counts=Counts(54_510_000, 48_190_000, 571_540_000, about=True),
        checked=_MADE,
        files=(
            DataFile(
                "meta_{part}.jsonl.gz",
                (
                    f"{_UCSD}/amazon_2023/raw/meta_categories/meta_{{part}}.jsonl.gz",
                    f"{_UCSD_OLD}/amazon_2023/raw/meta_categories/meta_{{part}}.jsonl.gz",
                ),
            ),
            DataFile(
                "{part}.jsonl.gz",
                (
                    f"{_UCSD}/amazon_2023/raw/review_categories/{{part}}.jsonl.gz",
                    f"{_UCSD_OLD}/amazon_2023/raw/review_categories/{{part}}.jsonl.gz",
                ),
            ),
        ),
        parts=(
            "All_Beauty",
            "Amazon_Fashion",
            "Appliances",
            "Arts_Crafts_and_Sewing",
            "Automotive",
            "Baby_Products",
            "Beauty_and_Personal_Care",
            "Books",
            "CDs_and_Vinyl",
            "Cell_Phones_and_Accessories",
            "Clothing_Shoes_and_Jewelry",
            "Digital_Music",
            "Electronics",
            "Gift_Cards",
            "Grocery_and_Gourmet_Food",
            "Handmade_Products",
            "Health_and_Household",
            "Health_and_Personal_Care",
            "Home_and_Kitchen",
            "Industrial_and_Scientific",
            "Kindle_Store",
            "Magazine_Subscriptions",
            "Movies_and_TV",
            "Musical_Instruments",
            "Office_Products",
            "Patio_Lawn_and_Garden",
            "Pet_Supplies",
            "Software",
            "Sports_and_Outdoors",
            "Subscription_Boxes",
            "Tools_and_Home_Improvement",
            "Toys_and_Games",
            "Unknown",
            "Video_Games",
        ),
        notes=_AMAZON_NOTES,
    ),
    "bili": DataSet(
        title="Bili, the study's 50,000 users",
        page="https://github.com/westlake-repl/NineRec",
        reader="bili",
        licence=_WESTLAKE_TERMS,
        citation="Li et al., Exploring the Upper Limits of Text-Based Collaborative Filtering "
        "Using Large Language Models, CIKM 2025, arXiv 2305.11700",
        counts=Counts(users=50_000, about=True),
        checked=_MADE,
        by_hand="ask the authors (the page names them) for the behaviours and the titles, and "
        "place the two files in the folder, as Bili_behaviour.tsv and Bili_videos.csv",
    ),
    "goodbooks-10k": DataSet(
        title="goodbooks-10k",
        page="https://github.com/zygmuntz/goodbooks-10k",
        reader="goodbooks",
        licence="CC BY-SA 4.0",
        citation="Zajac, Goodbooks-10k: a new dataset for book recommendations, FastML, 2017",
        counts=Counts(53_424, 10_000, 5_976_479),
        checked=_MADE,
        files=tuple(
            DataFile(
                name,
                (
                    "https://raw.githubusercontent.com/zygmuntz/goodbooks-10k/master/" + name,
                    "https://github.com/zygmuntz/goodbooks-10k/raw/master/" + name,
                ),
            )
            for name in ("books.csv", "ratings.csv")
        ),
        notes="Ratings bear no times; by their description they are sorted by time.",
    ),
    "hm": DataSet(
        title="H&M Personalized Fashion Recommendations",
        page="https://www.kaggle.com/competitions/h-and-m-personalized-fashion-recommendations",
        reader="hm",
        licence="Kaggle competition rules: non-commercial; an account and a click",
        citation="H&M Group, H&M Personalized Fashion Recommendations, Kaggle, 2022",
        counts=Counts(1_362_281, 105_542, 31_788_324),
        checked=_MADE,
        files=(DataFile("articles.csv"), DataFile("transactions_train.csv")),
        by_hand="log in to Kaggle, accept the rules at https://www.kaggle.com/competitions/"
        "h-and-m-personalized-fashion-recommendations/data, and place articles.csv and "
        "transactions_train.csv in the folder",
    ),
    "microlens-50k": _microlens(
        "50k",
        Counts(50_000, 19_220, 359_708),
        _from_westlake(
            "50k",
            "titles.csv",
            num_bytes=2_392_145,
            checksum="sha256:244aad5380cbbe0fb43458cfcda5ebe820f534384602f80a64dbbcd07dd30e49",
        ),
        _from_westlake(
            "50k",
            "pairs.csv",
            num_bytes=9_431_093,
            checksum="sha256:7ff8b91bcc84f5434ac2c5be7d0b7d7730f5e84f79f9648b5ae67a7641f97bbd",
        ),
        notes="Checked on the pairs as .tsv; those downloaded are the .csv, which has the times.",
    ),
    "microlens-100k": _microlens(
        "100k",
        Counts(100_000, 19_738, 719_405),
        _from_westlake("100k", "title_en.csv"),
        _from_westlake("100k", "pairs.csv"),
    ),
    "microlens-1m": _microlens(
        "1M",
        Counts(1_000_000, 91_402, 9_095_620),
        _from_westlake("1M", "title.csv"),
        _from_westlake("1M", "pairs.csv"),
    ),
    "mind-small": _mind("small", Counts(users=94_057, items=65_238, about=True)),
    "mind-large": _mind("large", Counts(users=1_000_000, items=161_013, about=True)),
    "movielens-100k": _movielens(
        "100k",
        Counts(943, 1_682, 100_000),
        num_bytes=4_924_029,
        checksum="sha256:50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        original=True,
    ),
    "movielens-1m": _movielens(
        "1m",
        Counts(6_040, 3_883, 1_000_209),
        num_bytes=5_917_549,
        checksum="sha256:a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        notes="The description counts 3,706 movies: those that were rated. The titles are checked "
        "on the original file.",
    ),
    "movielens-10m": _movielens(
        "10m",
        Counts(69_878, 10_681, 10_000_054),
        notes="The description counts 71,567 users; so many have ratings.",
    ),
    "movielens-20m": _movielens(
        "20m",
        Counts(138_493, 27_278, 20_000_263),
        num_bytes=198_702_078,
        checksum="sha256:96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3",
    ),
    "movielens-25m": _movielens(
        "25m",
        Counts(162_541, 62_423, 25_000_095),
        num_bytes=261_978_986,
        checksum="sha256:8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
    ),
    "movielens-32m": _movielens(
        "32m",
        Counts(200_948, 87_585, 32_000_204),
        num_bytes=238_950_008,
        checksum="md5:d472be332d4daa821edc399621853b57",
    ),
    "movielens-latest-small": _movielens(
        "latest-small",
        Counts(610, 9_742, 100_836),
        title="MovieLens latest-small (September 2018)",
        num_bytes=978_202,
        checksum="sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        notes="The publishers change it from time to time; results need a fixed edition.",
    ),
    "movielens-latest-small-2016": DataSet(
        title="MovieLens latest-small (October 2016)",
        page="https://grouplens.org/datasets/movielens/",
        reader="movielens",
        licence=_MOVIELENS_SHARED,
        citation=_MOVIELENS_CITATION,
        counts=Counts(671, 9_125, 100_004),
        checked="original files",
        files=tuple(
            DataFile(
                name,
                (
                    "https://raw.githubusercontent.com/lenskit/lkpy/"
                    f"3bd1c175d6dae4e30da906e4f986797f214d1fe8/data/ml-latest-small/{name}",
                ),
                num_bytes,
                checksum,
            )
            for name, num_bytes, checksum in (
                (
                    "movies.csv",
                    449_264,
                    "sha256:43d1736d3c688eb5b7856473c36d86a1c345676cab256c91720c1f6984d263b5",
                ),
                (
                    "ratings.csv",
                    2_338_261,
                    "sha256:b4239649fbf90ebf405c56c3ae1d929d9e7c86fc1a3a80cbef1c884df593ef73",
                ),
            )
        ),
        notes="GroupLens no longer offers this edition; LensKit's repository keeps it.",
    ),
    "ninerec": DataSet(
        title="NineRec, one of its nine target sets",
        page="https://github.com/westlake-repl/NineRec",
        reader="ninerec",
        licence=_WESTLAKE_TERMS,
        citation="Zhang et al., NineRec: A Benchmark Dataset Suite for Evaluating Transferable "
        "Recommendation, IEEE TPAMI 2024, arXiv 2309.07705",
        counts=Counts(),
        checked=_MADE,
        by_hand="open https://github.com/westlake-repl/NineRec, follow its link to the archive "
        "(Google Drive), unpack it, and place one set's *_item.csv and *_pair.csv in the folder",
        notes="Sets: Bili_Food, Bili_Movie, Bili_Dance, Bili_Cartoon, Bili_Music, KU, QB, TN, DY. "
        "The text is the English title unless said otherwise.",
    ),
    "pixelrec-50k": _pixelrec("50K", Counts(50_000, 82_865, 989_494)),
    "pixelrec-200k": _pixelrec("200K", Counts(200_000, 96_282, 3_965_656)),
    "pixelrec-1m": _pixelrec("1M", Counts(1_001_822, 100_541, 19_886_579)),
    "pixelrec-8m": _pixelrec("8M", Counts(8_886_078, 407_082, 158_488_652)),
    "recbole-ml-100k": DataSet(
        title="MovieLens 100K as RecBole's atomic files",
        page="https://github.com/RUCAIBox/RecBole/tree/master/dataset/ml-100k",
        reader="recbole",
        licence=_MOVIELENS_TERMS,
        citation=f"Zhao et al., RecBole, CIKM 2021, arXiv 2011.01731; {_MOVIELENS_CITATION}",
        counts=Counts(943, 1_682, 100_000),
        checked="original files",
        files=tuple(
            DataFile(
                name,
                tuple(
                    f"https://{host}/master/dataset/ml-100k/{name}"
                    for host in (
                        "raw.githubusercontent.com/RUCAIBox/RecBole",
                        "github.com/RUCAIBox/RecBole/raw",
                    )
                ),
                num_bytes,
                checksum,
            )
            for name, num_bytes, checksum in (
                (
                    "ml-100k.item",
                    66_632,
                    "sha256:51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
                ),
                (
                    "ml-100k.inter",
                    1_979_230,
                    "sha256:4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
                ),
            )
        ),
        notes="Titles without the year, articles moved to the front.",
    ),
    "steam": DataSet(
        title="Steam reviews (version 2)",
        page="https://cseweb.ucsd.edu/~jmcauley/datasets.html#steam_data",
        reader="steam",
        licence="no licence stated; academic use, cite",
        citation="Kang & McAuley, Self-Attentive Sequential Recommendation, ICDM 2018, "
        "arXiv 1808.09781",
        counts=Counts(2_567_538, 15_474, 7_793_069, about=True),
        checked=_MADE,
        files=tuple(
            DataFile(name, (f"https://cseweb.ucsd.edu/~wckang/{name}",))
            for name in ("steam_games.json.gz", "steam_reviews.json.gz")
        ),
        notes="The items of the description are those reviewed; the catalogue holds more.",
    ),
    "transrec": DataSet(
        title="TransRec, one of its sets",
        page="https://github.com/jieWANGforwork/TransRec",
        reader="transrec",
        licence="no licence stated; research use, cite",
        citation="Wang et al., TransRec: Learning Transferable Recommendation from "
        "Mixture-of-Modality Feedback, APWeb-WAIM 2024, arXiv 2206.06190",
        counts=Counts(),
        checked=_MADE,
        by_hand="open https://github.com/jieWANGforwork/TransRec, follow its links, and place one "
        "set's *_behaviors.tsv and *_items.tsv in the folder",
    ),
    "yelp": DataSet(
        title="Yelp Open Dataset",
        page="https://business.yelp.com/data/resources/open-dataset/",
        reader="yelp",
        licence="Yelp Dataset Terms of Use: academic, non-commercial; a form",
        citation="Yelp, Yelp Open Dataset, https://business.yelp.com/data/resources/open-dataset/",
        counts=Counts(1_987_897, 150_346, 6_990_280, about=True),
        checked=_MADE,
        files=(DataFile("yelp_dataset.tar"),),
        by_hand="agree to the terms at https://business.yelp.com/data/resources/open-dataset/, "
        "download the JSON archive, place the yelp_dataset.tar that is inside it in the folder and "
        "call again",
        notes="Yelp offers the present edition only.",
    ),
}


def find_dataset(dataset: str | DataSet) -> DataSet:
    """Return the data set of a name.

    Raises:
        ValueError: If there is none; names the near miss.
    """
    return dataset if isinstance(dataset, DataSet) else lookup(DATASETS, dataset, "data set")


def load_dataset(
    dataset: str | DataSet, folder: PathLike, *, accept_counts: bool = False, **options: Any
) -> tuple[Catalog, Interactions]:
    """Read a published data set from its folder, and check that all of it is there.

    Args:
        dataset: One of ``DATASETS``, or such an object.
        folder: Holds its files.
        accept_counts: Also take files whose counts are not the published ones.
        **options: Of the reader: ``text``, ``missing`` and others.

    Raises:
        ValueError: If there is no data set of this name.
        DataError: If the files cannot be read, or the counts differ; says what was expected and
            what was found. Published counts that are rounded are not compared.
    """
    return find_dataset(dataset).load(folder, accept_counts=accept_counts, **options)


def listing() -> list[tuple[str, ...]]:
    """Return a row for each data set: name, counts, terms, how to get it, what was checked."""
    return [
        (
            name,
            *one.counts.shown(),
            one.licence,
            "by hand" if one.by_hand else "download",
            one.checked,
        )
        for name, one in sorted(DATASETS.items())
    ]
