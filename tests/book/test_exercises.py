"""Exercises say what they ask for, and each is solved."""

import re

HEAD = re.compile(r"(?=.{3} )●+○* · [1-9]\d* min · (derive|compute|experiment|open)")
KINDS = {"derive", "compute", "experiment", "open"}


def exercises(page):
    """The first line of each exercise, by label."""
    lines = page.text.splitlines()
    texts = {
        each.label: lines[each.end :]
        if each.name.endswith("start")
        else each.body.splitlines()
        for each in page.directives
        if each.name in ("exercise", "exercise-start")
    }
    return {
        label: next(line.strip() for line in text if line.strip())
        for label, text in texts.items()
    }


def test_every_exercise_has_a_stable_label(chapter):
    labels = exercises(chapter)
    prefix = re.escape(f"{chapter.path.stem}-exercise-")
    assert not [
        label for label in labels if not re.fullmatch(prefix + "[a-z_]+", str(label))
    ]


def test_every_exercise_opens_with_difficulty_minutes_and_kind(chapter):
    lines = exercises(chapter).values()
    assert not [line for line in lines if not HEAD.fullmatch(line)]


def test_there_are_five_exercises_and_one_of_each_kind(chapter):
    lines = exercises(chapter).values()
    assert len(lines) >= 5
    assert {line.split()[-1] for line in lines} >= KINDS


def test_exercises_and_solutions_match_one_to_one(chapter, solutions):
    solved = [
        each.argument
        for each in solutions.directives
        if each.name in ("solution", "solution-start")
    ]
    assert sorted(solved) == sorted(map(str, exercises(chapter)))
