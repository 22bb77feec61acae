"""What the doctor looks at: all that the app uses, however the settings grow."""

from local.stack.settings import CONTAINERS, QUEUES
from shared.client.checkup import containers_of, queues_of
from shared.client.configuration import configured


def test_every_queue_and_container_of_the_stack_is_looked_at_once() -> None:
    settings = configured({"ImageStorage": "UseDevelopmentStorage=true"}).settings
    assert sorted(queues_of(settings)) == sorted(QUEUES)
    assert sorted(containers_of(settings)) == sorted(CONTAINERS)
