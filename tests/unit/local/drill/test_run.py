"""What the drills print, and its place in the runbook."""

from local.drill.alerts import BICEP, read_alerts
from local.drill.drills import DRILLS
from local.drill.run import RUNBOOK, edited, find_texts, insert, render
from local.drill.scene import THRESHOLDS

PAGE = "# Runbook\n\n## silence\n\n<!-- drill silence -->\n<!-- drilled  -->\n\nWhat to do.\n"
SILENCE = next(each for each in DRILLS if each.name == "silence")
TEXT = render(SILENCE, ["ALERT silence", "$ image-jobs doctor\n✘ queue"])


def test_a_text_is_inserted_at_its_place_and_again_at_the_next_run() -> None:
    page = insert(PAGE, {"silence": TEXT})
    assert find_texts(page) == {"silence": TEXT}
    assert page.endswith("-->\n\nWhat to do.\n")
    assert insert(page, {"silence": TEXT}) == page
    assert insert(page, {"parked": "else"}) == page


def test_a_text_that_is_edited_by_hand_is_found() -> None:
    page = insert(PAGE, {"silence": TEXT})
    assert edited(page) == []
    assert edited(page.replace("✘", "✔")) == ["silence"]
    assert edited(PAGE) == ["silence"]


def test_each_alert_has_a_drill() -> None:
    alerts = {each.name for each in read_alerts(BICEP.read_text(), THRESHOLDS)}
    assert alerts == {each.alert for each in DRILLS}
    assert alerts <= {each.name for each in DRILLS}


def test_the_runbook_shows_what_each_drill_printed() -> None:
    page = RUNBOOK.read_text()
    assert edited(page) == [], "run `make drill WRITE=1`: what a drill printed is never edited"
    texts = find_texts(page)
    assert set(texts) == {each.name for each in DRILLS}


def test_what_the_runbook_shows_is_of_these_drills_and_alerts() -> None:
    page = RUNBOOK.read_text()
    alerts = {each.name: each for each in read_alerts(BICEP.read_text(), THRESHOLDS)}
    for drill in DRILLS:
        section = page.partition(f"\n## {drill.name}\n")[2].partition("\n## ")[0]
        text = find_texts(section)[drill.name]
        commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        stale = f"{drill.name} has changed: run `make drill WRITE=1`"
        assert commands == [*drill.commands, *drill.cures], stale
        assert alerts[drill.alert].text in text, stale
        assert text.startswith(drill.story), stale
