"""Modules joined into one: they do the same, and know no more of each other."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from camd.web import page
from camd.web.modules import IMPORT, joined

NODE = shutil.which("node")

FOLDER = Path(page.__file__).with_name("page")
MODULES = {path.stem: path.read_text() for path in FOLDER.glob("*.js")}

EXPORT = re.compile(r"^export (?:const|class|function|async function) (.*)", re.M)

ABC = {
    "a": 'import {twice} from "./b.js";\n'
    'import {name, Kind} from "./c-d.js";\n\n'
    "const own = 1;\nconsole.log(twice(own), name, new Kind().own);\n",
    "b": 'import {name} from "./c-d.js";\n\n'
    "const own = 2;\n"
    "export function twice(number) { return `${own * number} ${name}`; }\n"
    "export async function unused() {}\n",
    "c-d": 'export const name = "c", other = 0;\nexport class Kind { own = own; }\n'
    "const own = 3;\n",
    "e": "console.log(0);\n",
}
"""Modules whose own names are the same, and one that nobody imports."""


def test_each_is_there_once_behind_what_it_imports() -> None:
    """What is not imported is left out, and nothing is left to import."""
    code = joined("a", ABC)
    parts = [code.index(f"const ${name} =") for name in ("c_d", "b")]
    assert parts == sorted(parts)
    assert code.count("export ") == code.count("import ") == 0
    assert "console.log(0)" not in code


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
def test_they_do_the_same(tmp_path: Path) -> None:
    """Run by Node, one by one and joined."""
    for name, code in ABC.items():
        (tmp_path / f"{name}.js").write_text(code)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "joined.js").write_text(joined("a", ABC))
    outputs = [
        subprocess.check_output([str(NODE), str(tmp_path / name)], text=True)
        for name in ("a.js", "joined.js")
    ]
    assert outputs == ["2 c c 3\n"] * 2


def test_what_there_is_not() -> None:
    """It is an error, and not a page that does nothing."""
    with pytest.raises(KeyError, match="nothing"):
        joined("a", {"a": 'import {x} from "./nothing.js";\n'})


@pytest.mark.parametrize("name", MODULES)
def test_the_page_imports_in_one_form(name: str) -> None:
    """Lines that import or export in another form would be left as they are."""
    code = MODULES[name]
    rest = IMPORT.sub("", code)
    assert "import" not in rest.replace("import.meta.url", "").split()
    for names, module in IMPORT.findall(code):
        exported = " ".join(EXPORT.findall(MODULES[module]))
        for each in names.split(", "):
            assert re.search(rf"\b{each}\b", exported), (each, module)
