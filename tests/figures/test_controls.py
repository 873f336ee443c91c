import pytest

from learndyn.figures.controls import Menu, Slider, number


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.1, ".3g", "0.1"),
        (1e-5, ".3g", "10⁻⁵"),
        (-2.5e12, ".2g", "−2.5 × 10¹²"),
        (12, "d", "12"),
        ("Adam", ".3g", "Adam"),
    ],
)
def test_numbers_are_printed_as_in_the_text(value, form, text):
    assert number(value, form) == text


def test_texts_carry_the_unit():
    assert Slider("a", [0, 90], "angle", "°").texts == ["0°", "90°"]
    assert Slider("a", [0, 90], "steps", "steps").texts == ["0 steps", "90 steps"]


def test_menu_values_are_its_texts():
    menu = Menu("kind", ["SGD", "Adam"], "optimizer", start=1)
    assert menu.to_json() == {
        "values": ["SGD", "Adam"],
        "texts": ["SGD", "Adam"],
        "start": 1,
    }
