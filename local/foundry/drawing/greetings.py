"""A short message in many languages, for prompts that ask for panels."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Greeting:
    """The message in one language, in parts after which a line may break.

    `tag` (BCP 47) selects the glyphs of shared characters; `spaced`: the parts are words.
    """

    language: str
    own_name: str
    tag: str
    parts: tuple[str, ...]
    spaced: bool = True


GREETINGS = (
    Greeting("English", "English", "en", ("Hello", "World")),
    Greeting("Japanese", "日本語", "ja", ("こんにちは", "世界"), spaced=False),
    Greeting("Korean", "한국어", "ko", ("안녕하세요", "세계")),
    Greeting("Chinese", "中文", "zh-Hans", ("你好\uff0c", "世界"), spaced=False),
    Greeting("Hindi", "हिन्दी", "hi", ("नमस्ते", "दुनिया")),
    Greeting("Bengali", "বাংলা", "bn", ("ওহে", "বিশ্ব")),
    Greeting("Arabic", "العربية", "ar", ("مرحبا", "بالعالم")),
    Greeting("French", "Français", "fr", ("Bonjour", "le monde")),
    Greeting("German", "Deutsch", "de", ("Hallo", "Welt")),
    Greeting("Greek", "Ελληνικά", "el", ("Γειά σου", "Κόσμε")),  # noqa: RUF001  # Greek
    Greeting("Hebrew", "עברית", "he", ("שלום", "עולם")),
    Greeting("Indonesian", "Bahasa Indonesia", "id", ("Halo", "Dunia")),
    Greeting("Italian", "Italiano", "it", ("Ciao", "mondo")),
    Greeting("Polish", "Polski", "pl", ("Witaj", "świecie")),
    Greeting("Portuguese", "Português", "pt", ("Olá,", "mundo")),
    Greeting("Russian", "Русский", "ru", ("Привет,", "мир")),
    Greeting("Spanish", "Español", "es", ("Hola,", "mundo")),
    Greeting("Tamil", "தமிழ்", "ta", ("வணக்கம்", "உலகம்")),
    Greeting("Thai", "ไทย", "th", ("สวัสดี", "ชาวโลก"), spaced=False),
    Greeting("Turkish", "Türkçe", "tr", ("Merhaba", "dünya")),
    Greeting("Ukrainian", "Українська", "uk", ("Привіт,", "світе")),
    Greeting("Vietnamese", "Tiếng Việt", "vi", ("Xin chào", "thế giới")),
)

MAX_PANELS = 6
_ASKS_FOR_PANELS = re.compile(r"\bpanels?\b|\bsame message\b|\brendered in\b", re.IGNORECASE)


def requested_greetings(prompt: str) -> tuple[Greeting, ...]:
    """Return the greetings of the languages that a prompt asks for, in its order."""
    if not _ASKS_FOR_PANELS.search(prompt):
        return ()
    found = []
    for greeting in GREETINGS:
        named = re.search(rf"\b{greeting.language}\b|{greeting.own_name}", prompt, re.IGNORECASE)
        if named:
            found.append((named.start(), greeting))
    return tuple(greeting for _, greeting in sorted(found, key=lambda pair: pair[0])[:MAX_PANELS])
