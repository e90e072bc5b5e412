"""What `__all__` promises, what is there, and what docs/reference.md documents are the same names."""

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "twisted_pulp"

#: Modules that promise nothing to importers: a program, and what other modules share; users find it in `twisted_pulp`.
INTERNAL = {"cli", "digests", "headers", "names", "threads", "unseen", "urls"}

PUBLIC = [
    f"twisted_pulp.{path.stem}"
    for path in sorted(PACKAGE.iterdir())
    if not path.name.startswith("_")
    and path.stem not in INTERNAL
    and (path.suffix == ".py" or (path / "__init__.py").exists())
]


def source_of(module: ModuleType) -> Path:
    """Return the file of *module* in this tree."""
    assert module.__file__ is not None
    return Path(module.__file__)


def public_names(source: str, *, package: bool) -> set[str]:
    """Return the names without an underscore that *source* defines; a package's imports from its own modules too."""
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id for one in targets for each in ast.walk(one) if isinstance(each, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and package:
            own = node.level or (node.module or "").split(".")[0] == "twisted_pulp"
            found |= {each.asname or each.name for each in node.names if own}
    return {name for name in found if not name.startswith("_")}


def grouped(name: str) -> tuple[int, str]:
    """Return the key that sorts constants before classes before functions, as ruff's RUF022 does."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


def documented() -> list[str]:
    """Return the dotted names that the directives of docs/reference.md document, members of classes aside."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    names = re.findall(r"^\s*\.\. (?:py:|auto)(?!module|method|attribute|property)\w+:: +([\w.]+)", text, re.MULTILINE)
    return [name for name in names if name.rpartition(".")[0] in {"twisted_pulp", *PUBLIC}]


@pytest.mark.parametrize("name", PUBLIC)
def test_modules(name: str) -> None:
    """`__all__` is sorted by kind and names what the module defines; it may pass on other names of the package."""
    module = importlib.import_module(name)
    path = source_of(module)
    promised = list(module.__all__)
    defined = public_names(path.read_text(encoding="utf-8"), package=path.name == "__init__.py")
    passed_on = {
        each for each in promised if getattr(getattr(module, each), "__module__", name).startswith("twisted_pulp.")
    } - defined
    assert sorted(defined | passed_on, key=grouped) == promised


@pytest.mark.parametrize("name", PUBLIC)
def test_unknown(name: str) -> None:
    """What a module does not have is an AttributeError that names both, where names are imported late too."""
    module = importlib.import_module(name)
    with pytest.raises(AttributeError, match=f"'{name}' has no attribute 'no_such_name'"):
        module.no_such_name  # noqa: B018 -- looking it up is the test


@pytest.mark.parametrize("name", ["twisted_pulp.http", "twisted_pulp.transfer"])
def test_late(name: str) -> None:
    """A name that is imported late is promised, and is what its own module has."""
    module = importlib.import_module(name)
    late = {each: module.__getattr__(each) for each in module._LATE}
    assert set(late) <= set(module.__all__)
    assert late == {
        each: getattr(importlib.import_module(f"{name}.{home}"), each) for each, home in module._LATE.items()
    }


def test_package() -> None:
    """The package's own `__all__` is sorted, and each name is, lazily, what the module it comes from promises."""
    package = importlib.import_module("twisted_pulp")
    homes = {name: importlib.import_module(f"twisted_pulp.{home}") for name, home in package._PUBLIC.items()}
    assert sorted(homes) == package.__all__
    assert set(package.__all__) <= set(dir(package))
    assert [] == [name for name, home in homes.items() if name not in home.__all__]
    assert [] == [name for name, home in homes.items() if getattr(home, name) is not getattr(package, name)]
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018 -- looking it up is the test


def test_reference() -> None:
    """Every public object is documented once, under a name it can be imported by, and nothing else is."""
    names: dict[tuple[str, int], set[str]] = {}
    for each in ("twisted_pulp", *PUBLIC):
        module = importlib.import_module(each)
        for name in module.__all__:
            names.setdefault((name, id(getattr(module, name))), set()).add(f"{each}.{name}")
    found = documented()
    undocumented = [min(group, key=len) for group in names.values() if group.isdisjoint(found)]
    twice = [sorted(group) for group in names.values() if sum(name in group for name in found) > 1]
    unknown = sorted(set(found).difference(*names.values()))
    assert ([], [], []) == (sorted(undocumented), twice, unknown)


def test_definitions() -> None:
    """Functions, classes and assignments are definitions; imports are only in a package, and only its own."""
    source = "import os\nfrom twisted.web import client\nfrom ._x import A\nB: int = 1\nC, _d = 2, 3\ndef e(): f = 1\n"
    assert {"B", "C", "e"} == public_names(source, package=False)
    assert {"A", "B", "C", "e"} == public_names(source, package=True)
