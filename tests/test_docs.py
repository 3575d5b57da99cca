"""The Python in README.md and docs/ runs as written, each page from top to bottom, and prints what
the page says: a block of text after it."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import tapegrad.replay

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
SNIPPET = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_snippets_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what a snippet writes is not left in the work tree
    text = page.read_text(encoding="utf-8")
    if "tapegrad.scipy" in text:
        pytest.importorskip("scipy", reason="SciPy is not installed")
    namespace = {"__name__": "__snippet__"}
    for snippet in SNIPPET.finditer(text):
        lines_above = text.count("\n", 0, snippet.start(1))
        source = "\n" * lines_above + snippet[1]  # tracebacks name the page's own lines
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(source, str(page), "exec"), namespace)
        if snippet[2] is not None:
            assert printed.getvalue() == snippet[2], f"{page.name}:{lines_above}"


def test_the_map_of_replay_names_each_of_its_files():
    named = re.findall(r"\w+", tapegrad.replay.__doc__)
    files = {path.stem for path in (ROOT / "tapegrad" / "replay").glob("[!_]*.py")}
    assert files - set(named) == set()


def test_every_printed_table_of_a_tape_is_shown():
    shown = [s for page in PAGES for s in SNIPPET.finditer(page.read_text(encoding="utf-8"))]
    tables = [snippet for snippet in shown if "print(t)" in snippet[1]]
    assert tables
    assert all(snippet[2] for snippet in tables)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_to_files_resolve(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []
