"""The fenced samples of the documentation, and how they are run.

    bash      run by bash, stops at the first command that fails
    python    run, after those before it on the page; a first line `# name.py` also saves it there
    pycon     run, and what it prints must be what the page shows
    console   shown only

All samples of a page run in order, in one folder. Trainings and their text are shortened.
"""

import doctest
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED_FILE = re.compile(r"# (\w+\.py)\n")
_SHORTER = (
    (re.compile(r"(--updates |updates=)\d+"), r"\g<1>4"),
    (re.compile(r"(--hidden-size |hidden_size=)\d+"), r"\g<1>16"),
    (re.compile(r"join\(topics\.values\(\)\)"), r"\g<0>[:20000]"),
)


@dataclass(frozen=True)
class Sample:
    """A fenced sample: its language, its text, and the line it begins at."""

    language: str
    text: str
    line: int


def read_samples(page: Path) -> list[Sample]:
    """All samples of a page, in order."""
    content = page.read_text(encoding="utf-8")
    return [
        Sample(found[1], found[2], content.count("\n", 0, found.start(2)) + 1)
        for found in _FENCE.finditer(content)
    ]


def run_page(page: Path) -> None:
    """Run the samples of a page in the present folder.

    Raises:
        AssertionError: a command failed, or a sample printed something else than the page shows.
    """
    names: dict[str, object] = {"__name__": "sample"}
    for sample in read_samples(page):
        if sample.language in _RUNNERS:
            _RUNNERS[sample.language](sample, f"{page.name}, line {sample.line}", names)


def _run_bash(sample: Sample, where: str, names: dict[str, object]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _shortened(sample.text)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{where} ended with {done.returncode}:\n{done.stderr}"


def _run_python(sample: Sample, where: str, names: dict[str, object]) -> None:
    named = _NAMED_FILE.match(sample.text)
    if named:
        Path(named[1]).write_text(sample.text, encoding="utf-8")
    exec(compile(_shortened(sample.text), where, "exec"), names)


def _run_session(sample: Sample, where: str, names: dict[str, object]) -> None:
    session = doctest.DocTestParser().get_doctest(sample.text, names, where, where, sample.line)
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
        session, out=told.append, clear_globs=False
    )
    names.update(session.globs)
    assert not told, "".join(told)


def _shortened(text: str) -> str:
    for pattern, replacement in _SHORTER:
        text = pattern.sub(replacement, text)
    return text


_RUNNERS: dict[str, Callable[[Sample, str, dict[str, object]], None]] = {
    "bash": _run_bash,
    "python": _run_python,
    "pycon": _run_session,
}
