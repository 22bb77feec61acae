"""The refusals of a prompt: by the service (E1 to E4, MAI), and by gateways before it."""

from collections.abc import Callable, Mapping
from functools import partial

from pydantic import JsonValue

from local.foundry.api.problems import Problem

_SEVERITIES: dict[str, JsonValue] = {
    "hate": {"filtered": False, "severity": "safe"},
    "self_harm": {"filtered": False, "severity": "safe"},
    "sexual": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": True, "severity": "medium"},
}


def _moderation(request_id: str, stage: str = "") -> JsonValue:
    message = (
        "Your request was rejected by the safety system. If you believe this is an error, contact "
        f"us at Azure support ticket and include the request ID {request_id}. "
        "safety_violations=[violence]."
    )
    # OpenAI's shape; that Azure sends it is assumed.
    details: JsonValue = {"moderation_stage": stage, "categories": ["violence"]}
    return {
        "error": {
            "message": message,
            "type": "image_generation_user_error",
            "param": "",
            "code": "moderation_blocked",
            **({"moderation_details": details} if stage else {}),
        }
    }


def _policy(_: str) -> JsonValue:
    return {
        "error": {
            "code": "content_policy_violation",
            "inner_error": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_results": {
                    **_SEVERITIES,
                    "jailbreak": {"detected": False, "filtered": False},
                },
            },
            "message": "Your request was rejected as a result of our safety system. Your prompt "
            "may contain text that is not allowed by our safety system.",
            "type": "invalid_request_error",
        }
    }


def _filter(_: str) -> JsonValue:
    return {
        "created": 1698435368,
        "error": {
            "code": "contentFilter",
            "message": "Your task failed as a result of our safety system.",
        },
    }


def _output_filter(_: str) -> JsonValue:
    return {
        "created": 1698435368,
        "error": {
            "code": "contentFilter",
            "message": "Generated image was filtered as a result of our safety system.",
        },
    }


def _prompt_filter(_: str) -> JsonValue:
    return {
        "error": {
            "message": "The response was filtered due to the prompt triggering Azure OpenAI's "
            "content management policy. Please modify your prompt and retry.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": _SEVERITIES,
            },
        }
    }


def _mai(_: str) -> JsonValue:
    message = "The request was blocked by the content safety system."
    return {"error": {"code": "content_safety_violation", "message": message, "details": message}}


def _gateway(_: str) -> JsonValue:
    return {"statusCode": 403, "message": "Request failed content safety check."}


def _wrapped(_: str) -> JsonValue:
    inner: JsonValue = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": _SEVERITIES,
    }
    return {
        "error": {
            "message": "gateway: rejected",
            "type": None,
            "param": None,
            "code": "400",
            "provider_specific_fields": {"innererror": inner},
        }
    }


def _typed(_: str) -> JsonValue:
    message = "Your request was rejected."
    return {"error": {"message": message, "type": "content_policy_violation", "code": None}}


def _as_text(_: str) -> JsonValue:
    return "<html><body><h1>403 Forbidden</h1>Blocked by the content safety policy.</body></html>"


def _legal(_: str) -> JsonValue:
    return {"error": {"code": "451", "message": "Unavailable for legal reasons."}}


#: The statuses of the refusals that are not a 400.
_STATUS: Mapping[str, int] = {"refused-gateway": 403, "refused-text": 403, "451": 451}
#: The refusal of a picture that was made: billed.
OUTPUT_REFUSAL = "moderation_blocked-output"
REFUSALS: Mapping[str, Callable[[str], JsonValue]] = {
    "moderation_blocked": _moderation,
    "moderation_blocked-input": partial(_moderation, stage="input"),
    OUTPUT_REFUSAL: partial(_moderation, stage="output"),
    "content_policy_violation": _policy,
    "contentFilter": _filter,
    "contentFilter-output": _output_filter,
    "content_filter": _prompt_filter,
    "content_safety_violation": _mai,
    "refused-gateway": _gateway,
    "refused-text": _as_text,
    "refused-wrapped": _wrapped,
    "refused-type": _typed,
    "451": _legal,
}


def refusal(name: str, request_id: str) -> Problem:
    """Return the reply of that kind of refusal; a text is the body itself."""
    return Problem(_STATUS.get(name, 400), REFUSALS[name](request_id), f"refused {name}")
