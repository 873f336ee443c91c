"""Analytic formulas, one module a chapter (numpy and scipy, never jax)."""
