"""Training a tagger with a conditional random field, and Viterbi's algorithm, beside plain torch.

    scripts/peer-environment crf
    python benchmarks/tagging.py [--busy]

The peer is a BiLSTM-CRF as one writes it: a DataLoader that pads, a packed `nn.LSTM`, pytorch-crf.
Training is one pass over 512 sentences of 3 to 60 tokens, 23 labels (as CoNLL-2000's chunks),
batches of 32, without characters, with the same weights at its start, whose losses are compared
first. Then the field alone: its loss with gradients, and its best labels, of one padded batch.
"""

from collections.abc import Callable

import torch
from peers.beside import beside
from peers.comparison import Case, check_agreement, compare_all, parser_of, settings_of
from peers.one_epoch import one_epoch
from peers.plain_tagger import PlainTagger, Sample, collate, train_an_epoch
from torch import Tensor, nn

import ostinato
from ostinato.data.tagging.batches import TagBatches
from ostinato.data.tagging.codec import TagCodec
from ostinato.data.tagging.part import TaggedPart, encode_tagged
from ostinato.data.tagging.sentences import Sentence, TaggedText
from ostinato.layers import load_torch_state_dict
from ostinato.training import ThroughLabels

COUNT, WORDS, SIZE, HIDDEN, LABELS, BATCH = 512, 5000, 100, 100, 23, 32
RESERVED = 2  # padding and unknown come before the words


def sentences() -> list[Sample]:
    generator = torch.Generator().manual_seed(0)

    def drawn(most: int, count: int) -> Tensor:
        return torch.randint(most, (count,), generator=generator)

    lengths = (3 + drawn(58, COUNT)).tolist()
    return [(RESERVED + drawn(WORDS, length), drawn(LABELS, length)) for length in lengths]


def as_part(samples: list[Sample]) -> TaggedPart:
    codec = TagCodec(
        tuple(f"w{number}" for number in range(WORDS)),
        (1,) * WORDS,
        tuple("w0123456789"),
        tuple(f"L{number}" for number in range(LABELS)),
        lowercase=False,
        digits_alike=False,
    )
    found = [
        Sentence(
            tuple(codec.words[word - RESERVED] for word in words.tolist()),
            tuple(codec.labels[label] for label in labels.tolist()),
            tuple(range(1, len(words) + 1)),
        )
        for words, labels in samples
    ]
    return encode_tagged(TaggedText(found, "random"), codec)


def both_models() -> tuple[ostinato.Tagger, PlainTagger]:
    plain = PlainTagger(beside("crf", "torchcrf"), WORDS + RESERVED, SIZE, HIDDEN, LABELS)
    layer = ostinato.LSTM(SIZE, HIDDEN, bidirectional=True)
    load_torch_state_dict(layer, plain.lstm.state_dict())
    features = ostinato.WordFeatures(WORDS + RESERVED, SIZE)
    ours = ostinato.Tagger(features, layer, LABELS, conditional_random_field=True)
    features.embedding.load_state_dict(plain.embedding.state_dict())
    ours.output.load_state_dict(plain.output.state_dict())
    same_field(ours.crf, plain.crf)
    return ours, plain


def same_field(ours: ostinato.LinearChainCRF | None, theirs: nn.Module) -> None:
    assert ours is not None
    weights = {
        "start": theirs.get_parameter("start_transitions"),
        "end": theirs.get_parameter("end_transitions"),
        "transitions": theirs.get_parameter("transitions"),
    }
    ours.load_state_dict(weights)


def our_epoch(model: ostinato.Tagger, part: TaggedPart) -> Callable[[], None]:
    """One pass by the trainer."""
    return one_epoch(
        ThroughLabels(model), lambda: TagBatches(part, tokens=1 << 16, sentences=BATCH, seed=0)
    )


def training() -> Case:
    samples = sentences()
    ours, plain = both_models()
    words, labels, lengths = collate(samples[:BATCH])
    scores = ours.eval()(words, words.unsqueeze(2), words, lengths)
    found = ours.loss(scores, labels, lengths).sum()
    check_agreement(found, plain.loss(words, labels, lengths), 2e-3)
    optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3)
    return Case(
        f"training, BiLSTM-CRF h={HIDDEN}, {COUNT} sentences",
        "torch, pytorch-crf",
        our_epoch(ours.train(), as_part(samples)),
        lambda: train_an_epoch(plain, optimiser, samples, BATCH),
        tolerance=None,
    )


def batch_of_scores() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    lengths = torch.randint(3, 61, (BATCH,))
    time = int(lengths.max())
    labels = torch.randint(LABELS, (BATCH, time))
    return torch.randn(BATCH, time, LABELS), labels, lengths, torch.arange(time) < lengths[:, None]


def field_loss() -> Case:
    ours, plain = ostinato.LinearChainCRF(LABELS), beside("crf", "torchcrf").CRF(LABELS, True)
    same_field(ours, plain)
    scores, labels, lengths, mask = batch_of_scores()
    scores.requires_grad_()

    def gradients(loss: Tensor, module: nn.Module) -> dict[str, Tensor]:
        wanted = {"scores": scores, "transitions": module.get_parameter("transitions")}
        found = torch.autograd.grad(loss, list(wanted.values()))
        return {"loss": loss.detach().view(1), **dict(zip(wanted, found, strict=True))}

    return Case(
        f"the field's loss and gradients, {BATCH} x {scores.shape[1]}",
        "pytorch-crf",
        lambda: gradients(ours.loss(scores, labels, lengths).sum(), ours),
        lambda: gradients(-plain(scores, labels, mask, reduction="sum"), plain),
    )


def viterbi(batch: int, time: int) -> Callable[[], Case]:
    def make() -> Case:
        ours, plain = ostinato.LinearChainCRF(LABELS), beside("crf", "torchcrf").CRF(LABELS, True)
        same_field(ours, plain)
        scores = torch.randn(batch, time, LABELS)
        lengths = torch.randint(time // 2, time + 1, (batch,))
        mask = torch.arange(time) < lengths[:, None]
        mask[0], lengths[0] = True, time

        def theirs() -> Tensor:
            with torch.no_grad():
                found = plain.decode(scores, mask)
            rows = [torch.tensor(one) for one in found]
            return nn.utils.rnn.pad_sequence(rows, batch_first=True).float()

        return Case(
            f"Viterbi, {batch} x {time}",
            "pytorch-crf",
            lambda: ours.decode(scores, lengths)[0].float(),
            theirs,
        )

    return make


def main() -> None:
    options = parser_of(__doc__, seconds=4.0).parse_args()
    tokens = sum(len(words) for words, _ in sentences())
    makers = [training, field_loss, viterbi(32, 60), viterbi(256, 60), viterbi(1, 60)]
    for record in compare_all(makers, settings_of(options), "tagging"):
        if record.case.startswith("training"):
            told = tokens / record.our_seconds, tokens / record.peer_seconds
            print("{}: {:,.0f} tokens/s, {:,.0f}".format(record.case, *told))


if __name__ == "__main__":
    main()
