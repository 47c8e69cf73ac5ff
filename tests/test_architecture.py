"""Which part of the package may import which: the arrows of the design, written once.

A part is a folder or a module of ``src/paretune``. Whatever is not drawn here is not allowed.
"""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "paretune"

MAY_IMPORT = {
    # what is measured and decided: torch and numpy, never TRL
    "named_objects": "",
    "time_limit": "",
    "objectives": "time_limit",
    "advantages": "",
    "pareto": "",
    "influence": "",
    "weighting": "named_objects objectives advantages pareto influence",
    "testing": "objectives advantages influence weighting",
    "steering": "named_objects pareto",
    # a run's files: plain JSON
    "record": "",
    # training
    "setting_ranges": "",
    "trainer": "named_objects setting_ranges time_limit objectives advantages pareto influence weighting steering "
    "record report",
    # trainers that are not ours
    "integrations": "objectives advantages weighting record",
    # what is trained on
    "sandbox": "",
    "tasks": "named_objects objectives pareto sandbox",
    # what reads run directories, never the trainer
    "bounded_run": "record pareto",
    "comparison": "record pareto influence named_objects bounded_run",
    "choosing": "record pareto steering bounded_run",
    "report": "record pareto comparison bounded_run",
    # the commands
    "cli": "named_objects setting_ranges time_limit objectives advantages pareto influence weighting steering record "
    "trainer sandbox tasks bounded_run comparison choosing report",
    # the public names, fetched from their homes
    "__init__": "objectives pareto weighting tasks trainer",
}

TRL = {"trl", "accelerate"}
HUGGING_FACE = {"transformers", *TRL}
LIBRARIES = {"torch", "numpy", "scipy", "transformers", "datasets", "peft", "moocore", "matplotlib", *TRL}

NEVER_IMPORTS = {
    **dict.fromkeys(
        ["objectives", "advantages", "pareto", "influence", "weighting", "steering", "testing", "tasks"], TRL
    ),
    **dict.fromkeys(["comparison", "choosing", "report"], TRL),
    # what stands in other frameworks' environments
    **dict.fromkeys(
        ["integrations.core", "integrations.checkpoints", "integrations.swift", "integrations.verl"], HUGGING_FACE
    ),
    **dict.fromkeys(["record", "sandbox", "named_objects", "setting_ranges", "time_limit"], LIBRARIES),
}
"""Libraries that a part, or a module, does without."""

LONGEST = 400
"""Lines of a file."""


def _modules() -> dict[str, Path]:
    """The package's modules by their dotted names."""
    found = {}
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)] = file
    return found


MODULES = _modules()


def _part(module: str) -> str:
    return module.split(".")[1]


@cache
def _imports(module: str) -> list[str]:
    """The dotted names that a module imports anywhere, apart from those for type checkers alone."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    return list(_names(ast.parse(MODULES[module].read_text()), package))


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{home}.{alias.name}" for alias in node.names)
        yield from _names(node, package)


def _imported_modules(module: str) -> set[str]:
    """The package's own modules among them."""
    own = {name for name in _imports(module) if name.startswith("paretune.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in own} & set(MODULES)


def test_every_part_has_its_arrows() -> None:
    assert {_part(module) for module in MODULES} == set(MAY_IMPORT)
    assert tuple(TopologicalSorter({part: set(arrows.split()) for part, arrows in MAY_IMPORT.items()}).static_order())


def test_a_module_imports_only_what_its_part_may() -> None:
    arrows = {(_part(module), _part(imported)) for module in MODULES for imported in _imported_modules(module)}
    assert {(a, b) for a, b in arrows if a != b and b not in MAY_IMPORT[a].split()} == set()


def test_a_part_does_without_the_libraries_that_are_not_its_own() -> None:
    found = {
        (place, name.partition(".")[0])
        for module in MODULES
        for place in (_part(module), module.removeprefix("paretune."))
        for name in _imports(module)
    }
    assert {(part, library) for part, library in found if library in NEVER_IMPORTS.get(part, set())} == set()


def test_no_modules_import_each_other() -> None:
    assert tuple(TopologicalSorter({module: _imported_modules(module) for module in MODULES}).static_order())


def test_every_file_can_be_held_in_the_head() -> None:
    files = [file for file in SOURCE.rglob("*") if file.suffix in {".py", ".js", ".css", ".j2"}]
    lines = {str(file.relative_to(SOURCE)): len(file.read_text().splitlines()) for file in files}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_only_the_door_of_a_package_says_what_is_public() -> None:
    """Elsewhere the underscore of a private name says it."""
    listing = [file for file in SOURCE.rglob("*.py") if "__all__" in file.read_text()]
    assert {file.name for file in listing} == {"__init__.py"}
