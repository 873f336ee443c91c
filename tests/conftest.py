"""Strictness shared by all tests: float64, no silent rank promotion, shapes checked."""

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Dtype promotion stays as it is: Flax's batch norm adds float32 to float64.

install_import_hook("learndyn", "strict.typechecked")


@pytest.fixture
def key():
    """A random key: the same in every test, split by whoever needs two."""
    return jax.random.key(0)
