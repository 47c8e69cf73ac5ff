"""Objects of the user's own by their names, from any folder."""

import importlib
import sys
from pathlib import Path
from statistics import StatisticsError

import pytest

from paretune.named_objects import load, reason_of


def forget(package: str) -> None:
    """Import a package anew, as another process would."""
    for name in [name for name in sys.modules if name.partition(".")[0] in (package, "rules")]:
        del sys.modules[name]


@pytest.mark.parametrize("files", [["__init__.py"], []], ids=["package", "without-init"])
def test_a_module_of_a_package_has_a_name_for_every_folder(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere, package = tmp_path / "home", tmp_path / "elsewhere", f"my_package_{len(files)}"
    (home / package).mkdir(parents=True)
    elsewhere.mkdir()
    for file in files:
        (home / package / file).touch()
    (home / package / "numbers_of_it.py").write_text("number = 3\n")
    (home / package / "rules.py").write_text("from .numbers_of_it import number\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(home)
    found = load(f"{package}.rules:number")
    assert found.anywhere == f"{home / package / 'rules.py'}:number"
    monkeypatch.chdir(elsewhere)
    for name in (found.anywhere, f"../home/{package}/rules.py:number"):
        forget(package)
        assert load(name).value == 3
    forget(package)


def test_a_file_does_not_stand_in_for_a_module_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tabnanny", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tabnanny.py").write_text(f"name = {folder!r}\n")
    assert [load(f"{tmp_path / folder}/tabnanny.py:name").value for folder in ("one", "two")] == ["one", "two"]
    assert importlib.import_module("tabnanny").__file__ not in [
        str(tmp_path / folder / "tabnanny.py") for folder in ("one", "two")
    ]


def test_an_exception_names_the_users_own_line_not_that_of_a_library(tmp_path: Path) -> None:
    file = tmp_path / "my_maths.py"
    file.write_text("from statistics import mean\n\n\ndef of_none():\n    return mean([])\n")
    of_none = load(f"{file}:of_none").value
    with pytest.raises(StatisticsError) as caught:
        of_none()
    expected = "StatisticsError: mean requires at least one data point (my_maths.py, line 5, in of_none)"
    assert reason_of(caught.value) == expected


def test_an_exception_of_nobody_has_no_line() -> None:
    assert reason_of(KeyError("x" * 300)) == f"KeyError: '{'x' * 199}…"
