"""From settings to a tagger."""

import torch

from ostinato.data.tagging.codec import PAD_INDEX, UNKNOWN_INDEX, TagCodec
from ostinato.data.tagging.word_vectors import WordVectors
from ostinato.models import (
    ColumnFeatures,
    ConvolutionalSpelling,
    RecurrentSpelling,
    Tagger,
    WordFeatures,
)
from ostinato.tasks.recurrent import build_stack
from ostinato.tasks.tagging.settings import TaggingSettings

EMBEDDING_SIZE = 100
_SPELLINGS = {"recurrent": RecurrentSpelling, "convolution": ConvolutionalSpelling}


def build(settings: TaggingSettings, codec: TagCodec, embedding_size: int) -> Tagger:
    """The tagger that the settings describe, its weights drawn anew.

    Args:
        settings: of the run.
        codec: knows how many words, characters and labels there are.
        embedding_size: features of a word.

    Raises:
        SettingsError: options that do not go together.
    """
    spelling = None
    if settings.characters != "ignored":
        spelling = _SPELLINGS[settings.characters](
            codec.character_count, settings.character_size, settings.spelling_size
        )
    columns = None
    if codec.features:
        counts = [(1, 1, *one) for one in codec.feature_counts]
        columns = ColumnFeatures(counts, settings.feature_size, word_dropout=settings.word_dropout)
    features = WordFeatures(
        codec.word_count,
        embedding_size,
        spelling,
        counts=torch.tensor([1, 1, *codec.counts]),
        word_dropout=settings.word_dropout,
        columns=columns,
    )
    features.embedding.weight.requires_grad_(not settings.fixed_embeddings)
    return Tagger(
        features,
        build_stack(settings, features.output_size, bidirectional=settings.bidirectional),
        len(codec.labels),
        conditional_random_field=settings.output == "crf",
        dropout=settings.dropout,
    )


@torch.no_grad()
def put_vectors(tagger: Tagger, codec: TagCodec, vectors: WordVectors) -> None:
    """Start from pretrained vectors, those of the words that have none at about their length."""
    weight = tagger.features.embedding.weight
    known = torch.from_numpy(vectors.vectors).to(weight)
    deviation = known.std() if len(known) > 1 else known.new_tensor(0.1)
    weight.normal_().mul_(deviation)
    weight[codec.word_indices(vectors.words)] = known
    weight[UNKNOWN_INDEX] = known.mean(0)
    weight[PAD_INDEX] = 0
