"""What is run: networks, tasks, training, flows and measurements (jax).

Importing it switches jax to float64: the laws of the book hold to rounding, and
float32 would hide them. See jax's notes on default dtypes.
"""

import jax

jax.config.update("jax_enable_x64", True)
