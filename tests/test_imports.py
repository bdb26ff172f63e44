"""Imports point one way: a later room may look into an earlier one, never back."""

import ast
from pathlib import Path

ROOMS = [
    ["errors", "runtime"],
    ["run_folder"],
    ["cache"],
    ["config"],
    ["data"],
    ["evaluation", "provenance"],
    ["model", "report"],
    ["inference", "sweep"],
    ["training"],
    ["cli"],  # whatever is done from the terminal: nobody asks it for anything
]
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
PACKAGE = Path(__file__).parents[1] / "artclf"


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("artclf."):
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(name.name for name in node.names if name.name.startswith("artclf."))
    return found


def test_every_module_has_a_room() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(RANK)


def test_imports_point_one_way() -> None:
    back = [
        f"{file.relative_to(PACKAGE)} imports {module}"
        for file in PACKAGE.rglob("*.py")
        for module in imports(file)
        if file.parent != PACKAGE or file.stem != "__init__"
        if RANK[module.split(".")[1]] > RANK[file.relative_to(PACKAGE).parts[0].removesuffix(".py")]
    ]
    assert not back


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {
        ".".join(["artclf", *file.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): imports(file)
        for file in PACKAGE.rglob("*.py")
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join([*path, module])
        if module in done:
            return
        for other in graph.get(module, ()):
            visit(other, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_evaluation_and_report_know_no_torch() -> None:
    for room in ("evaluation", "report"):
        for file in (PACKAGE / room).rglob("*.py"):
            names = {
                alias.name.split(".")[0]
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
            }
            assert not names & {"torch", "torchvision", "lightning", "timm"}, file
