"""The Python in README.md and docs/ runs as written, each page from top to bottom."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


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
        exec(compile(source, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_to_files_resolve(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []
