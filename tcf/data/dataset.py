"""What is known of a published data set: where its files are, who may use them, what is in them."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tcf._util import lookup
from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.folder import READERS, read_folder
from tcf.data.formats.tables import PathLike
from tcf.errors import DataError

Checked = Literal["original files", "part of the original files", "a made file of the same format"]


@dataclass(frozen=True)
class Counts:
    """How much a data set holds; None where nobody says so.

    Attributes:
        users: Users with an interaction.
        items: Items of the catalogue, those that nobody took included.
        interactions: All of them.
        about: Published figures are rounded, or of other things than its reader keeps: reviews of
            products without a title, say. Else reading must find exactly these.
    """

    users: int | None = None
    items: int | None = None
    interactions: int | None = None
    about: bool = False

    @classmethod
    def of(cls, catalog: Catalog, interactions: Interactions) -> "Counts":
        """Return the counts of what was read."""
        return cls(interactions.num_users, catalog.num_items, interactions.num_interactions)

    def shown(self) -> tuple[str, str, str]:
        """Return users, items and interactions as a table shows them."""

        def one(n: int | None) -> str:
            return "" if n is None else f"{'≈ ' if self.about else ''}{n:,}"

        return one(self.users), one(self.items), one(self.interactions)

    def agrees(self, found: "Counts") -> bool:
        """Return whether what was found is what was expected, as far as that is said."""
        said = (self.users, self.items, self.interactions)
        there = (found.users, found.items, found.interactions)
        return self.about or all(a in (None, b) for a, b in zip(said, there, strict=True))

    def __str__(self) -> str:
        """Say it in a line."""
        names = ("users", "items", "interactions")
        return ", ".join(f"{n} {what}" for n, what in zip(self.shown(), names, strict=True) if n)


@dataclass(frozen=True)
class DataFile:
    """A file as it is published.

    Attributes:
        name: Its name in the folder; ``{part}`` stands for the part of a data set that has parts.
        addresses: Where the same bytes are, the best first; none where it must be fetched by hand.
        num_bytes: Its size, where published.
        checksum: ``sha256:...`` or ``md5:...``, where published or recorded by others.
        folder: Where an archive is unpacked, inside the data set's folder.
    """

    name: str
    addresses: tuple[str, ...] = ()
    num_bytes: int | None = None
    checksum: str | None = None
    folder: str = ""


@dataclass(frozen=True)
class DataSet:
    """A published data set.

    Attributes:
        title: As its publishers call it.
        page: Where they describe it.
        reader: One of ``READERS``.
        licence: In a few words; the page has the rest.
        citation: What to cite.
        counts: What reading finds.
        checked: What the reader was checked on.
        files: To be downloaded, or placed in the folder by hand.
        by_hand: What to do where a licence needs a click or a form; None where nothing is to do.
        options: Of the reader, where its defaults do not fit.
        parts: Names of the parts of which one is downloaded; none for a data set without parts.
        notes: What surprises.
    """

    title: str
    page: str
    reader: str
    licence: str
    citation: str
    counts: Counts
    checked: Checked
    files: tuple[DataFile, ...] = ()
    by_hand: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    notes: str = ""

    @property
    def text(self) -> str | None:
        """The template of an item's text; None where the reader chooses by the columns."""
        default = inspect.signature(READERS[self.reader]).parameters["text"].default
        return self.options.get("text", default)

    def files_of(self, part: str | None = None) -> tuple[DataFile, ...]:
        """Return the files, the part's name in theirs.

        Raises:
            ValueError: If a part must be named, is unknown, or there are none.
        """
        if part is None and not self.parts:
            return self.files
        if not self.parts:
            raise ValueError(f"{self.title} has no parts; got part={part!r}: leave it out")
        if part is None:
            raise ValueError(f"{self.title}: part= must be one of {', '.join(self.parts)}")
        lookup(dict.fromkeys(self.parts), part, "part")
        return tuple(
            replace(
                file,
                name=file.name.format(part=part),
                addresses=tuple(address.format(part=part) for address in file.addresses),
            )
            for file in self.files
        )

    def load(
        self, folder: PathLike, *, accept_counts: bool = False, **options: Any
    ) -> tuple[Catalog, Interactions]:
        """Read it from its folder; see `tcf.data.datasets.load_dataset`."""
        read = read_folder(folder, reader=self.reader, **{**self.options, **options})
        found = Counts.of(*read)
        if not accept_counts and not self.counts.agrees(found):
            raise DataError(
                f"{folder}: {self.title} must have {self.counts}; found {found}: check that the "
                "files are whole, unchanged and of this edition, or say accept_counts=True"
            )
        return read
