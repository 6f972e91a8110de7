"""Multi30k, German to English: a recurrent translator with attention, one without, a Transformer.

The 29,000 captions are read as 5,000 pieces of words a language, learnt from them, with their case
and punctuation as they stand. A bidirectional LSTM of 256 units each way reads, one of 512 writes:
with attention (Luong's general score after the step), or from the encoder's last state alone, the
source read from its end (Sutskever 2014). The Transformer has two blocks a side, of 256 features,
and learns from smaller batches. All learn by AdamW with a rate that rises at first and falls to 0
as a cosine, with label smoothing 0.1 and dropout, and with bfloat16 products, or in 32 bits with
`--precision 32` where the processor has no instructions for bfloat16.

    OSTINATO_DATA=FOLDER python recipes/multi30k.py attention
    OSTINATO_DATA=FOLDER python recipes/multi30k.py plain
    OSTINATO_DATA=FOLDER python recipes/multi30k.py transformer
    OSTINATO_DATA=FOLDER python recipes/multi30k.py attention --pair en-fr     (English to French)

Reported are BLEU (sacreBLEU, 13a, cased) and chrF of test_2016_flickr, a beam of 5, one reference,
with sacreBLEU's signature, and the processor's seconds. Published, each with its own tokenisation
and in lower case, so that they say only roughly where one stands: attention 28.1, Transformer 36.5
(bentrevett/pytorch-seq2seq).

Ours: see recipes/README.md. Beside JoeyNMT: benchmarks/translation.py.
"""

import argparse
import json
import os
import resource
import sys
from pathlib import Path

from commands import as_options, call_ostinato, figures_of

FOLDER = "translation/multi30k"
SHARED = {
    "vocabulary-size": 5000,
    "dropout": 0.3,
    "label-smoothing": 0.1,
    "schedule": "cosine",
    "warm-up": 100,
    "precision": "bf16",
}
RECURRENT = SHARED | {"hidden-size": 512, "embedding-size": 256, "learning-rate": 2e-3}
MODELS = {
    "attention": RECURRENT | {"tied": True, "updates": 1200},
    "plain": RECURRENT | {"reverse-source": True, "updates": 1200},
    "transformer": SHARED
    | {
        "hidden-size": 256,
        "layers": 2,
        "heads": 4,
        "tied": True,
        "dropout": 0.1,
        "batch-tokens": 1024,
        "learning-rate": 1.5e-3,
        "warm-up": 200,
        "updates": 2500,
    },
}


def find_files(part: str, pair: str) -> dict[str, Path]:
    """Both languages of a part under $OSTINATO_DATA; ends with a reason where they are not."""
    root = os.environ.get("OSTINATO_DATA")
    if not root:
        sys.exit(f"skipped: set OSTINATO_DATA to the folder that holds {FOLDER}")
    folder = Path(root) / FOLDER
    sides = zip(("source", "target"), pair.split("-"), strict=True)
    files = {side: folder / f"{part}.{language}.gz" for side, language in sides}
    for file in files.values():
        if not file.is_file():
            sys.exit(f"skipped: there is no {file}")
    return files


def processor_seconds() -> float:
    """The processor's time of all commands that were run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--pair", choices=("de-en", "en-de", "en-fr", "fr-en"), default="de-en")
    parser.add_argument("--updates", type=int)
    parser.add_argument("--precision", choices=("bf16", "32"), default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--run")
    options = parser.parse_args()
    pair = options.pair
    run = options.run or f"runs/multi30k-{pair}-{options.model}"
    settings = {**find_files("train", pair), **MODELS[options.model], "model": options.model}
    settings |= {f"valid-{side}": file for side, file in find_files("val", pair).items()}
    settings |= {"run": run, "threads": options.threads, "seed": options.seed}
    settings["precision"] = options.precision
    if options.updates is not None:
        settings["updates"] = options.updates
    call_ostinato("train", "translation", *as_options(settings))
    trained = processor_seconds()
    test = as_options({**find_files("test_2016_flickr", pair), "beam-size": options.beam_size})
    figures = figures_of("evaluate", run, *test)
    seconds = {"training": round(trained, 1), "test": round(processor_seconds() - trained, 1)}
    print(json.dumps({"test_2016_flickr": figures, "processor_seconds": seconds}))


if __name__ == "__main__":
    main()
