"""How fast a large text is prepared and read, and how much anonymous memory that takes.

    python benchmarks/text_memory.py --megabytes 300 --tokens characters

Makes a text of the size asked for in a temporary folder, tokenises it, reads an epoch of windows,
and prints the speed of each in MB of text a second and the peak of RssAnon (/proc/self/status, so
Linux only), torch included. The folder is removed at the end.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

from ostinato.data import TextReading, TokeniserSettings, TokenWindows, prepare_corpus

_WORDS = 200_000
_WORDS_A_BLOCK = 400_000
_REPEATS = 8


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "text.txt"
        _write_text(path, options.megabytes * 1_000_000)
        peak = _PeakMemory()
        started_mb = peak.now_mb()
        began = time.perf_counter()
        corpus = prepare_corpus(
            path,
            tokeniser=TokeniserSettings(options.tokens, options.vocabulary_size),
            reading=TextReading(options.document),
            cache=Path(folder) / "cache",
        )
        prepared = time.perf_counter()
        windows = TokenWindows(corpus.train, 64, 128, 128)
        counted = sum(windows[index].units for index in range(len(windows)))
        read = time.perf_counter()
        prepare_corpus(
            path,
            tokeniser=TokeniserSettings(options.tokens, options.vocabulary_size),
            reading=TextReading(options.document),
            cache=Path(folder) / "cache",
        )
        found = time.perf_counter()
        megabytes = path.stat().st_size / 1e6
    print(
        f"text              {megabytes:10.0f} MB, {options.tokens}, document = {options.document}"
    )
    print(f"vocabulary        {corpus.tokeniser.vocabulary_size:10d}")
    print(f"prepare           {megabytes / (prepared - began):10.1f} MB/s")
    print(f"read all windows  {megabytes * 0.9 / (read - prepared):10.1f} MB/s")
    print(f"find in the cache {megabytes / (found - read):10.1f} MB/s")
    print(f"targets read      {counted:10d} of {corpus.train.counted_targets}")
    print(f"RssAnon at start  {started_mb:10.0f} MB (torch imported)")
    print(f"RssAnon peak      {peak.stop_mb():10.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--tokens", default="characters")
    parser.add_argument("--vocabulary-size", type=int, default=None)
    parser.add_argument("--document", default="file")
    parser.add_argument("--folder", default=None, help="where the temporary folder is made")
    return parser.parse_args()


def _write_text(path: Path, size: int) -> None:
    """Words by Zipf's law, ten a line; blocks are repeated a few times to be quick."""
    random = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxzéßя"))
    words = [
        "".join(letters[np.minimum(random.geometric(0.12, random.integers(1, 10)) - 1, 28)])
        for _ in range(_WORDS)
    ]
    shares = 1 / np.arange(1, _WORDS + 1)
    with path.open("wb") as file:
        while file.tell() < size:
            chosen = random.choice(_WORDS, _WORDS_A_BLOCK, p=shares / shares.sum())
            lines = np.array([words[index] for index in chosen]).reshape(-1, 10)
            block = "".join(" ".join(line) + "\n" for line in lines.tolist()).encode()
            for _ in range(_REPEATS):
                file.write(block)


class _PeakMemory:
    """Watches this process's anonymous memory from a thread."""

    def __init__(self) -> None:
        self._peak_mb = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now_mb(self) -> float:
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
        return int(line.split()[1]) / 1000

    def stop_mb(self) -> float:
        self._stopped.set()
        self._thread.join()
        return self._peak_mb

    def _watch(self) -> None:
        while not self._stopped.wait(0.01):
            self._peak_mb = max(self._peak_mb, self.now_mb())


if __name__ == "__main__":
    main()
