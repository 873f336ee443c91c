import ipywidgets as widgets
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from learndyn.figures import lab
from learndyn.figures.page import MODE

CONTROLS = {
    "eta": lab.Range(0.01, 1.0, 0.1, "learning rate η", log=True),
    "width": lab.Choice([8, 32], 32, "width h"),
}


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv(MODE, raising=False)


@pytest.mark.parametrize("mode", ["site", "inline"])
def test_a_page_shows_the_default_run_and_no_control(monkeypatch, mode):
    monkeypatch.setenv(MODE, mode)
    calls = []

    def run(**values):
        calls.append(values)
        return pyplot.figure()

    shown = lab.show(run, **CONTROLS)
    assert isinstance(shown, Figure)
    assert shown.number not in pyplot.get_fignums()
    assert calls == [{"eta": 0.1, "width": 32}]


@pytest.mark.usefixtures("live")
def test_with_a_kernel_the_run_is_repeated_at_any_value():
    calls = []
    made = lab.Lab(lambda **values: calls.append(values), CONTROLS)
    made.start()
    assert isinstance(made.box, widgets.VBox)
    made.inputs["eta"].value = 0.37
    made.inputs["width"].value = 8
    assert calls[-1] == {"eta": pytest.approx(0.37), "width": 8}
    made.button.click()
    assert len(calls) == 4
    assert made.status.value.startswith("done")
    assert not made.button.disabled


@pytest.mark.usefixtures("live")
def test_a_slow_run_waits_for_the_button_and_says_how_far_it_is(monkeypatch):
    monkeypatch.setattr(lab, "SLOW", 0.0)
    seen = []

    def run(eta, width):
        import time

        time.sleep(0.7)
        seen.append((made.status.value, made.bar.layout.visibility) if calls else None)
        calls.append(eta)

    calls = []
    made = lab.Lab(run, CONTROLS)
    made.start()
    made.inputs["eta"].value = 0.5
    assert calls == [0.1]
    assert "press Run" in made.status.value
    made.button.click()
    text, visible = seen[-1]
    assert "running… 1 s (last time 1 s)" in text
    assert visible == "visible"
    assert made.bar.layout.visibility == "hidden"


@pytest.mark.usefixtures("live")
def test_an_error_is_shown_and_the_lab_lives_on():
    def run(eta, width):
        if width == 8:
            raise ValueError("width <8> is too small")

    made = lab.Lab(run, CONTROLS)
    made.start()
    made.inputs["width"].value = 8
    assert "ValueError: width &lt;8&gt; is too small" in made.status.value
    assert not made.button.disabled
    made.inputs["width"].value = 32
    assert made.status.value.startswith("done")


@pytest.mark.usefixtures("live")
def test_the_controls_stand_there_before_the_first_run(monkeypatch):
    order = []
    monkeypatch.setattr(lab, "display", lambda shown: order.append(type(shown)))
    lab.show(lambda **values: order.append("run"), **CONTROLS)
    assert order[:2] == [widgets.VBox, "run"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="start of 'η' is 2"):
        lab.Range(0, 1, 2, "η")
    with pytest.raises(ValueError, match="low > 0"):
        lab.Range(0, 1, 0.5, "η", log=True)
    with pytest.raises(ValueError, match="one of"):
        lab.Choice([1, 2], 3, "h")
    with pytest.raises(ValueError, match="at least one"):
        lab.show(print)
