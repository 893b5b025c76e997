"""Draw the map of the package: its folders in the order of reading, what each is for, and what each imports.

    python docs/import_map.py           # print the table
    python docs/import_map.py --write   # put it into docs/architecture.md and docs/architecture.ko.md

What a folder is for is the docstring of its `__init__.py`; what it imports is read from the import statements.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "s2s"
DOCUMENTS = [ROOT / "docs" / "architecture.md", ROOT / "docs" / "architecture.ko.md"]
BEGIN, END = "<!-- import map: python docs/import_map.py --write -->", "<!-- end of import map -->"

ORDER = [
    "errors",
    "files",
    "text_tables",
    "workers",
    "launcher",
    "config",
    "openmp",
    "device",
    "distributed",
    "data",
    "models",
    "runs",
    "training",
    "decoding",
    "evaluation",
    "analysis",
    "tasks",
    "cli",
    "api",
    "__main__",
]
"""Folders and single files in the order of reading; each imports only from those before it, and from itself."""


def modules() -> list[Path]:
    """Every file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def dotted_name(path: Path) -> str:
    """`s2s/data/encode.py` as `s2s.data.encode`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module, or name in a module, that is imported anywhere in a file, as a dotted path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imported_modules(path: Path) -> set[str]:
    """The modules of s2s that a file imports, or takes names from."""
    known = _known_modules()
    names = {name for name in imports(parsed(path)) if name.startswith("s2s.")}
    return {name if name in known else name.rpartition(".")[0] for name in names}


@cache
def _known_modules() -> set[str]:
    return {dotted_name(module) for module in modules()}


def purpose(place: str) -> str:
    """The first line of the docstring of a folder or file, without its full stop."""
    path = PACKAGE / place / "__init__.py" if (PACKAGE / place).is_dir() else PACKAGE / f"{place}.py"
    return (ast.get_docstring(parsed(path)) or "").split("\n")[0].rstrip(".")


def import_map() -> str:
    """The table, in Markdown."""
    rows = ["| folder or file | what it is for | imports |", "|---|---|---|"]
    for place in ORDER:
        files = [path for path in modules() if path.relative_to(PACKAGE).with_suffix("").parts[0] == place]
        imported = {name.split(".")[1] for path in files for name in imported_modules(path)} - {place}
        listed = " ".join(f"`{name}`" for name in ORDER if name in imported) or "nothing"
        is_folder = (PACKAGE / place).is_dir()
        rows.append(f"| `{place}{'/' if is_folder else '.py'}` | {purpose(place)} | {listed} |")
    return "\n".join(rows)


def with_map(text: str) -> str:
    """A document with the table of today between the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{import_map()}\n\n{END}{after}"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        for document in DOCUMENTS:
            document.write_text(with_map(document.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(import_map())
