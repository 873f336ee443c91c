import numpy as np
import pytest

from learndyn.figures.tables import Table

RNG = np.random.default_rng(0)


def column(table, name, **state):
    return [row[name] for row in table.rows(state)]


def test_values_come_back_within_half_a_step():
    array = RNG.normal(size=(4, 3, 7))
    table = Table(("a", "b"), {"t": np.arange(7)}, {"v": array})
    for a, b in np.ndindex(4, 3):
        read = column(table, "v", a=a, b=b)
        assert np.abs(read - array[a, b]).max() <= 0.5001 * table.step["v"]
    assert table.step["v"] == pytest.approx(np.ptp(array) / 65534)


def test_log_keeps_the_relative_precision_of_small_values():
    array = np.geomspace(1e-12, 1, 50)
    table = Table((), {"t": np.arange(50)}, {"v": array}, log=("v",))
    assert np.allclose(column(table, "v"), array, rtol=0.51 * table.step["v"])


def test_nonfinite_values_are_gaps():
    table = Table((), {"t": [0, 1, 2, 3]}, {"v": [1.0, np.nan, np.inf, 2.0]})
    assert column(table, "v") == pytest.approx([1.0, None, None, 2.0])


def test_within_keeps_precision_when_a_run_diverges():
    array = [0.0, 0.5, 1.0, 1e30]
    table = Table((), {"t": range(4)}, {"v": array}, within={"v": (0, 1)})
    assert column(table, "v") == pytest.approx([0, 0.5, 1, 2], abs=table.step["v"])


def test_constants_and_labels():
    table = Table(("a",), {}, {"c": [3.0, 3.0], "word": ["calm", "wild"]})
    assert table.rows({"a": 1}) == [{"c": 3.0, "word": "wild"}]


def test_several_axes_make_one_row_for_each_combination():
    table = Table((), {"s": ["x", "y"], "t": [0, 1]}, {"v": [[0.0, 1], [2, 3]]})
    rows = table.rows({})
    assert [(row["s"], row["t"]) for row in rows] == [
        ("x", 0), ("x", 1), ("y", 0), ("y", 1),
    ]  # fmt: skip
    assert [row["v"] for row in rows] == pytest.approx([0, 1, 2, 3], abs=1e-4)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("shape", ((("a",), {"t": [0, 1]}, {"v": [1.0, 2.0]}), {})),
        ("shape", (((), {"t": [0, 1]}, {"v": [1.0, 2.0, 3.0]}), {})),
        ("> 0", (((), {"t": [0]}, {"v": [0.0]}), {"log": ("v",)})),
        ("log names", (((), {"t": [0]}, {"v": [1.0]}), {"log": ("w",)})),
        ("low < high", (((), {"t": [0]}, {"v": [1.0]}), {"within": {"v": (1, 0)}})),
        ("share", (((), {"t": [0]}, {"t": [1.0]}), {})),
        ("at least one", (((), {"t": [0]}, {}), {})),
        ("1-D", (((), {"t": []}, {"v": []}), {})),
        ("tuples", (("eta", {"t": [0]}, {"v": [1.0]}), {})),
    ],
)
def test_bad_input_is_named(message, arguments):
    args, options = arguments
    with pytest.raises(ValueError, match=message):
        Table(*args, **options)


def test_rows_outside_the_sweep():
    with pytest.raises(ValueError, match="must be < 2"):
        Table(("a",), {}, {"v": [1.0, 2.0]}).rows({"a": 2})
