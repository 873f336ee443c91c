"""Thirty tasks of digits, each with its own order of pixels and names of classes.

A network that keeps its plasticity fits each task as well as the first.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from learndyn.simulation import nets, tasks, train

TASKS, STEPS, BATCH, SEEDS = 30, 100, 64, 5
RULES = {
    "ReLU, Adam": (jax.nn.relu, optax.adam(0.01)),
    "tanh, SGD with momentum": (jnp.tanh, optax.sgd(0.5, momentum=0.9)),
}
ARMS = {"no decay": (0, 0), "decay": (0.003, 0), "syre": (0.003, 0.1)}
data, unseen = tasks.digits(1200, dtype=jnp.float32)
center = data.x.reshape(-1, 64).mean(0)
pixels, test = (part.x.reshape(-1, 64) - center for part in (data, unseen))


def stream(activation, rule, arm, key):
    """Test accuracy at the end of each task."""
    decay, scale = arm
    init, apply = nets.pure(
        lambda rngs: nets.MLP(
            (64, 32, 32, 10), activation=activation, dtype=jnp.float32, rngs=rngs
        )
    )
    first, second, rest = jax.random.split(key, 3)
    anchor = jax.tree.map(lambda leaf: scale * leaf, init(second))

    def task(psi, key):
        of_pixels, of_names, of_run = jax.random.split(key, 3)
        order = jax.random.permutation(of_pixels, 64)
        names = jax.random.permutation(of_names, 10)

        def loss(psi, key):
            batch = tasks.minibatch(tasks.Data(pixels[:, order], data.y), BATCH, key)
            pull = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), psi, anchor)
            fit = tasks.cross_entropy(apply(psi, batch.x), names[batch.y])
            return fit + decay / 2 * sum(jax.tree.leaves(pull))

        psi = train.descend(
            loss,
            psi,
            rule,
            steps=STEPS,
            every=STEPS,
            observe=lambda psi, state: (),
            key=of_run,
        ).params
        return psi, tasks.accuracy(apply(psi, test[:, order]), names[unseen.y])

    return jax.lax.scan(task, init(first), jax.random.split(rest, TASKS))[1]


def run():
    """Accuracies of shape [rule, arm, seed, task]."""
    arms = jnp.asarray(list(ARMS.values()), jnp.float32)
    keys = jax.random.split(jax.random.key(2025), SEEDS)
    found = [
        train.sweep(
            lambda arm, key, a=activation, r=rule: stream(a, r, arm, key),
            arm=arms,
            key=keys,
        )
        for activation, rule in RULES.values()
    ]
    return {"accuracy": np.stack(found).astype(np.float32)}
