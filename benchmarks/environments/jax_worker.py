"""An LSTM in JAX, with or without layer normalisation, as one trains it there.

The input's projection of all steps comes before the loop; `jax.lax.scan` over time;
`jax.value_and_grad`; all of it under one `jax.jit`. Compilation is timed from lowering
on, in seconds of the processor.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
from serve import Arrays, Prepared, serve

_EPSILON = 1e-5


def norm(x: jax.Array, gain: jax.Array) -> jax.Array:
    mean = jnp.mean(x, -1, keepdims=True)
    centred = x - mean
    variance = jnp.mean(centred * centred, -1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + _EPSILON) * gain


def outputs_of(weights: dict[str, jax.Array], inputs: jax.Array, *, normed: bool) -> jax.Array:
    """(time, batch, hidden) of inputs (time, batch, feature)."""
    recurrent_weight = weights["weight_hh"].T
    projected = inputs @ weights["weight_ih"].T
    if normed:
        projected = norm(projected, weights["norm_ih.weight"]) + weights["bias_ih"]
    else:
        projected = projected + weights["bias_ih"] + weights["bias_hh"]

    def step(state: tuple[jax.Array, jax.Array], entering: jax.Array) -> Any:
        hidden, memory = state
        recurrent = hidden @ recurrent_weight
        if normed:
            recurrent = norm(recurrent, weights["norm_hh.weight"])
        entry, forget, candidate, out = jnp.split(entering + recurrent, 4, -1)
        memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(entry) * jnp.tanh(candidate)
        seen = memory
        if normed:
            seen = norm(memory, weights["norm_memory.weight"]) + weights["norm_memory.bias"]
        hidden = jax.nn.sigmoid(out) * jnp.tanh(seen)
        return (hidden, memory), hidden

    zeros = jnp.zeros((inputs.shape[1], recurrent_weight.shape[0]))
    return jax.lax.scan(step, (zeros, zeros), projected)[1]


def prepare(options: dict[str, Any], arrays: Arrays) -> Prepared:
    """`arrays`: inputs and the gradient of the outputs (batch, time, ..), and the weights."""
    given = {name: jnp.asarray(array) for name, array in arrays.items()}
    inputs, gradient = (given.pop(name).swapaxes(0, 1) for name in ("inputs", "gradient"))

    def loss(weights: dict[str, jax.Array], inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs = outputs_of(weights, inputs, normed=options["normed"])
        return jnp.sum(outputs * gradient), outputs

    used = time.process_time()
    training = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    compiled = training.lower(given, inputs).compile()
    compile_seconds = time.process_time() - used

    def work() -> Arrays:
        (_, outputs), (into_weights, into_inputs) = jax.block_until_ready(compiled(given, inputs))
        return {
            "outputs": outputs.swapaxes(0, 1),
            "inputs": into_inputs.swapaxes(0, 1),
            **into_weights,
        }

    return work, compile_seconds


if __name__ == "__main__":
    serve(prepare)
