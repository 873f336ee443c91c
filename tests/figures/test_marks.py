import pytest

from learndyn.figures.axes import INK
from learndyn.figures.marks import handles, line, pick, rule, units


def test_theory_is_dashed_in_the_colour_of_the_text():
    mark = line("t", "loss", theory=True, label="theory").to_dict()["mark"]
    assert mark["color"] == INK
    assert mark["strokeDash"]
    assert mark["description"] == "theory"


def test_rule_takes_a_number_or_an_expression_of_the_controls():
    encoding = rule(y="2 / eta").to_dict()["encoding"]
    assert encoding["y"]["datum"] == {"expr": "2 / eta"}
    assert rule(x=0.0).to_dict()["encoding"]["x"]["datum"] == 0.0
    with pytest.raises(ValueError, match="x or y"):
        rule(x=1, y=1)


def test_units_finds_every_layer():
    chart = line("t", "a") + line("t", "b") + rule(y=1)
    assert [unit["mark"]["type"] for unit in units(chart.to_dict())] == [
        "line", "line", "rule",
    ]  # fmt: skip


def test_pick_selects_the_index_of_its_control():
    chart = line("t", "a").add_params(pick("start"))
    (param,) = chart.to_dict()["params"]
    assert param["name"] == "pick_start"
    assert param["select"]["fields"] == ["start_index"]


def test_handles_show_the_choice_of_the_slider():
    spec = handles("a", "b", "start", source="starts").to_dict()
    condition = spec["encoding"]["opacity"]["condition"]
    assert condition["test"] == "datum.start_index == start_index"
    assert spec["params"][0]["name"] == "pick_start"
