"""The links of the pages lead somewhere, and the make targets they name exist."""

import re
from datetime import UTC, datetime

import pytest

from local.stack.settings import DEPLOYMENTS
from shared.catalogue.deployments import Deployment
from shared.catalogue.models import read_builtin
from shared.jobs.parsing import Message, read_job
from shared.routing.router import route

from .tree import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]


def text_of(page: str) -> str:
    return (ROOT / page).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(page))
    inside = [link for link in links if "://" not in link]
    here = (ROOT / page).parent
    assert [link for link in inside if not (here / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_it_names_is_there(page: str) -> None:
    in_code = re.findall(r"`[^`]+`|```.*?```", text_of(page), re.DOTALL)
    named = {name for code in in_code for name in re.findall(r"\bmake ([a-z]+)", code)}
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    assert sorted(named - targets) == []


def test_the_path_of_a_message_has_ten_steps() -> None:
    _, _, rest = text_of("CONTRIBUTING.md").partition("## The path of a message")
    section = rest.partition("\n## ")[0]
    assert re.findall(r"^(\d+)\. ", section, re.MULTILINE) == [str(n) for n in range(1, 11)]


def test_the_job_with_many_parts_is_one_that_the_local_stack_makes() -> None:
    examples = re.findall(r"```json job\n(.*?)```", text_of("docs/messages.md"), re.DOTALL)
    (example,) = (each for each in examples if '"models"' in each)
    job = read_job(Message(example.encode(), "page", datetime.now(UTC)))
    plans = route(
        job,
        catalogue=read_builtin(),
        deployments=[Deployment.model_validate(each) for each in DEPLOYMENTS],
        today=datetime.now(UTC).date(),
        prompt_characters=len(job.prompt or ""),
    )
    assert sum(plan.calls for plan in plans) == len(job.models) * len(job.size) * 2


def test_the_readme_has_what_a_gallery_of_templates_asks_for() -> None:
    headings = set(re.findall(r"^## (.+)$", text_of("README.md"), re.MULTILINE))
    assert {"Features", "Getting Started", "Guidance", "Resources"} <= headings
    assert "Important Security Notice" in text_of("README.md")


def test_the_figures_of_the_readme_are_those_of_the_benchmarks() -> None:
    measured = text_of("docs/benchmarks.md")
    rows = [line for line in text_of("README.md").splitlines() if "`make bench`" in line]
    figures = [
        figure for row in rows for figure in re.findall(r"\| ([\d,.]+) (?:MB|ms)(?= \|)", row)
    ]
    assert len(figures) == 2 * len(rows) == 6
    assert [each for each in figures if f"| {each} " not in measured] == []


def test_the_readme_is_short_and_so_are_the_cells_of_its_tables() -> None:
    lines = text_of("README.md").splitlines()
    assert len(lines) <= 100
    cells = [cell for line in lines if line.startswith("|") for cell in line.split("|")]
    assert [cell for cell in cells if len(cell.split()) > 15] == []
