"""No data becomes code: nothing is unpickled or evaluated, and the program or an operator names what is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "twisted_pulp").rglob("*.py"), *(ROOT / "twisted").rglob("*.py")])

#: Modules that make objects or code of bytes.
MODULES = {"code", "codeop", "copyreg", "dill", "jsonpickle", "marshal", "pickle", "runpy", "shelve", "yaml"}
#: Functions that do, and those that let a shell read a text.
FUNCTIONS = {"__import__", "compile", "eval", "exec", "execfile", "breakpoint"}
ATTRIBUTES = {"PickleType", "exec_module", "spec_from_file_location"}
SHELLS = {"os.popen", "os.system", "subprocess.getoutput", "subprocess.getstatusoutput"}
#: Where something may be imported whose name is computed, and why no data has a say in it.
COMPUTED = {
    "catalog/_drafts.py": "one of the two dialects that the engine was made with",
    "cli/_program.py": "our own table of commands",
    "content/_registry.py": "our own table",
    "streamer/_filters.py": "our own table",
}
#: Where entry points are loaded: what is installed, by the operator.
ENTRY_POINTS = {"content/_registry.py", "schemes/_scheme.py", "streamer/_filters.py"}


def findings(source: str, name: str) -> Iterator[str]:
    """Give what *source* has that makes code of data."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] in MODULES:
                yield str(node.module)
            yield from (each.name for each in node.names if each.name in ATTRIBUTES)
        elif isinstance(node, ast.Attribute) and (node.attr in ATTRIBUTES or ast.unparse(node) in SHELLS):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from called(node, name)


def called(node: ast.Call, name: str) -> Iterator[str]:
    """Give what is wrong with a call."""
    function = node.func
    if isinstance(function, ast.Name) and function.id in FUNCTIONS:
        yield function.id
    last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if last == "import_module" and not own(node.args[0]) and name not in COMPUTED:
        yield "import_module"
    if last == "load" and isinstance(function, ast.Attribute) and name not in ENTRY_POINTS:
        yield f"{ast.unparse(function)}"
    if any(word.arg == "shell" for word in node.keywords):
        yield "shell"


def own(argument: ast.expr) -> bool:
    """Return whether *argument* is a constant, or names a module of the same package."""
    if not isinstance(argument, ast.JoinedStr):
        return isinstance(argument, ast.Constant)
    first = argument.values[0]
    return isinstance(first, ast.FormattedValue) and ast.unparse(first.value) == "__name__"


def test_nothing() -> None:
    """No module makes code of data."""
    found = []
    for path in FILES:
        name = Path(*path.relative_to(ROOT).parts[1:]).as_posix()
        found += [(name, each) for each in findings(path.read_text(encoding="utf-8"), name)]
    assert 300 < len(FILES)
    assert [] == found


def test_reasons_are_needed() -> None:
    """What is said to be harmless is still there."""
    for name in COMPUTED.keys() | ENTRY_POINTS:
        assert list(findings((ROOT / "twisted_pulp" / name).read_text(encoding="utf-8"), "another.py")), name


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os.path, marshal",
        "from yaml import load",
        "from sqlalchemy import PickleType",
        "import yaml.loader",
        "eval(data)",
        "exec(data)",
        "__import__(data)",
        "compile(data, '', 'exec')",
        "importlib.import_module(data)",
        "import_module(f'{data}.{__name__}')",
        "point.load()",
        "os.system(data)",
        "run(data, shell=True)",
        "sqlalchemy.PickleType",
    ],
)
def test_something(source: str) -> None:
    """Each of these would be found."""
    assert [] != list(findings(source, "x.py"))


@pytest.mark.parametrize(
    "source", ["import_module('a.b')", "import_module(f'{__name__}.{x}')", "re.compile(x)", "json.loads(x)", "a.b.c()"]
)
def test_harmless(source: str) -> None:
    """None of these is."""
    assert [] == list(findings(source, "x.py"))
