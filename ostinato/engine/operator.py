"""The compiled loop as two operators of torch: what `torch.compile`, `torch.export` and
`torch.func` can see and carry along.

    recurrence_forward(given, marks, kind, reverse, save)       -> results and, on request, saved
    recurrence_backward(gradients, given, marks, saved, kind, reverse, weights) -> gradients

    given      inputs (batch, time, feature), states, what resets return to, parameters: all that
               has a gradient
    marks      lengths, resets, the mask of recurrent dropout, the parts of zoneout
    kind       the key of the traced step (`kinds`): a constant in graphs
    results    outputs (batch, time, output), the final states, the states of all steps if traced so
    saved      parts of the loop's memory, (rows, width) each, or (0,): then the backward operator
               runs the loop forward again
    gradients  one for each of `given`; of shape (0,) where nothing can flow, and, unless `weights`,
               for the parameters

Outputs share no memory with each other or with what is given, and the backward operator leaves
`saved` as it is: a graph may be gone through twice. How they are computed, differentiated
and mapped over stands in `operator_kernels`, `operator_gradients` and `operator_mapping`.
"""

from ostinato.engine import operator_gradients, operator_kernels, operator_mapping
from ostinato.engine.operator_kernels import BACKWARD, FORWARD

__all__ = ["BACKWARD", "FORWARD"]

for _part in (operator_kernels, operator_gradients, operator_mapping):
    _part.register()
