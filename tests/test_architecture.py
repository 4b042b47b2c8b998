"""The order of the rooms, their front doors, and what may not load torch."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "tcf"
ORDER = [
    ("errors", "_util"),
    ("_checkpoint",),
    ("data",),
    ("encode",),
    ("model",),
    ("evaluate",),
    ("train",),
    ("study",),
    ("plot_names",),
    ("plot",),
    ("report",),
    ("export",),
    ("cli",),
    ("__main__",),
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
ROOMS = ["cli", "data", "encode", "evaluate", "export", "model", "report", "study", "train"]
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every ``tcf.*`` name that a module imports anywhere: in functions, and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "tcf")


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", [p for p in MODULES if p != PACKAGE / "__init__.py"], ids=name)
def test_no_module_imports_a_later_room(path: Path):
    assert room_of(path) in LEVEL, f"{path}: a new room needs its place in the order"
    for line, found in imported(path):
        room = found.split(".")[1]
        assert room in LEVEL, f"{path}:{line}: {found} is in no room"
        assert LEVEL[room] <= LEVEL[room_of(path)], f"{path}:{line}: {found} is a later room"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_front_door_and_nothing_else_in_it(room: str):
    docstring, *statements = ast.parse((PACKAGE / room / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
    assert [ast.unparse(s).partition("=")[0].strip() for s in statements] == [
        "from tcf._util import lazy_exports",
        "_HOMES",
        "__all__",
        "__getattr__",
    ]
    assert ast.unparse(statements[-1].value) == "lazy_exports(__name__, _HOMES)"
    assert all(isinstance(s.value, (ast.Dict, ast.List)) for s in statements[1:3])  # literals


def as_ruff_sorts(exported: str) -> tuple[int, str]:
    """Constants, then classes, then functions (RUF022)."""
    return (0 if exported.isupper() else 1 if exported[0].isupper() else 2), exported


@pytest.mark.parametrize("room", ROOMS)
def test_exported_names_are_sorted_and_resolve(room: str):
    module = importlib.import_module(f"tcf.{room}")
    assert module.__all__ == sorted(module._HOMES, key=as_ruff_sorts)
    for name, home in module._HOMES.items():
        assert getattr(module, name) is getattr(importlib.import_module(f"tcf.{room}.{home}"), name)
    with pytest.raises(AttributeError, match=f"module 'tcf.{room}' has no attribute 'nothing'"):
        _ = module.nothing


def test_the_package_exports_encode_items_and_its_version():
    import tcf
    from tcf.encode.items import encode_items

    assert tcf.encode_items is encode_items
    assert re.match(r"\d+\.\d+", tcf.__version__)
    with pytest.raises(AttributeError, match="module 'tcf' has no attribute 'nothing'"):
        _ = tcf.nothing


@pytest.mark.parametrize(
    "module",
    [
        "tcf",
        "tcf.data",
        "tcf.data.datasets",
        "tcf.data.download",
        "tcf.data.audit",
        "tcf.data.formats",
        "tcf.data.formats.folder",
        "tcf.encode.ladder",
        "tcf.encode.ladder.recipe",
        "tcf.encode.ladder.sizes",
        "tcf.evaluate.catalog_metrics",
        "tcf.evaluate.slices",
        "tcf.plot",
        "tcf.report.neighbours",
        "tcf.report.page",
        "tcf.study",
        "tcf.study.cells",
        "tcf.study.compare",
        "tcf.study.diff",
        "tcf.study.evidence",
        "tcf.study.ladders",
        "tcf.study.records",
        "tcf.study.scaling",
        "tcf.study.summary",
        "tcf.export",
        "tcf.cli",
        "tcf.cli.main",
    ],
)
def test_loads_no_torch(module: str):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert done.returncode == 0, f"importing {module} loads torch"


def test_importing_the_package_loads_no_room():
    code = "import sys, tcf; print(*sorted(m for m in sys.modules if m.startswith('tcf')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["tcf", "tcf._util"]


def test_no_pickle_is_committed():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: nothing says what is committed")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert not [name for name in tracked if re.search(r"\.(pkl|pickle|pt|pth|joblib)$", name)]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_reads_or_writes_pickles(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            roots = {name.split(".")[0] for name in named}
            assert not roots & {"pickle", "joblib", "cloudpickle", "dill", "shelve"}
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in ("torch.load", "torch.save")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False"
