"""What the doctor looks at: all that the app uses, however the settings grow."""

from local.stack.settings import CONTAINERS, QUEUES
from shared.client.caller import read_configuration
from shared.client.checkup import list_containers, list_queues


def test_every_queue_and_container_of_the_stack_is_looked_at_once() -> None:
    settings = read_configuration({"ImageStorage": "UseDevelopmentStorage=true"}).settings
    assert sorted(list_queues(settings)) == sorted(QUEUES)
    assert sorted(list_containers(settings)) == sorted(CONTAINERS)
