# SPDX-License-Identifier: Apache-2.0
"""The pages are made without a warning, tell of everything, and point at what is
there; the examples are as strict as the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import opamp
import pytest
from program import BINDING, EXAMPLES, PAGES

CONFIG = BINDING / "pyproject.toml"


def run(*words: str | Path, **env: str) -> None:
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as HTML."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("site")
    doctrees = tmp_path_factory.mktemp("doctrees")
    options = ("-b", "html", "-W", "--keep-going", "-q", "-d", doctrees)
    run("sphinx", *options, PAGES, folder)
    return folder


def test_the_site_tells_of_all_public_names(site: Path) -> None:
    from sphinx.util.inventory import InventoryFile

    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    told = {name for kind in inventory.values() for name in kind}
    public = {f"opamp.{name}" for name in opamp.__all__} | {"opamp.aio.Client"}
    assert public - told == {"opamp.__version__", "opamp.aio"}
    methods = {name for name in dir(opamp.Client) if not name.startswith("_")}
    assert {f"opamp.Client.{name}" for name in methods} <= told


def test_the_site_has_all_options_and_codes(site: Path) -> None:
    options = (site / "options.html").read_text()
    for name in opamp.Options.__annotations__:
        assert f'<span class="pre">{name}</span>' in options
    assert "0.01 to 86400" in options  # of heartbeat
    errors = (site / "errors.html").read_text()
    for code in opamp.ErrorCode:
        assert f'<span class="pre">{code.name}</span>' in errors


def test_docstrings_are_read_as_they_are_meant(site: Path) -> None:
    text = (site / "api.html").read_text()
    assert '"**"' in re.sub("&quot;", '"', text)  # ConfigDir.allow
    assert "opamp.configdir" not in text
    assert text.count("highlight-python") >= 1  # ConfigDir


def test_the_readme_points_at_what_is_there() -> None:
    text = (BINDING / "README.md").read_text()
    links = [x for x in re.findall(r"\]\(([^)]+)\)", text) if "://" not in x]
    assert len(links) > 10
    assert [link for link in links if not (BINDING / link).exists()] == []


def test_the_readme_names_the_packages_that_dev_installs() -> None:
    text = (BINDING / "README.md").read_text()
    named = text.split("apt-get install ")[1].split("\n    python3")[0]
    wanted = set(named.replace("\\\n", " ").split())
    dev = (BINDING.parents[1] / "dev").read_text()
    installed = set(re.findall(r"[a-z][\w.+-]+", dev.split("\n\nsay()")[0]))
    assert "cmake" in wanted and wanted <= installed


def test_the_examples_are_strict(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    examples = sorted(EXAMPLES.glob("*.py"))
    env = {"MYPYPATH": str(BINDING / "src"), "MYPY_CACHE_DIR": str(tmp_path)}
    run("mypy", "--strict", "--config-file", CONFIG, *examples, **env)
    for command in (("format", "--check"), ("check",)):
        pages = (PAGES / "conf.py", PAGES / "_ext")
        run("ruff", *command, "--no-cache", "--config", CONFIG, EXAMPLES, *pages)
