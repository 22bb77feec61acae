"""Locales in words, prompts adapted to them, and jobs that are made in several."""

from pathlib import Path

import pytest
from hypothesis import given

from shared.adapters.world import load
from shared.errors import Misconfigured
from shared.jobs.prompts import (
    DEFAULT_TEMPLATE,
    Direction,
    LocaleName,
    check_template,
    describe_locale,
    localize_prompt,
    longest_prompt,
)
from tests.builders.growth import MOST, growth
from tests.builders.messages import LOCALES, PROMPTS
from tests.simulation.scene import SETTINGS, Scene, configured, data, error_reply, run

JOB = {"job_id": "fox-1", "prompt": "a fox", "model": "gpt-image-2", "locales": ["de", "ja", "ar"]}


@pytest.mark.parametrize(
    ("locale", "language", "script", "direction"),
    [
        ("de", "German", "Latin script", "left to right"),
        ("pt-BR", "Portuguese (Brazil)", "Latin script", "left to right"),
        ("zh-TW", "Chinese (Taiwan)", "Traditional Chinese characters", "left to right"),
        ("zh-Hant", "Chinese", "Traditional Chinese characters", "left to right"),
        ("zh", "Chinese", "Simplified Chinese characters", "left to right"),
        ("sr-Latn-RS", "Serbian (Serbia)", "Latin script", "left to right"),
        ("hi", "Hindi", "Devanagari script", "left to right"),
        ("bn", "Bengali", "Bengali script", "left to right"),
        ("ko", "Korean", "Korean script (Hangul)", "left to right"),
        ("ar-EG", "Arabic (Egypt)", "Arabic script", "right to left"),
        ("he", "Hebrew", "Hebrew script", "right to left"),
        ("pa-PK", "Punjabi (Pakistan)", "Arabic script", "right to left"),
        ("es-419", "Spanish (Latin America)", "Latin script", "left to right"),
    ],
)
def test_a_locale_is_named_in_full(
    locale: str, language: str, script: str, direction: Direction
) -> None:
    assert describe_locale(locale) == LocaleName(locale, language, script, direction)


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("jp", "did you mean 'ja', Japanese?"),
        ("cn", "did you mean 'zh', Chinese?"),
        ("qq", "use a tag such as 'de'"),
        ("de-Qqqq", "the unknown script 'Qqqq'"),
    ],
)
def test_what_nobody_speaks_is_told(locale: str, said: str) -> None:
    with pytest.raises(LookupError, match=said.replace("?", "[?]")):
        describe_locale(locale)


@given(PROMPTS, LOCALES)
def test_a_prompt_stands_in_its_adaptation_word_for_word(prompt: str, locale: str) -> None:
    text = localize_prompt(prompt, locale)
    assert text.startswith(
        f"{prompt}\n\nThis is the version for {describe_locale(locale).language}"
    )
    assert longest_prompt(prompt, [locale]) == len(text)
    assert localize_prompt(prompt, None) == prompt


def test_lettering_is_kept_apart_from_the_description() -> None:
    text = localize_prompt('A sign: "Open late" and “Sale”, a small `Fox "&" Co`.', "ja")
    assert 'to be translated into natural Japanese: "Open late", "Sale".' in text
    assert 'not translated: `Fox "&" Co`.' in text
    plain = localize_prompt("A fox.", "ja")
    assert "translated" not in plain
    assert "\n\n\n" not in plain


def test_a_template_of_ones_own_is_filled_in() -> None:
    own = "[$locale] ${prompt} $$5 ($language, $script, $direction)\n$lettering\nend"
    check_template(own)
    assert localize_prompt("A {fox} for $3.", "ar", own) == (
        "[ar] A {fox} for $3. $5 (Arabic, Arabic script, right to left)\nend"
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("$prompt in $tongue", "$tongue is not a known name"),
        ("in $language", "does not contain $prompt"),
        ("$prompt costs 5$ ", "'$' has no name after it"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("$", "[$]")):
        check_template(template)


def test_the_default_template_is_one() -> None:
    assert check_template(DEFAULT_TEMPLATE) == DEFAULT_TEMPLATE


async def test_each_locale_is_a_call_of_its_own_under_its_own_name() -> None:
    scene = await run(JOB)
    assert scene.world.event_types() == ["image.job.succeeded"]
    prompts = [str(request.body["prompt"]) for request in scene.world.endpoint.requests]
    assert ["(de)" in prompts[0], "(ja)" in prompts[1], "(ar)" in prompts[2]] == [True] * 3
    images = data(scene)["images"]
    assert [(image["locale"], image["blob"], image["index"]) for image in images] == [
        ("de", "fox-1/de/0.png", 0),
        ("ja", "fox-1/ja/0.png", 0),
        ("ar", "fox-1/ar/0.png", 0),
    ]
    assert scene.world.committed["fox-1/ar/0.png"].metadata["locale"] == "ar"


async def test_a_locale_that_fails_is_named() -> None:
    scene = Scene()
    scene.world.endpoint.script.append(error_reply(400, "moderation_blocked", "no"))
    scene.submit({**JOB, "n": 2})
    await scene.run()
    told = data(scene)
    assert scene.world.event_types() == ["image.job.failed"]
    (failure,) = told["failures"]
    assert (failure["locale"], failure["indexes"]) == ("de", [0, 1])
    assert {image["locale"] for image in told["images"]} == {"ja", "ar"}
    assert told["parts"][0]["calls_failed"] == 1


async def test_a_locale_that_nobody_speaks_is_refused_before_anything_is_paid() -> None:
    scene = await run({**JOB, "locales": ["ja", "jp"]})
    (fault,) = data(scene)["faults"]
    assert fault["field"] == "locales[1]"
    assert "did you mean 'ja'" in fault["message"]
    assert not scene.world.endpoint.requests


async def test_the_operators_template_is_what_the_model_is_sent() -> None:
    scene = Scene(configured(LOCALE_TEMPLATE="$language: $prompt"))
    scene.submit({**JOB, "locales": ["ja"]})
    await scene.run()
    (request,) = scene.world.endpoint.requests
    assert request.body["prompt"] == "Japanese: a fox"


async def test_the_words_of_the_template_count_against_the_models_limit() -> None:
    scene = await run({**JOB, "prompt": "x" * 31_990})
    assert data(scene)["faults"][0]["field"] == "prompt"


def test_a_template_in_a_file_is_read_when_the_app_starts(tmp_path: Path) -> None:
    file = tmp_path / "locales.txt"
    file.write_text("$prompt\n\nin $language")
    settings = load({**SETTINGS, "LOCALE_TEMPLATE": str(file)}).settings
    assert settings.locale_template == "$prompt\n\nin $language"
    with pytest.raises(Misconfigured, match="LOCALE_TEMPLATE: 'no/file' can't be read"):
        load({**SETTINGS, "LOCALE_TEMPLATE": "no/file"})
    with pytest.raises(Misconfigured, match="LOCALE_TEMPLATE: '/no/file' can't be read"):
        load({**SETTINGS, "LOCALE_TEMPLATE": "/no/file"})
    with pytest.raises(Misconfigured, match="tongue is not a known name"):
        load({**SETTINGS, "LOCALE_TEMPLATE": "$prompt $tongue"})


@pytest.mark.parametrize("piece", ["“", "“a", '"', "`", '"a\n', "`a\n", "“a”", '"a"`b`'])
def test_the_work_on_a_prompt_grows_with_it_however_quotes_stand(piece: str) -> None:
    def localize(prompt: str) -> str:
        return localize_prompt(prompt, "de")

    assert growth(lambda n: piece * n, localize, 4_000) < MOST
