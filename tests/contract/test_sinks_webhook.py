"""Webhooks: signed so that receivers can tell, and never sent inward."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from shared.adapters.sinks import (
    MAX_ANSWER_BYTES,
    CallbackSink,
    GuardedResolver,
    Poster,
    WebhookSink,
    guarded,
)
from shared.errors import DeliveryFailed
from tests.builders.webhooks import NEW, OLD, OTHER, hook, settings_of
from tests.contract.receivers import EVENT, Received, Receiver, receiving
from tests.simulation.scene import configured


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    made = guarded(("127.0.0.1", "localhost"))
    made.limit_seconds = 5
    yield made
    await made.close()


def sink(poster: Poster, *hooks: dict[str, object]) -> WebhookSink:
    (webhook,) = configured(**settings_of(*hooks)).settings.webhooks
    return WebhookSink(webhook, poster)


def verified(got: Received, secret: str) -> object:
    return Verifier(secret).verify(got.body, dict(got.headers))


async def test_a_receiver_can_tell_that_the_event_is_ours(
    receiver: Receiver, poster: Poster
) -> None:
    await sink(poster, hook(receiver.url)).take(EVENT)
    (got,) = receiver.received
    assert verified(got, OLD) == EVENT
    assert got.headers["webhook-id"] == EVENT["id"]
    assert got.headers["content-type"].startswith("application/cloudevents+json")
    with pytest.raises(WebhookVerificationError):
        verified(got, OTHER)


async def test_while_a_secret_is_changed_both_verify(receiver: Receiver, poster: Poster) -> None:
    await sink(poster, hook(receiver.url, "NEW OLD")).take(EVENT)
    (got,) = receiver.received
    assert verified(got, OLD) == verified(got, NEW) == EVENT


async def test_a_name_is_what_the_receiver_is_called_by(receiver: Receiver, poster: Poster) -> None:
    await sink(poster, hook(f"http://localhost:{receiver.port}/in")).take(EVENT)
    assert receiver.received[0].headers["host"] == f"localhost:{receiver.port}"


@pytest.mark.parametrize(("status", "final"), [(500, False), (400, False), (410, True)])
async def test_all_but_a_success_is_not_taken(
    receiver: Receiver, poster: Poster, status: int, *, final: bool
) -> None:
    receiver.answers = [web.Response(status=status, headers={"retry-after": "7"}, text="no\nway")]
    with pytest.raises(DeliveryFailed, match="no way") as caught:
        await sink(poster, hook(receiver.url)).take(EVENT)
    assert (caught.value.final, caught.value.retry_after) == (final, 7)


async def test_a_redirect_is_not_followed(receiver: Receiver, poster: Poster) -> None:
    receiver.answers = [web.Response(status=307, headers={"location": "/elsewhere"})]
    with pytest.raises(DeliveryFailed, match="a redirect is not followed"):
        await sink(poster, hook(receiver.url)).take(EVENT)
    assert [got.path for got in receiver.received] == ["/in"]


async def test_a_receiver_that_is_silent_is_left_in_time(receiver: Receiver) -> None:
    receiver.is_silent = True
    poster = guarded(("127.0.0.1",))
    poster.limit_seconds = 0.3
    async with asyncio.timeout(5):
        with pytest.raises(DeliveryFailed, match="no answer within"):
            await sink(poster, hook(receiver.url)).take(EVENT)
    await poster.close()


async def test_of_an_endless_answer_little_is_read(receiver: Receiver, poster: Poster) -> None:
    receiver.answers = [web.Response(status=500, body=b"x" * (MAX_ANSWER_BYTES * 1000))]
    with pytest.raises(DeliveryFailed) as caught:
        await sink(poster, hook(receiver.url)).take(EVENT)
    assert len(str(caught.value)) < 300


class Names(AbstractResolver):
    """Answers with these addresses, one list a question, and the last again and again."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers, self.asked = list(answers), 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in found
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.5",),
        ("169.254.169.254",),
        ("100.64.1.1",),
        ("168.63.129.16",),
        ("::1",),
        ("::ffff:10.0.0.1",),
        ("64:ff9b::a00:1",),
        ("2002:a00:1::",),
        ("93.184.215.14", "10.0.0.5"),
    ],
)
async def test_a_name_that_leads_inward_is_not_connected_to(addresses: tuple[str, ...]) -> None:
    poster = Poster(open_resolver=lambda: GuardedResolver((), lambda: Names(addresses)))
    with pytest.raises(DeliveryFailed, match="where no receiver can be"):
        await sink(poster, hook("https://hooks.example/in")).take(EVENT)
    await poster.close()


async def test_a_name_is_looked_up_once_and_its_answer_is_what_is_connected_to(
    receiver: Receiver,
) -> None:
    names = Names(("127.0.0.1",), ("10.0.0.5",))
    poster = Poster(open_resolver=lambda: GuardedResolver(("inside.test",), lambda: names))
    url = f"http://inside.test:{receiver.port}/in"
    (webhook,) = configured(
        **settings_of(hook(url), WEBHOOK_LOCAL_HOSTS="inside.test")
    ).settings.webhooks
    await WebhookSink(webhook, poster).take(EVENT)
    assert names.asked == 1
    assert receiver.received[0].headers["host"] == f"inside.test:{receiver.port}"
    await poster.close()


async def test_a_local_host_is_not_let_to_metadata_either() -> None:
    resolver = GuardedResolver(("inside.test",), lambda: Names(("169.254.169.254",)))
    with pytest.raises(DeliveryFailed, match="where no receiver can be"):
        await resolver.resolve("inside.test")


async def test_a_callback_is_signed_with_the_keys_of_the_app(
    receiver: Receiver, poster: Poster
) -> None:
    keys = configured(**settings_of(CALLBACK_SECRETS="NEW,OLD")).settings.callback_keys
    hook = CallbackSink(f"{receiver.url}?token=s3cret", keys, poster)
    assert hook.wants("image.picture.stored")
    await hook.take(EVENT)
    (got,) = receiver.received
    assert verified(got, OLD) == verified(got, NEW) == EVENT
    assert "s3cret" not in repr(hook)


@pytest.mark.parametrize("host", ["[::1", "a b", "\ud800"])
async def test_a_url_that_is_not_valid_is_not_repeated(poster: Poster, host: str) -> None:
    hook = CallbackSink(f"https://{host}/?token=s3cret", (), poster)
    with pytest.raises(DeliveryFailed) as caught:
        await hook.take(EVENT)
    assert "s3cret" not in str(caught.value)
