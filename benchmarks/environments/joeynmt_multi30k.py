"""JoeyNMT on Multi30k, German to English, in its own environment: train, then translate the test.

    .peers/joeynmt/bin/python benchmarks/environments/joeynmt_multi30k.py FOLDER --updates 2000
    .peers/joeynmt/bin/python benchmarks/environments/joeynmt_multi30k.py FOLDER --translate 1 5

FOLDER gets the data as JoeyNMT reads it (a sentence a line, sentencepiece's BPE of 5,000 pieces a
language), its configuration and its run. The network has the sizes of `recipes/multi30k.py`: an
LSTM of 256 units each way, one of 512 that writes, Luong's attention, tokens of 256 features. What
JoeyNMT does otherwise is as in its own configurations: input feeding, a bridge, an output matrix of
its own, batches of a number of sentences in the order of chance. It prints JSON: the processor's
seconds, and with --translate also BLEU and chrF as sacreBLEU counts them, for each size of a beam.
"""

import argparse
import gzip
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import sacrebleu
import sentencepiece
import yaml
from joeynmt.config import load_config, parse_global_args
from joeynmt.prediction import predict, prepare
from joeynmt.training import train

LANGUAGES = ("de", "en")
PAIRS = 29_000
FINAL_RATE = 0.05
PARTS = {"train": "train", "dev": "val", "test": "test_2016_flickr"}
SPECIAL = {
    "unk_token": "<unk>",
    "unk_id": 0,
    "pad_token": "<pad>",
    "pad_id": 1,
    "bos_token": "<s>",
    "bos_id": 2,
    "eos_token": "</s>",
    "eos_id": 3,
}


def write_data(folder: Path, pieces: int) -> None:
    data = Path(os.environ["OSTINATO_DATA"]) / "translation/multi30k"
    for language in LANGUAGES:
        for part, name in PARTS.items():
            with gzip.open(data / f"{name}.{language}.gz", "rt", encoding="utf-8") as file:
                lines = [line.strip() for line in file]
            text = "\n".join(lines) + "\n"
            (folder / f"{part}.{language}").write_text(text, encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / f"train.{language}"),
            model_prefix=str(folder / language),
            vocab_size=pieces,
            model_type="bpe",
            character_coverage=1.0,
            unk_id=SPECIAL["unk_id"],
            pad_id=SPECIAL["pad_id"],
            bos_id=SPECIAL["bos_id"],
            eos_id=SPECIAL["eos_id"],
            minloglevel=2,
        )
        known = (folder / f"{language}.vocab").read_text(encoding="utf-8").splitlines()
        names = "\n".join(line.split("\t")[0] for line in known) + "\n"
        (folder / f"{language}.pieces").write_text(names, encoding="utf-8")


def configuration(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    def side(language: str) -> dict[str, Any]:
        return {
            "lang": language,
            "max_length": 200,
            "level": "bpe",
            "voc_min_freq": 1,
            "voc_file": str(folder / f"{language}.pieces"),
            "tokenizer_type": "sentencepiece",
            "tokenizer_cfg": {"model_file": str(folder / f"{language}.model")},
        }

    def layer(size: int) -> dict[str, Any]:
        embeddings = {"embedding_dim": 256}
        return {
            "type": "recurrent",
            "rnn_type": "lstm",
            "embeddings": embeddings,
            "hidden_size": size,
            "dropout": options.dropout,
            "num_layers": 1,
        }

    passes = options.updates * options.batch_size / PAIRS
    factor = FINAL_RATE ** (1 / max(1.0, passes))
    return {
        "name": "multi30k",
        "model_dir": str(folder / "run"),
        "use_cuda": False,
        "fp16": False,
        "random_seed": options.seed,
        "data": {
            **{part: str(folder / part) for part in PARTS},
            "dataset_type": "plain",
            "special_symbols": SPECIAL,
            "src": side(LANGUAGES[0]),
            "trg": side(LANGUAGES[1]),
        },
        "training": {
            "optimizer": "adamw",
            # It falls at the beginning of each pass, of the first one, too. The schedule with a
            # warm-up cannot be built in this release.
            "learning_rate": options.learning_rate / factor,
            "scheduling": "exponential",
            "decrease_factor": factor,
            "learning_rate_min": 1e-8,
            "clip_grad_norm": 1.0,
            "label_smoothing": 0.1,
            "normalization": "tokens",
            "batch_type": "sentence",
            "batch_size": options.batch_size,
            "epochs": 1000,
            "updates": options.updates,
            "validation_freq": options.validate_every,
            "logging_freq": 10,
            "early_stopping_metric": "loss",
            "overwrite": True,
            "shuffle": True,
            "print_valid_sents": [],
            "keep_best_ckpts": 1,
        },
        "testing": {
            "n_best": 1,
            "beam_size": 1,
            "beam_alpha": 1.0,
            "batch_size": options.rows,
            "batch_type": "sentence",
            "max_output_length": 100,
            "eval_metrics": [],
            "generate_unk": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "bias_initializer": "zeros",
            "embed_initializer": "normal",
            "embed_init_weight": 0.1,
            "encoder": {**layer(256), "bidirectional": True},
            "decoder": {
                **layer(512),
                "hidden_dropout": options.dropout,
                "input_feeding": True,
                "init_hidden": "bridge",
                "attention": "luong",
            },
        },
    }


def translated(settings: dict[str, Any], beam_size: int) -> dict[str, Any]:
    """The test as the best checkpoint translates it, its worth and the time."""
    arguments = parse_global_args(settings, rank=0, mode="test")
    model, _, _, test = prepare(arguments, rank=0, mode="test")
    best = arguments.test._replace(beam_size=beam_size)
    used = time.process_time()
    hypotheses = predict(
        model=model,
        data=test,
        compute_loss=False,
        device=arguments.device,
        n_gpu=arguments.n_gpu,
        rank=0,
        normalization="none",
        num_workers=0,
        args=best,
        autocast=arguments.autocast,
    )[2]
    seconds = time.process_time() - used
    references = Path(settings["data"]["test"] + ".en").read_text(encoding="utf-8").splitlines()
    return {
        "beam_size": beam_size,
        "bleu": sacrebleu.corpus_bleu(hypotheses, [references]).score,
        "chrf": sacrebleu.corpus_chrf(hypotheses, [references]).score,
        "processor_seconds": seconds,
        "sentences_a_second": len(hypotheses) / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=113, help="sentences")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--validate-every", type=int, default=500)
    parser.add_argument("--pieces", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=64, help="sentences translated at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--translate", type=int, nargs="+", help="sizes of the beam; no training")
    options = parser.parse_args()
    folder = options.folder.absolute()
    file = folder / "config.yaml"
    if options.translate is None:
        folder.mkdir(parents=True, exist_ok=True)
        write_data(folder, options.pieces)
        file.write_text(yaml.safe_dump(configuration(folder, options)))
        (folder / "run").mkdir(exist_ok=True)
        train(rank=0, world_size=None, cfg=load_config(file), skip_test=True)
        print(json.dumps({"processor_seconds": time.process_time()}))
        return
    settings = load_config(file)
    settings["testing"]["batch_size"] = options.rows
    for beam_size in options.translate:
        print(json.dumps(translated(settings, beam_size)), file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
