"""Error bodies of image endpoints as they were seen: E1 to E10."""

import json
from typing import Any

E1 = json.loads(
    """{"error":{"message":"Your request was rejected by the safety system. If you believe
 this is an error, contact us at Azure support ticket and include the request ID 063f708f-....
 safety_violations=[violence].","type":"image_generation_user_error","param":"",
 "code":"moderation_blocked"}}""".replace("\n", "")
)
E2 = {
    "error": {
        "code": "content_policy_violation",
        "inner_error": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_results": {"jailbreak": {"detected": False, "filtered": False}},
        },
        "message": "Your request was rejected as a result of our safety system. Your prompt may "
        "contain text that is not allowed by our safety system.",
        "type": "invalid_request_error",
    }
}
E3 = {
    "created": 1698435368,
    "error": {
        "code": "contentFilter",
        "message": "Your task failed as a result of our safety system.",
    },
}
E4 = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
        "management policy...",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": {"filtered": False, "severity": "safe"},
                "sexual": {"filtered": True, "severity": "high"},
                "custom_blocklists": {"filtered": True, "details": []},
            },
        },
    }
}
E5 = {
    "error": {
        "message": "Invalid size '2880x1620'. Width and height must both be divisible by 16.",
        "type": "image_generation_user_error",
        "param": "tools",
        "code": "invalid_value",
    }
}
E6 = {
    "error": {
        "code": "unsupported_request_value",
        "message": "Model does not support request parameter value supplied: 'width' must be at "
        "least 768 pixels.",
        "details": "...",
    }
}
E7 = {
    "error": {
        "code": "Forbidden",
        "message": "Your resource has been temporarily blocked because we detected behavior that "
        "may violate our content policy. For more details on Azure OpenAI service content policy, "
        "please visit https://aka.ms/aoaicodeofconduct",
    }
}
E8 = {
    "error": {
        "code": "DeploymentNotFound",
        "message": "The API deployment for this resource does not exist....",
    }
}
E9 = {"error": {"code": "404", "message": "Resource not found"}}
E10 = {
    "error": {
        "message": "The operation was timeout.",
        "type": "...",
        "param": "",
        "code": "Timeout",
    }
}


def coded(code: str, message: str = "No.") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
