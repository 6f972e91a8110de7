"""A language model writes: from tokens drawn one by one to pieces of text."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ostinato.data.tokenisers import Tokeniser
from ostinato.decoding import Sampling, StopStrings, generate
from ostinato.models import LanguageModel
from ostinato.state import select


def predict(
    model: LanguageModel,
    tokeniser: Tokeniser,
    prompt: str = "",
    *,
    length: int = 200,
    samples: int = 1,
    seed: int = 0,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    may_end: bool = False,
) -> Iterator[list[str]]:
    """Let the model write on from `prompt`, a piece of text a sample and step as it comes.

    Args:
        model: in evaluation mode.
        tokeniser: the model's own.
        prompt: what the text begins with; it is not repeated.
        length: tokens to write at most.
        samples: texts written side by side.
        seed: of the drawing; the same seed gives the same texts.
        sampling: temperature and the like; None: as the model says.
        stop: strings that end a sample; they are left out.
        may_end: whether the model may end the text by itself.
    """
    device = next(model.parameters()).device
    start = [tokeniser.end_index, *tokeniser.encode(prompt)]
    state = _state_before_last(model, torch.tensor([start], device=device), samples)
    steps = generate(
        model.prepared_step(state),
        state,
        torch.full((samples,), start[-1], device=device),
        sampling or Sampling(),
        length=length,
        end_index=tokeniser.end_index if may_end else None,
        forbidden=_forbidden(tokeniser, may_end),
        seen=_seen(start[1:], samples, model.vocabulary_size, device),
        generator=torch.Generator(device).manual_seed(seed),
    )
    writers = [_Writer(tokeniser, stop) for _ in range(samples)]
    for tokens, ended in steps:
        drawn = zip(writers, tokens.tolist(), ended.tolist(), strict=True)
        yield [writer.write(token, over) for writer, token, over in drawn]
        if all(writer.ended for writer in writers):
            return
    yield [writer.finish() for writer in writers]


class _Writer:
    """One sample: its tokens become text, up to a stop string or its end."""

    def __init__(self, tokeniser: Tokeniser, stop: Sequence[str]) -> None:
        self.decoder = tokeniser.stream_decoder()
        self.text = StopStrings(stop)
        self.ended = False

    def write(self, token: int, over: bool) -> str:
        """The text that can be shown after `token`, which is the end where it is `over`."""
        if self.ended:
            return ""
        if over:
            return self.finish()
        shown, self.ended = self.text.feed(self.decoder.feed(token))
        return shown

    def finish(self) -> str:
        """What was held back in case more came."""
        if self.ended:
            return ""
        self.ended = True
        shown, stopped = self.text.feed(self.decoder.finish())
        return shown if stopped else shown + self.text.finish()


@torch.no_grad()
def _state_before_last(model: LanguageModel, tokens: Tensor, samples: int) -> object:
    """The state after all of `tokens` (1, time) but the last, once for each sample."""
    state = model.initial_state(1)
    if tokens.shape[1] > 1:
        _, state = model(tokens[:, :-1], state)
    return select(state, torch.zeros(samples, dtype=torch.long, device=tokens.device))


def _forbidden(tokeniser: Tokeniser, may_end: bool) -> list[int]:
    """The unknown token spells nothing; the end is learnt only where there were several texts."""
    tokens = [] if tokeniser.unknown_index is None else [tokeniser.unknown_index]
    return tokens if may_end else [*tokens, tokeniser.end_index]


def _seen(prompt: list[int], samples: int, vocabulary_size: int, device: torch.device) -> Tensor:
    """Booleans (samples, vocabulary), True for the prompt's tokens."""
    seen = torch.zeros(samples, vocabulary_size, dtype=torch.bool, device=device)
    seen[:, prompt] = True
    return seen
