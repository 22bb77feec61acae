"""What the doctor looks at: all that the app uses, however the settings grow."""

from datetime import timedelta

from local.stack.settings import CONTAINERS, QUEUES
from shared.client.caller import read_configuration
from shared.client.operators import LATE, check_storage, list_containers, list_queues
from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import Circuit
from shared.limits.pacing import start_pace
from shared.limits.pool_ledger import Ledger
from shared.records.task_messages import TaskMessage
from shared.stores.waiting_tasks import AHEAD
from tests.builders.connections import BEGAN, MemoryConnection


def test_every_queue_and_container_of_the_stack_is_looked_at_once() -> None:
    settings = read_configuration({"ImageStorage": "UseDevelopmentStorage=true"}).settings
    assert sorted(list_queues(settings)) == sorted(QUEUES)
    assert sorted(list_containers(settings)) == sorted(CONTAINERS)


async def test_an_open_circuit_and_an_old_message_are_told() -> None:
    app = MemoryConnection()
    circuit = Circuit(reason="blocked", message="403", opened_at=BEGAN, probe_at=BEGAN)
    ledger = Ledger(pace=start_pace(Quota(6), now=BEGAN), circuits={"": circuit})
    app.put("pace/gpt-image-2.json", ledger.model_dump_json())
    await app.queues.send("image-jobs", b"{}")
    app.clock.time += timedelta(minutes=6)
    found = {each.what: each async for each in check_storage(app, may_send=False)}
    pool = found["pool gpt-image-2"]
    assert (pool.state, "circuit of all deployments is open, blocked: 403") == ("bad", pool.message)
    queue = found["queue image-jobs"]
    assert (queue.state, queue.message) == ("doubtful", "1 message, the oldest for 360 s")


async def test_a_task_that_nobody_moves_from_the_waiting_queue_is_told() -> None:
    app = MemoryConnection()

    async def queue() -> tuple[str, str]:
        found = {each.what: each async for each in check_storage(app, may_send=False)}
        check = found["queue image-waiting"]
        return check.state, check.message

    assert await queue() == ("good", "")
    due = BEGAN + timedelta(minutes=10)
    task = TaskMessage(job_id="fox-1", task=0, due=due)
    await app.queues.send("image-waiting", task.to_bytes(), delay=due - AHEAD - BEGAN)
    assert await queue() == ("good", "1 message")
    app.clock.time = due - AHEAD + LATE
    assert await queue() == ("good", "1 message")
    app.clock.time += timedelta(seconds=60)
    assert await queue() == ("doubtful", "1 message, late by 180 s")
