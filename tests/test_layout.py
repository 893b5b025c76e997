"""The shape of the package: who may import whom, and what may appear nowhere."""

import ast
import dataclasses
import enum
import importlib
import pkgutil
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import s2s
from import_map import (
    DOCUMENTS,
    ORDER,
    PACKAGE,
    ROOT,
    dotted_name,
    imported_modules,
    imports,
    modules,
    parsed,
    with_map,
)
from s2s.cli.commands import LINE_OF
from s2s.config.options import Options

MODULES = modules()

# What a file may do only with a reason that stands here.
ONLY_IN = {"hydra": ["s2s/cli/"], "sentencepiece": ["s2s/data/vocabulary/subwords.py"]}


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def run_when_imported(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements at the top level, those for type checkers alone left out."""
    for node in tree.body:
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node


def position(dotted: str) -> int:
    """Where in ORDER a dotted path such as `s2s.data.token_store.TokenStore` belongs."""
    return ORDER.index(dotted.split(".")[1])


def test_every_folder_has_a_place() -> None:
    assert {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))} == {
        *ORDER,
        "__init__",
    }


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_go_upward_only(path: Path) -> None:
    if path.parent == PACKAGE and path.name == "__init__.py":
        return  # the public face stands above all
    imported = imported_modules(path)
    if path.name == "__init__.py":
        assert not imported
        return
    below = [name for name in imported if position(name) > position(dotted_name(path))]
    assert below == [], f"{place(path)} imports what stands below it in the table of docs/architecture.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=place)
def test_the_map_of_imports_is_true(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert text == with_map(text), "run python docs/import_map.py --write"


def test_no_imports_go_in_a_circle() -> None:
    imported = {dotted_name(path): imported_modules(path) for path in MODULES if path.name != "__init__.py"}
    tuple(TopologicalSorter(imported).static_order())  # raises CycleError, which names the circle


def test_the_command_line_is_imported_only_to_put_options_together() -> None:
    """Training from Python takes the options of `s2s train`, composed where the command composes them."""
    importers = [place(path) for path in MODULES if any(name.startswith("s2s.cli") for name in imports(parsed(path)))]
    others = [name for name in importers if not name.startswith("s2s/cli/")]
    assert others == ["s2s/__main__.py", "s2s/api/training.py"]
    imported = imported_modules(PACKAGE / "api" / "training.py")
    assert {name for name in imported if name.startswith("s2s.cli")} == {
        "s2s.cli.composition",
        "s2s.cli.option_table",
        "s2s.cli.train",
    }


@pytest.mark.parametrize("library", ONLY_IN)
def test_some_libraries_have_one_home(library: str) -> None:
    users = [place(path) for path in MODULES if any(name.split(".")[0] == library for name in imports(parsed(path)))]
    assert users, f"nobody uses {library}"
    assert [user for user in users if not any(user.startswith(home) for home in ONLY_IN[library])] == []


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_what_is_private_to_torch_has_one_home(path: Path) -> None:
    names = {ast.unparse(node) for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)}
    private = [
        name for name in names if name.startswith("torch.ops.") or re.match(r"torch\.([a-z]+\.)*_[a-zA-Z]", name)
    ]
    assert private == [] or place(path) == "s2s/decoding/packed_linear.py"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_nothing_runs_from_a_file(path: Path) -> None:
    tree = parsed(path)
    roots = {name.split(".")[0] for name in imports(tree)}
    assert roots.isdisjoint({"pickle", "cPickle", "dill", "shelve", "marshal", "cloudpickle", "joblib"})
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert "_target_" not in strings
    assert not any(name.startswith("hydra.utils") for name in imports(tree))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        assert name.split(".")[-1] != "instantiate"
        assert name not in ("eval", "exec", "yaml.load", "yaml.unsafe_load")
        assert "allow_pickle" not in {keyword.arg for keyword in call.keywords}
        if name == "torch.load":
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert given.get("weights_only") == "True"


def test_no_choice_in_conf_names_code() -> None:
    files = sorted((ROOT / "conf").rglob("*.yaml"))
    assert files
    assert [place(path) for path in files if "_target_" in path.read_text(encoding="utf-8")] == []


def test_there_is_no_utils() -> None:
    named = [place(path) for path in PACKAGE.rglob("*") if path.stem in ("utils", "util", "helpers", "common", "misc")]
    assert named == []


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_matplotlib_is_imported_only_when_something_is_drawn(path: Path) -> None:
    for statement in run_when_imported(parsed(path)):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            assert not any(name.split(".")[0] in ("matplotlib", "koreanize_matplotlib") for name in imports(statement))


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_every_module_says_what_it_is(path: Path) -> None:
    if path.name == "__init__.py" and not parsed(path).body:
        return
    assert ast.get_docstring(parsed(path))


OPTIONS = [
    importlib.import_module(dotted_name(path))
    for name in ("config", "cli")
    for path in (PACKAGE / name).glob("[a-z]*.py")
]
CLASSES = {
    item: None
    for module in OPTIONS
    for item in vars(module).values()
    if isinstance(item, type) and item.__module__ == module.__name__
}
GROUPS = [item for item in CLASSES if issubclass(item, Options) and item is not Options]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_every_option_is_documented(group: type) -> None:
    assert group.__doc__
    for item in dataclasses.fields(group):
        if not (isinstance(item.type, type) and issubclass(item.type, Options)):
            assert item.metadata.get("doc"), f"{group.__name__}.{item.name} has no doc"


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_every_number_has_both_ends_of_its_range(group: type) -> None:
    numbers = [item for item in dataclasses.fields(group) if re.search(r"\b(int|float)\b", str(item.type))]
    assert [item.name for item in numbers if None in (item.metadata["low"], item.metadata["high"])] == []


def test_closed_choices_are_written_in_lower_case() -> None:
    """OmegaConf matches the names of an enum's members, so names and values are one and the same."""
    members = [member for item in CLASSES if issubclass(item, enum.Enum) for member in item]
    assert members
    assert [member for member in members if not (member.name == member.value == member.name.lower())] == []


SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=place)
def test_scripts_are_three_lines(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == f'from s2s.cli.app import main\n\nmain("{path.stem}")\n'


def test_the_table_lists_every_command() -> None:
    assert {path.stem for path in SCRIPTS} == set(LINE_OF)
    assert {
        path.stem for path in (PACKAGE / "cli").glob("*.py") if "COMMAND = Command(" in path.read_text(encoding="utf-8")
    } == set(LINE_OF)


def test_every_folder_is_packaged() -> None:
    """setuptools is given a list, so a new folder would silently be left out of a wheel."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = [module.name for module in pkgutil.walk_packages(s2s.__path__, "s2s.") if module.ispkg]
    folders += [
        "s2s.conf",
        *(f"s2s.conf.{path.name}" for path in (ROOT / "conf").iterdir() if any(path.glob("*.yaml"))),
    ]
    for name in folders:
        assert f'    "{name}",\n' in project, f"{name} is not in [tool.setuptools] packages"
    for name in folders:
        if name.startswith("s2s.conf."):
            assert f'"{name}" = ["*.yaml"]' in project


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=place)
def test_every_module_can_be_imported(path: Path) -> None:
    assert importlib.import_module(dotted_name(path)).__doc__
