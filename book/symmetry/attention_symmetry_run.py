"""Small transformers on real text: three optimizers, with and without biases.

Learning rates are chosen first, for each optimizer and each kind of bias alike, on
a seed that is not used again. All runs of one seed share their start and batches.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from learndyn.simulation import language, nets, optimizers, tasks, train

HEADS, LAYERS, D, WIDTH, CONTEXT, BATCH = 4, 2, 8, 32, 32, 32
SEEDS, STEPS, EVERY, TUNING = 6, 1200, 100, 400
MEAN, NOISE, VALUE_NOISE = 0.5, np.linspace(0.05, 0.15, D), 0.05
FLOOR, CONCENTRATION = 1.0, 100.0
RULES = {
    "SGD with momentum": lambda rate: optax.sgd(rate, momentum=0.9),
    "AdamW": lambda rate: optax.adamw(rate, weight_decay=0.01),
    "ECD": lambda rate: optimizers.energy_conserving(rate, concentration=CONCENTRATION),
}
RATES = {
    "SGD with momentum": (0.1, 0.2, 0.4, 0.8),
    "AdamW": (0.004, 0.008, 0.016, 0.032),
    "ECD": (4.0, 8.0, 16.0, 32.0),
}
ARMS = {"none": (0, 0), "query": (1, 0), "query and value": (1, 1)}
OPTIONS = {"width": WIDTH, "heads": HEADS, "dtype": jnp.float32}
init, apply = nets.pure(
    lambda rngs: language.Transformer(
        layers=LAYERS, context=CONTEXT, **OPTIONS, rngs=rngs
    )
)
block = nets.pure(lambda rngs: language.Block(**OPTIONS, rngs=rngs))[1]
text, unseen = language.topics()
test = language.spread(unseen, 256, CONTEXT)


def cross_entropy(params, batch, biases):
    logits = apply(params, batch.x, *biases)
    return tasks.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch.y.ravel())


def mean_biases(arm):
    """What is used for testing: every coordinate alike, the value's mean is zero."""
    on = arm[0] * jnp.full((LAYERS, D), MEAN, jnp.float32)
    return on, jnp.zeros_like(on)


def sampled(arm, key):
    """Fresh biases of a batch, one of each kind for a layer."""
    (query, value), widths = mean_biases(arm), jnp.asarray(NOISE, jnp.float32)
    noise = jax.random.normal(key, (2, LAYERS, D), jnp.float32)
    return (
        query + arm[0] * widths[None] * noise[0],
        value + arm[1] * VALUE_NOISE * noise[1],
    )


def trained(rule, arm, rate, key, steps, every):
    """Test losses on the way and at the end, and the parameters."""
    start, batches = jax.random.split(key)

    def loss(params, key):
        of_batch, of_bias = jax.random.split(key)
        batch = language.draw(text, BATCH, CONTEXT, of_batch)
        return cross_entropy(params, batch, sampled(arm, of_bias))

    def tested(params, state=None):
        return cross_entropy(params, test, mean_biases(arm))

    done = train.descend(
        optimizers.potential(loss, FLOOR) if rule == "ECD" else loss,
        init(start),
        RULES[rule](rate),
        steps=steps,
        every=every,
        observe=tested,
        key=batches,
    )
    return jnp.append(done.records, tested(done.params)), done.params


def priors(params, arm):
    """What the mean bias adds to the score of each character, and its preference.

    The first has shape [layers, heads, characters]; the second, [layers, heads], is
    the share of the keys' variance along the bias, times d.
    """
    direction = jnp.full(D, MEAN, jnp.float32)
    x = params["embedding"][test.x] + params["position"][None]
    characters = params["embedding"].shape[0]
    count = jnp.zeros(characters).at[test.x].add(1.0)
    scores, shares = [], []
    for layer, biases in enumerate(zip(*mean_biases(arm), strict=True)):
        of_block = params["blocks"][layer]
        seen = x * jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)
        keys = jnp.einsum("hdc,stc->hstd", of_block["key"], seen)
        score = keys @ direction / D**0.5
        score = score - score.mean((1, 2), keepdims=True)
        total = jnp.zeros((HEADS, characters)).at[:, test.x].add(score)
        scores.append(total / jnp.maximum(count, 1.0)[None])
        spread = keys.var((1, 2)).sum(-1)
        shares.append(score.var((1, 2)) * D**2 / (direction @ direction) / spread)
        x = block(of_block, x, *biases)
    return jnp.stack(scores), jnp.stack(shares)


def run():
    """Arrays of rule and arm first; seeds next."""
    tuning_key, *keys = jax.random.split(jax.random.key(2026), SEEDS + 1)
    keys = jnp.stack(keys)
    names = "rate", "tuning", "loss", "prior", "preference"
    columns: dict[str, list[np.ndarray]] = {name: [] for name in names}
    arms = jnp.asarray(list(ARMS.values()), jnp.float32)
    for rule in RULES:
        rates = jnp.asarray(RATES[rule], jnp.float32)

        def tune(arm, rate, rule=rule):
            return trained(rule, arm, rate, tuning_key, TUNING, TUNING)[0][-1]

        def final(case, key, rule=rule):
            arm, rate = case
            losses, params = trained(rule, arm, rate, key, STEPS, EVERY)
            return losses, *priors(params, arm)

        tuned = train.sweep(tune, arm=arms, rate=rates)
        best = rates[np.nanargmin(np.asarray(tuned), axis=1)]
        found = train.sweep(final, case=(arms, best), key=keys)
        for name, value in zip(names, (best, tuned, *found), strict=True):
            columns[name].append(np.asarray(value))
    made = {name: np.stack(values) for name, values in columns.items()}
    made = {name: values.astype(np.float32) for name, values in made.items()}
    made["rates"] = np.array([RATES[rule] for rule in RULES])
    made["steps"] = np.arange(0, STEPS + 1, EVERY)
    made["count"] = np.bincount(np.asarray(test.x).ravel(), minlength=96)
    return made
