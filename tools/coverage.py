"""Write docs/numpy-coverage.md from the registry of NumPy's functions.

python tools/coverage.py          write the page
python tools/coverage.py --check  exit with 1 if the page is not what would be written
"""

import sys
from pathlib import Path

from tapegrad.numpy import registry

PAGE = Path(__file__).resolve().parent.parent / "docs" / "numpy-coverage.md"

TEXT = """# NumPy's functions on Tensors

Every public function of `numpy`, `numpy.linalg` and `numpy.fft`, and what it does with a Tensor:
{differentiable} are differentiable, in reverse and forward mode and to any order; {plain} have no
derivative by nature and give plain results; {missing} are missing, for the reason given.
`np.f(tensor)` and `tapegrad.numpy.f` are the same function. The page is written by
`python tools/coverage.py` from the registry in `tapegrad/numpy/`; the tests check the value and the
derivatives of every example.

Where NumPy has them, functions take `out=` and `where=`, and ufuncs have `reduce`, `accumulate`,
`reduceat`, `outer` and `at`. Writing into a Tensor (`out=`, `x[i] = v`, `np.add.at`, `np.put`)
records a functional update of it.
"""


def page() -> str:
    """The text of the page."""
    states = [e.state for e in registry.ENTRIES.values()]
    names = (registry.DIFFERENTIABLE, registry.PLAIN, registry.MISSING)
    parts = [TEXT.format(**{state: states.count(state) for state in names})]
    for module in ("", "linalg", "fft"):
        rows = sorted(registry.functions(module))
        if not rows:
            continue
        parts.append(f"\n## `numpy{'.' + module if module else ''}`\n")
        for state, title in (
            (registry.MISSING, "Missing"),
            (registry.DIFFERENTIABLE, "Differentiable"),
            (registry.PLAIN, "Without a derivative"),
        ):
            chosen = [(name, entry) for name, entry in rows if entry.state == state]
            if chosen:
                parts.append(f"\n### {title}\n\n" + _table(chosen, state))
    return "".join(parts)


def _table(rows: list, state: str) -> str:
    if state == registry.PLAIN:
        notes = [f"`{name}`" + (f" ({e.note})" if e.note else "") for name, e in rows]
        return ", ".join(notes) + "\n"
    head = "| function | reason |\n" if state == registry.MISSING else "| function | examples |\n"
    lines = []
    for name, entry in rows:
        cells = [f"`{text}`".replace("|", "\\|") for text in entry.examples[:2]]
        lines.append(f"| `{name}` | {'; '.join([*cells, *filter(None, [entry.note])])} |\n")
    return head + "|---|---|\n" + "".join(lines)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page())
    PAGE.write_text(page())
