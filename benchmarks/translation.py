"""Ours beside JoeyNMT on Multi30k, German to English: training, then translating the test.

Both train a network of the same sizes (see `environments/joeynmt_multi30k.py`) for the same number
of updates of about 113 pairs in float32, with one thread, and take turns of half a minute, each
stopped while the other works, so that both meet the same load. Then each translates the 1,000
sentences of test_2016_flickr with its best weights, greedily and with a beam of 5, in turns as
well. Times are the processor's (user and system); those of training hold reading the data, learning
the pieces, compiling and two validations, for which JoeyNMT also translates. BLEU and chrF are
sacreBLEU's (13a, cased).

    scripts/peer-environment joeynmt
    OSTINATO_DATA=FOLDER python benchmarks/translation.py RUNS --updates 600
    OSTINATO_DATA=FOLDER python benchmarks/translation.py RUNS --only translate   (what is trained)

What was seen: benchmarks/README.md.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from ostinato import load_translator
from ostinato.data import read_pairs
from ostinato.decoding import Beam
from ostinato.tasks.translation.evaluation import score
from ostinato.tasks.translation.run import TranslationRun

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / ".peers/joeynmt/bin/python"
WORKER = ROOT / "benchmarks/environments/joeynmt_multi30k.py"
TURN_SECONDS = 30.0
BEAMS = (1, 5)
SETTINGS = {
    "vocabulary-size": 5000,
    "hidden-size": 512,
    "embedding-size": 256,
    "dropout": 0.3,
    "label-smoothing": 0.1,
    "learning-rate": 2e-3,
    "schedule": "cosine",
    "final-rate": 0.05,
    "warm-up": 100,
    "threads": 1,
}


def our_training(folder: Path, updates: int) -> list[str]:
    data = Path(os.environ["OSTINATO_DATA"]) / "translation/multi30k"
    files = {
        "source": data / "train.de.gz",
        "target": data / "train.en.gz",
        "valid-source": data / "val.de.gz",
        "valid-target": data / "val.en.gz",
    }
    more = {"updates": updates, "validate-every": updates // 2, "run": folder / "ours"}
    settings = {**files, **SETTINGS, **more}
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "ostinato.cli", "train", "translation", "--tied", *words]


def their_training(folder: Path, updates: int) -> list[str]:
    options = ["--updates", str(updates), "--validate-every", str(updates // 2)]
    return [str(PEER), str(WORKER), str(folder / "joeynmt"), *options]


def in_turns(commands: dict[str, list[str]], folder: Path) -> dict[str, float]:
    """Run the commands one at a time, by turns; gives the processor's seconds of each."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    used: dict[str, float] = {}
    for name, command in commands.items():
        with (folder / f"{name}.log").open("wb") as log:
            running[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        running[name].send_signal(signal.SIGSTOP)
    while running:
        for name, process in list(running.items()):
            process.send_signal(signal.SIGCONT)
            usage = finished(process.pid, TURN_SECONDS)
            if usage is None:
                process.send_signal(signal.SIGSTOP)
                continue
            used[name] = usage
            del running[name]
    return used


def finished(pid: int, seconds: float) -> float | None:
    """Wait so long for a process; the processor's seconds that it took, None if it goes on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            if status:
                sys.exit(f"a training failed: see its log ({status})")
            return usage.ru_utime + usage.ru_stime
        time.sleep(0.2)
    return None


def our_translations(run: TranslationRun, beam_size: int) -> dict[str, float]:
    """The test as our best weights translate it, its worth and the time."""
    data = Path(os.environ["OSTINATO_DATA"]) / "translation/multi30k"
    pairs = read_pairs(data / "test_2016_flickr.de.gz", data / "test_2016_flickr.en.gz")
    used = time.process_time()
    texts = run.translate(pairs.sources, beam=Beam(beam_size, length_penalty=1.0))
    seconds = time.process_time() - used
    figures = score(texts, pairs.targets)
    return {
        "bleu": figures["bleu"],
        "chrf": figures["chrf"],
        "sentences_a_second": len(texts) / seconds,
    }


def their_translations(folder: Path, beam_size: int) -> dict[str, float]:
    command = [str(PEER), str(WORKER), str(folder / "joeynmt"), "--translate", str(beam_size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])


def compare_translations(folder: Path, rounds: int) -> None:
    run = load_translator(folder / "ours")
    for beam_size in BEAMS:
        for _ in range(rounds):
            for name, found in (
                ("ours", our_translations(run, beam_size)),
                ("joeynmt", their_translations(folder, beam_size)),
            ):
                print(json.dumps({"beam": beam_size, "who": name, **found}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="new, or with what is trained")
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2, help="of translating")
    parser.add_argument("--only", choices=("train", "translate"))
    options = parser.parse_args()
    if not PEER.exists():
        sys.exit("no .peers/joeynmt; make it: scripts/peer-environment joeynmt")
    if "OSTINATO_DATA" not in os.environ:
        sys.exit("set OSTINATO_DATA to the folder that holds translation/multi30k")
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if options.only != "translate":
        commands = {
            "ours": our_training(folder, options.updates),
            "joeynmt": their_training(folder, options.updates),
        }
        print(json.dumps({"training_processor_seconds": in_turns(commands, folder)}), flush=True)
    if options.only != "train":
        torch.set_num_threads(1)
        compare_translations(folder, options.rounds)


if __name__ == "__main__":
    main()
