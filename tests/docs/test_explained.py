"""What the documentation shows of `ostinato engines --explain` is what the command prints."""

import pytest
from samples import ROOT, Sample, read_samples

from ostinato.cli.main import main

PAGE = ROOT / "docs" / "how-the-engine-works.md"
PROMPT = "$ ostinato engines --explain "
SHOWN = [sample for sample in read_samples(PAGE) if sample.text.startswith(PROMPT)]


@pytest.mark.parametrize("sample", SHOWN, ids=lambda sample: sample.text.split("\n")[0])
def test_page_shows_what_the_command_prints(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    command, shown = sample.text.split("\n", 1)
    assert main(command.removeprefix("$ ostinato ").split()) == 0
    assert capsys.readouterr().out.startswith(shown)


def test_page_shows_three_cells() -> None:
    assert len(SHOWN) == 3


def test_picture_of_the_page_is_small() -> None:
    picture = ROOT / "docs" / "pictures" / "lstm-stages.png"
    assert f"](pictures/{picture.name})" in PAGE.read_text(encoding="utf-8")
    assert picture.stat().st_size < 150_000
