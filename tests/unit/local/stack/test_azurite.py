from azure.storage.queue import QueueServiceClient


def test_azurite_serves_queues(azurite: str) -> None:
    with QueueServiceClient.from_connection_string(azurite) as service:
        service.create_queue("ready-or-not")
        assert "ready-or-not" in {queue.name for queue in service.list_queues()}
