"""What is told when a training is over."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from ostinato.cli.trainings import print_outcome

_RECORD = {"update": 10, "epoch": 0, "updates_per_s": 5.0, "examples_per_s": 640.0}


@pytest.mark.parametrize(
    ("waiting", "seconds", "advised"), [(0.43, 30.0, True), (0.1, 30.0, False), (0.9, 2.0, False)]
)
def test_the_end_tells_how_long_updates_waited_and_what_helps(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    waiting: float,
    seconds: float,
    advised: bool,
) -> None:
    fixed = {"task": "planning", "cell": "lstm", "fingerprint": "", "sources": []}
    (tmp_path / "run.json").write_text(json.dumps(fixed))
    (tmp_path / "config.toml").write_text("")
    record = _RECORD | {"waiting_share": waiting, "seconds": seconds}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    print_outcome(SimpleNamespace(folder=tmp_path, figure=tmp_path / "loss.png"))
    told = capsys.readouterr().out
    assert told.startswith(
        f"speed: 5 updates/s, 640 examples/s; updates waited for examples {waiting:.0%} of the time"
    )
    assert ("more --workers would prepare examples" in told) == advised
