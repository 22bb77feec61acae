"""Handle requests that upload pictures to edit."""

import azure.functions as func

from ...adapters.world import open_world
from ...config.settings import Configuration
from ...http_api.callers import identify_caller
from ...http_api.uploads import read_upload
from ...ports import Report, What
from ...workflows.uploads import store_part
from ..host import log_report
from .responses import empty_response, json_response


async def upload_input(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Store a part of a picture: 202 for a part, 201 for the last one, 200 for a repeat."""
    tenant = identify_caller(req.headers, configuration.settings).tenant
    body = req.get_body()
    part = read_upload(req.route_params.get("name", ""), req.headers, body, tenant=tenant)
    stored = await store_part(part, body, open_world(configuration))
    if stored is None:
        return empty_response(202, {})
    uploaded, is_new = stored
    log_report("upload_input", Report(What.DONE, None, {"bytes": uploaded.bytes}))
    return json_response(uploaded, status=201 if is_new else 200)
