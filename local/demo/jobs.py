"""The jobs of the demo, and the event that must end each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

POSTER: Final = (
    "Create a simple poster-style graphic with 3 panels showing the same message rendered in "
    "Japanese, Korean, and Hindi. The message should be short and generic like 'Hello World'. "
    "Use clean typography, white text on colored blocks, modern UI style, high legibility, "
    "no logos."
)
GPT: Final = "gpt-image-2"


@dataclass(frozen=True, slots=True)
class DemoJob:
    """One message for the jobs queue, and the type of the event that must end it."""

    message: Mapping[str, Any]
    end_event: str = "image.job.succeeded"

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return str(self.message["job_id"])


DEMO_JOBS: Final = (
    DemoJob({"job_id": "poster-square", "prompt": POSTER, "model": GPT, "size": "1024x1024"}),
    DemoJob({"job_id": "poster-wide", "prompt": POSTER, "model": GPT, "size": "1536x1024"}),
    DemoJob({"job_id": "poster-4k", "prompt": POSTER, "model": GPT, "size": "4k"}),
    DemoJob(
        {
            "job_id": "poster-in-japanese",
            "prompt": (
                "同じメッセージを日本語、韓国語、ヒンディー語で示す、3つのパネルからなるシンプルな"
                "ポスターを作成してください。メッセージは「こんにちは世界」のような短いものに。"
            ),
            "model": GPT,
            "tags": {"campaign": "hello", "prompt_language": "ja"},
        }
    ),
    DemoJob(
        {
            "job_id": "poster-in-korean",
            "prompt": (
                "같은 메시지를 일본어, 한국어, 힌디어로 보여 주는 세 개의 패널로 된 간단한 "
                "포스터를 만들어 주세요. 메시지는 '안녕하세요 세계'처럼 짧게 해 주세요."
            ),
            "model": GPT,
            "tags": {"campaign": "hello", "prompt_language": "ko"},
        }
    ),
    DemoJob(
        {
            "job_id": "poster-in-hindi",
            "prompt": (
                "एक ही संदेश को जापानी, कोरियाई और हिंदी में दिखाने वाला तीन पैनल का एक सरल पोस्टर "
                "बनाइए। संदेश 'नमस्ते दुनिया' जैसा छोटा हो।"
            ),
            "model": GPT,
            "tags": {"campaign": "hello", "prompt_language": "hi"},
        }
    ),
    DemoJob(
        {
            "job_id": "lighthouse-16-9",
            "prompt": "A lighthouse at dawn, flat colours, thick outlines, calm sea.",
            "model": GPT,
            "size": "16:9",
            "routing": "bucket",
            "n": 2,
        }
    ),
    DemoJob(
        {
            "job_id": "city-oversize",
            "prompt": "A map of a city that never was, seen from above, at dusk.",
            "size": "7680x4320",
            "quality": "low",
            "format": "jpeg",
            "compression": 90,
        }
    ),
    DemoJob(
        {
            "job_id": "poster-side-by-side",
            "prompt": POSTER,
            "models": [GPT, "MAI-Image-2.6"],
            "size": ["1024x1024", "16:9"],
        }
    ),
    DemoJob(
        {
            "job_id": "banner-rejected",
            "prompt": "A banner for a bridge.",
            "size": "4000x500",
            "fit": "reject",
            "model": GPT,
        },
        end_event="image.job.rejected",
    ),
    DemoJob(
        {
            "job_id": "prompt-moderated",
            "prompt": "A picture that the safety system refuses [[refuse:moderation_blocked]].",
            "quality": "low",
        },
        end_event="image.job.failed",
    ),
)
