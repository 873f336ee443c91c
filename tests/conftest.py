"""Strictness shared by all tests: float64, no silent rank promotion, shapes checked."""

import os
from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Dtype promotion stays as it is: Flax's batch norm adds float32 to float64.

# What was compiled is kept, by each worker for itself: the next run takes half the
# time, and so do the tests of wrong formulas.
CACHE = Path(__file__).parents[1] / "_build" / ".jax_cache"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
jax.config.update("jax_compilation_cache_dir", str(CACHE / WORKER))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

install_import_hook("learndyn", "strict.typechecked")


@pytest.fixture
def key():
    """A random key: the same in every test, split by whoever needs two."""
    return jax.random.key(0)
