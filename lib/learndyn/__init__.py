"""Models and analytic formulas of the book Learning Dynamics.

`theory` holds the formulas (numpy and scipy), `simulation` what is run (jax);
neither imports the other. `claims` says whether the two agree, `figures` shows
it. `groups` and `claims` belong to neither side.
"""
