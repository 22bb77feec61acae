"""Callers that are bound to a tenant reach nothing of another tenant, by any route or parameter."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import azure.functions as func
import pytest
from pydantic import SecretStr

from shared.http_api.openai_responses import sign_picture
from shared.http_api.queries import KEY_HEADER, PRINCIPAL_HEADER, hash_key
from shared.records.record import JobState
from shared.triggers.http import batches, jobs, openai, operations, routes
from shared.triggers.http.responses import respond
from shared.triggers.http.routes import ROUTES, Route
from shared.vocabulary import APP_FOLDERS
from tests.simulation.manifests import notice
from tests.simulation.scene import Scene, configured, png

SECRET: Final = "the secret launch of shop"  # noqa: S105 - a prompt
KEYS: Final = {"shop": "key-of-shop", "press": "key-of-press", "operator": "key-of-operator"}
CALLERS: Final = [
    {"tenant": "shop", "sha256": hash_key(KEYS["shop"])},
    {"tenant": "press", "sha256": hash_key(KEYS["press"])},
    {"operator": True, "sha256": hash_key(KEYS["operator"])},
    {"tenant": "press", "principal": "object-id-of-press"},
]
FOX: Final = {"prompt": "a fox", "model": "gpt-image-2", "quality": "low"}
#: What each parameter of a query can name of another tenant, after `{batch}` and `{cursor}`.
PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "after": ("{cursor}",),
    "limit": ("200",),
    "state": ("succeeded",),
    "tag": ("campaign:winter",),
    "model": ("gpt-image-2",),
    "batch": ("{batch}",),
    "tenant": ("shop", "default"),
    "failure": ("cancelled",),
    "text": (SECRET,),
    "links": ("true",),
    "as": ("original", "thumbnail", "preview"),
    "run": ("1",),
    "result": ("keep", "drop"),
    "reason": ("because",),
    "pictures": ("remake",),
}
#: Bodies that reach for what is another tenant's.
BODIES: Final[tuple[dict[str, Any], ...]] = (
    FOX | {"tenant": "shop"},
    FOX | {"job_id": "shop-1", "prompt": SECRET, "tags": {"campaign": "winter"}, "tenant": "shop"},
    FOX | {"inputs": ["/images/shop-1/default/0.png"]},
    FOX | {"inputs": ["shop/a.png"]},
    FOX | {"inputs": ["press/a.png"], "mask": "pictures/b.png"},
    {"model": "gpt-image-2", "prompt_blob": "shop/prompt.txt"},
)
TENANT_ROUTES: Final = [route for route in ROUTES if route.for_tenants]


class Site:
    """The routes of the app over a world in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
        given = {"CALLERS": json.dumps(CALLERS), "TRUST_SIGN_IN": "true", "READ_LINK_SECONDS": "60"}
        self.scene = Scene(configured(**given | settings))
        for module in (jobs, batches, openai, operations):
            monkeypatch.setattr(module, "open_world", lambda _: self.scene.world)

    async def call(
        self,
        name: str,
        who: str | None,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> func.HttpResponse:
        (route,) = [each for each in ROUTES if each.name == name]
        sent = dict(headers or {}) | ({KEY_HEADER: KEYS[who]} if who else {})
        request = func.HttpRequest(
            method=method or route.methods[0],
            url=f"/api/{route.path}",
            headers={"content-type": "application/json"} | sent,
            params=query or {},
            route_params=path or {},
            body=body
            if isinstance(body, bytes)
            else b""
            if body is None
            else json.dumps(body).encode(),
        )
        return await respond(name, routes._answer(route, request, self.scene.configuration))

    def stored(self) -> dict[str, bytes]:
        """What shop has stored, by container and name."""
        return {
            f"{container}/{name}": blob.body
            for container in ("jobs", "images")
            for name, blob in self.scene.world.container(container).stored.items()
            if "shop" in name or SECRET.encode() in blob.body
        }


async def opened(monkeypatch: pytest.MonkeyPatch) -> tuple[Site, dict[str, str]]:
    """A site on which shop has jobs, a picture and a batch; and how they are named."""
    site = Site(monkeypatch)
    own = FOX | {"prompt": SECRET, "tags": {"campaign": "winter"}}
    assert (
        await site.call("submit_job", "shop", body=own | {"job_id": "shop-1"})
    ).status_code == 202
    made = await site.call("submit_batch", "shop", body=[own | {"job_id": "shop-3"}])
    batch = json.loads(made.get_body())["batch"]["batch_id"]
    await site.scene.run()
    assert site.scene.record("shop-1").state is JobState.SUCCEEDED
    # It still runs: a cancel would do something.
    assert (
        await site.call("submit_job", "shop", body=own | {"job_id": "shop-2"})
    ).status_code == 202
    page = await site.call("list_jobs", "operator", query={"limit": "1"})
    cursor = json.loads(page.get_body())["next"]
    return site, {"batch": batch, "cursor": cursor}


def test_every_parameter_of_a_route_for_tenants_is_tried() -> None:
    assert {name for route in TENANT_ROUTES for name in route.query} == PARAMETERS.keys()


@pytest.mark.parametrize("route", TENANT_ROUTES, ids=lambda route: route.name)
async def test_no_route_leads_from_one_tenant_to_another(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, names = await opened(monkeypatch)
    before, sent = site.stored(), len(site.scene.world.queues.sent)
    paths: list[dict[str, str]] = [{}]
    if "{job_id}" in route.path:
        paths = [{"job_id": f"shop-{n}", "number": number} for n in (1, 2, 3) for number in "0"]
        paths.append({"job_id": "shop-1", "number": "first"})
    elif "{batch_id}" in route.path:
        paths = [{"batch_id": names["batch"]}]
    queries: list[dict[str, str]] = [{}] + [
        {name: value.format(**names)} for name in route.query for value in PARAMETERS[name]
    ]
    bodies: list[object] = [None]
    if route.reads_body:
        bodies = [[each] if route.name == "submit_batch" else each for each in BODIES]
    for method in route.methods:
        for path in paths:
            for query in queries:
                for body in bodies:
                    answer = await site.call(
                        route.name, "press", path=path, query=query, body=body, method=method
                    )
                    text = answer.get_body().decode("utf-8", "replace")
                    assert SECRET not in text
                    assert names["batch"] not in text
                    if path:  # as if it did not exist
                        assert answer.status_code == 404, text
                    elif body is not None:
                        assert 400 <= answer.status_code < 500, text
                    else:
                        assert "shop-" not in text
    assert site.stored() == before
    assert len(site.scene.world.queues.sent) == sent


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_route_without_a_decision_is_for_operators(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(monkeypatch)
    if route.is_open:
        assert not route.for_tenants
        return
    path = {"job_id": "fox", "batch_id": "b", "number": "0", "pool": "gpt-image-2"}
    for who, code in ((None, "unknown_caller"), ("press", "for_operators")):
        answer = await site.call(route.name, who, path=path)
        told = json.loads(answer.get_body()).get("code")
        assert (told == code) == (who is None or not route.for_tenants)
    known = await site.call(route.name, "operator", path=path)
    assert known.status_code not in {401, 403}


async def test_a_bound_caller_has_its_own_jobs_batches_and_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, names = await opened(monkeypatch)
    job = {"job_id": "shop-1", "number": "0"}
    read = json.loads((await site.call("read_job", "shop", path=job)).get_body())
    assert (read["state"], read["tenant"]) == ("succeeded", "shop")
    assert (await site.call("read_image", "shop", path=job)).status_code == 200
    listed = json.loads((await site.call("list_jobs", "shop")).get_body())["jobs"]
    assert {each["job_id"] for each in listed} == {"shop-1", "shop-2", "shop-3"}
    counted = json.loads((await site.call("count_jobs", "shop")).get_body())
    assert (counted["succeeded"], counted["running"]) == (2, 1)
    assert json.loads((await site.call("count_jobs", "press")).get_body())["succeeded"] == 0
    batch = await site.call("read_batch", "shop", path={"batch_id": names["batch"]})
    assert batch.status_code == 200
    for who, count in (("shop", 1), ("press", 0), ("operator", 1)):
        found = json.loads((await site.call("list_batches", who)).get_body())["batches"]
        assert len(found) == count
    edit = FOX | {"job_id": "edit", "inputs": ["/images/shop-1/default/0.png"]}
    assert (await site.call("submit_job", "shop", body=edit)).status_code == 202


async def test_a_bound_caller_uploads_pictures_into_its_tenants_folder_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(monkeypatch)
    sent = {"content-type": "image/png"}

    async def upload(who: str, name: str) -> tuple[int, Any]:
        answer = await site.call(
            "upload_input", who, path={"name": name}, body=png(1200, 800), headers=sent
        )
        return answer.status_code, json.loads(answer.get_body())

    status, told = await upload("press", "press/fox.png")
    assert (status, told["name"], told["width"]) == (201, "press/fox.png", 1200)
    assert (await upload("press", "press/fox.png"))[0] == 200
    for name in ("shop/fox.png", "fox.png", "press", "press/../shop/fox.png"):
        assert (await upload("press", name))[0] in {400, 403}
    assert site.scene.world.container("inputs").stored.keys() == {"press/fox.png"}
    assert (await upload("operator", "shop/fox.png"))[0] == 201
    edit = FOX | {"inputs": ["press/fox.png"]}
    assert (await site.call("submit_job", "press", body=edit)).status_code == 202
    edit = FOX | {"inputs": ["shop/fox.png"]}
    assert (await site.call("submit_job", "press", body=edit)).status_code == 403


async def test_the_id_of_another_tenants_job_is_taken_and_tells_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, _ = await opened(monkeypatch)
    before = site.stored()
    own = FOX | {"prompt": SECRET, "tags": {"campaign": "winter"}, "job_id": "shop-1"}
    answer = await site.call("submit_job", "press", body=own)
    assert answer.status_code == 409
    assert SECRET not in answer.get_body().decode()
    answer = await site.call("submit_batch", "press", body=[own])
    assert json.loads(answer.get_body())["jobs"][0]["problem"]["code"] == "conflict"
    assert {name: site.stored()[name] for name in before} == before


async def test_equal_keys_and_lists_of_two_tenants_are_not_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(monkeypatch)
    same = {"idempotency-key": "once"}
    made = [
        json.loads((await site.call("submit_job", who, body=FOX, headers=same)).get_body())
        for who in ("shop", "press")
    ]
    assert len({each["job_id"] for each in made}) == 2
    assert [each["tenant"] for each in made] == ["shop", "press"]
    lists = [await site.call("submit_batch", who, body=[FOX]) for who in ("shop", "press")]
    ids = {json.loads(each.get_body())["batch"]["batch_id"] for each in lists}
    assert len(ids) == 2


async def test_a_sign_in_counts_only_where_the_platform_verifies_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signed = {PRINCIPAL_HEADER: "object-id-of-press"}
    site = Site(monkeypatch)
    answer = await site.call("submit_job", None, body=FOX, headers=signed)
    assert json.loads(answer.get_body())["tenant"] == "press"
    keyed = json.dumps(CALLERS[:3])
    site = Site(monkeypatch, CALLERS=keyed, TRUST_SIGN_IN="false")
    assert (await site.call("submit_job", None, body=FOX, headers=signed)).status_code == 401


async def test_without_callers_each_one_is_an_operator_and_may_name_any_tenant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(monkeypatch, CALLERS="[]")
    answer = await site.call("submit_job", None, body=FOX | {"tenant": "shop"})
    assert json.loads(answer.get_body())["tenant"] == "shop"
    assert (await site.call("read_overview", None)).status_code == 200


async def test_an_operator_sends_a_list_for_a_tenant_that_then_sees_it_and_so_does_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(monkeypatch)
    refused = await site.call("submit_batch", "press", query={"tenant": "shop"}, body=[FOX])
    assert json.loads(refused.get_body())["code"] == "not_allowed"
    posted = await site.call("submit_batch", "operator", query={"tenant": "shop"}, body=[FOX])
    assert json.loads(posted.get_body())["batch"]["tenant"] == "shop"
    name = "tenants/shop/foxes.jsonl"
    site.scene.world.seed("manifests", name, json.dumps(FOX).encode())
    site.scene.submit(notice(site.scene.world, name), queue="image-manifests")
    await site.scene.run()
    for who, count in (("shop", 2), ("press", 0), ("operator", 2)):
        found = json.loads((await site.call("list_batches", who)).get_body())["batches"]
        assert [each["tenant"] for each in found] == ["shop"] * count
    for batch in site.scene.world.stored_batches:
        path = {"batch_id": batch}
        assert (await site.call("read_results", "shop", path=path)).status_code == 200
        assert (await site.call("read_results", "press", path=path)).status_code == 404


EVENT: Final = {"id": "7", "source": "/x", "type": "job.wanted", "specversion": "1.0"}


@pytest.mark.parametrize("is_binary", [True, False])
async def test_the_extension_of_an_event_leads_a_bound_caller_to_no_other_tenant(
    monkeypatch: pytest.MonkeyPatch, *, is_binary: bool
) -> None:
    site = Site(monkeypatch)
    event = EVENT | {"tenant": "shop"}
    headers = {f"ce-{name}": value for name, value in event.items()} if is_binary else {}
    body = FOX if is_binary else event | {"data": FOX}
    for name in ("submit_job", "estimate_job"):
        answer = await site.call(name, "press", body=body, headers=headers)
        assert json.loads(answer.get_body())["code"] == "not_allowed"
    assert not site.scene.records()


@pytest.mark.parametrize("tenant", sorted(APP_FOLDERS))
async def test_a_tenant_called_like_a_folder_of_the_app_reaches_no_input_of_others(
    monkeypatch: pytest.MonkeyPatch, tenant: str
) -> None:
    key = {"tenant": tenant, "sha256": hash_key(KEYS["press"])}
    site = Site(monkeypatch, CALLERS=json.dumps([key]), TRUST_SIGN_IN="false")
    name = f"{tenant}/{'a' * 64}.png"
    site.scene.world.seed("inputs", name, png(1200, 800))
    answer = await site.call("submit_job", "press", body=FOX | {"inputs": [name]})
    assert json.loads(answer.get_body())["code"] == "not_allowed"


async def test_an_equal_job_of_another_tenant_reuses_no_picture_and_learns_of_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site(monkeypatch)
    again = FOX | {"reuse": "7d"}
    for who, job_id in (("shop", "shop-1"), ("press", "press-1"), ("shop", "shop-2")):
        estimate = json.loads((await site.call("estimate_job", who, body=again)).get_body())
        answer = await site.call("submit_job", who, body=again | {"job_id": job_id})
        await site.scene.run()
        source = "shop-1" if job_id == "shop-2" else None
        record = site.scene.record(job_id)
        assert (record.reused.job_id if record.reused else None) == source
        assert (estimate["reused"] or {}).get("job_id") == source
        assert ("shop-1" in answer.get_body().decode()) == (who == "shop")
    assert len(site.scene.world.endpoint.requests) == 2


async def test_a_caller_of_openai_opens_no_picture_of_another_tenant_with_a_link_of_its_own_making(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {"shop": "sk-of-shop-0123456789", "press": "sk-of-press-0123456789"}
    site = Site(monkeypatch, OPENAI_KEYS=json.dumps(keys), OPENAI_WAIT_SECONDS="1")
    asked = {"prompt": SECRET, "model": "gpt-image-2", "response_format": "url"}

    async def ask(who: str, path: str, body: object = None) -> func.HttpResponse:
        return await site.call(
            "openai",
            None,
            path={"path": path},
            body=body,
            headers={"authorization": f"Bearer {keys[who]}"},
            method="GET" if body is None else "POST",
        )

    waits = await ask("shop", "v1/images/generations", asked)
    assert waits.status_code == 303
    await site.scene.run()
    (record,) = site.scene.records()
    until = site.scene.world.clock.now() + timedelta(hours=1)
    for who, status in (("shop", 200), ("press", 404)):
        signed = sign_picture(record.job_id, 0, until, SecretStr(keys[who]))
        answer = await ask(who, f"pictures/{record.job_id}/0/{signed}.png")
        assert answer.status_code == status
        again = await ask(who, f"requests/{record.request_key}")
        assert (again.status_code == 404) == (who == "press")
