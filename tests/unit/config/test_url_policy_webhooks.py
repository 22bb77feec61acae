import pytest

from shared.errors import Misconfigured
from tests.builders.webhooks import NEW, OLD, hook, settings_of
from tests.simulation.scene import configured


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example/in", "https on port 443"),
        ("https://hooks.example:8443/in", "https on port 443"),
        ("https://evil.example/in", "WEBHOOK_HOSTS does not allow"),
        ("https://hooks.example.evil.test/in", "WEBHOOK_HOSTS does not allow"),
        ("https://user@hooks.example/in", "user name"),
        ("https://93.184.215.14/in", "has an IP address"),
        ("https://2130706433/in", "has an IP address"),
        ("https://[::1]/in", "has an IP address"),
        ("ftp://hooks.example/in", "https://"),
    ],
)
def test_a_receiver_that_must_not_be_stops_the_app(url: str, said: str) -> None:
    with pytest.raises(Misconfigured, match="WEBHOOKS") as caught:
        configured(**settings_of(hook(url)))
    assert said in str(caught.value)


def test_metadata_is_no_receiver_even_on_the_list_of_local_hosts() -> None:
    given = settings_of(hook("http://169.254.169.254/x"), WEBHOOK_LOCAL_HOSTS="169.254.169.254")
    with pytest.raises(Misconfigured, match="which is not allowed"):
        configured(**given)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "the setting 'OLD' is missing"),
        ("short", "is not valid"),
        ("whsec_not base64!", "is not valid"),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/s)", "was not resolved"),
    ],
)
def test_a_secret_that_is_not_valid_stops_the_app_and_is_not_repeated(
    secret: str, said: str
) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        configured(**settings_of(hook("https://hooks.example/in"), OLD=secret))
    assert not secret or secret not in str(caught.value)


def test_two_receivers_need_two_names() -> None:
    twice = [hook("https://hooks.example/in")] * 2
    with pytest.raises(Misconfigured, match="two webhooks have the name 'shop'"):
        configured(**settings_of(*twice))


def test_a_receiver_gets_the_types_it_asks_for() -> None:
    given = settings_of(hook("https://hooks.example/in", events=["image.batch.*"]))
    (webhook,) = configured(**given).settings.webhooks
    assert webhook.wants("image.batch.completed")
    assert not webhook.wants("image.job.failed")
    assert OLD not in repr(webhook)


HOOK = "https://hooks.example/in?token=s3cret"


def test_a_callback_is_signed_by_the_settings_that_are_named() -> None:
    settings = configured(**settings_of(CALLBACK_SECRETS="NEW, OLD")).settings
    assert [key.get_secret_value() for key in settings.callback_keys] == [NEW, OLD]
    assert NEW not in repr(settings)
    settings.check_callback(HOOK)


def test_without_a_secret_to_sign_it_no_callback_is_allowed() -> None:
    settings = configured(**settings_of()).settings
    with pytest.raises(ValueError, match="the app has no CALLBACK_SECRETS"):
        settings.check_callback(HOOK)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example/in?s3cret", "https on port 443"),
        ("https://evil.example/in?s3cret", "WEBHOOK_HOSTS does not allow"),
        ("https://10.0.0.1/in?s3cret", "has an IP address"),
        ("https://hooks.example@evil.example/?s3cret", "user name"),
        ("https://hooks.example:99999/?s3cret", "[Pp]ort"),
        ("https://[::1/in?s3cret", "host or its port is not valid"),
    ],
)
def test_a_callback_follows_the_rules_of_webhooks_and_is_not_repeated(url: str, said: str) -> None:
    settings = configured(**settings_of(CALLBACK_SECRETS="OLD")).settings
    assert not settings.allows_callback(url)
    with pytest.raises(ValueError, match=said) as refused:
        settings.check_callback(url)
    assert "s3cret" not in str(refused.value)


def test_a_secret_in_place_of_its_name_stops_the_app_and_is_not_repeated() -> None:
    with pytest.raises(Misconfigured, match="CALLBACK_SECRETS") as caught:
        configured(**settings_of(CALLBACK_SECRETS=OLD))
    assert OLD.removeprefix("whsec_") not in str(caught.value)
