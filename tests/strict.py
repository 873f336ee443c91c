"""The type checker that stands behind every annotation of learndyn in tests."""

from beartype import BeartypeConf, beartype

# An int may stand where a float is asked for, as in Python itself.
typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))
