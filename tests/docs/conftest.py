"""The command `ostinato` for the samples of the documentation."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm_server import COMMAND


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What goes before PATH: a folder with `ostinato`, answered by one process for all pages."""
    folder = tmp_path_factory.mktemp("programs")
    path = folder / "socket"
    command = folder / "ostinato"
    command.write_text(COMMAND.format(python=sys.executable, path=str(path)))
    command.chmod(0o755)
    server = subprocess.Popen([sys.executable, Path(__file__).parent / "warm_server.py", path])
    try:
        while not path.exists():
            assert server.poll() is None, "the server of commands could not start"
            time.sleep(0.05)
        yield os.pathsep.join([str(folder), str(Path(sys.executable).parent)])
    finally:
        server.terminate()
        server.wait()
