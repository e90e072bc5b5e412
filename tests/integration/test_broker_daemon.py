"""What a daemon shows of a broker that it shares: the API, metrics, the dashboard and the command line."""

from __future__ import annotations

from pytest_twisted import ensureDeferred

from tests.integration.cluster import StartCluster
from tests.integration.process import Start
from tests.servers.rabbitmq import RabbitMQ

_MISSING = "http://127.0.0.1:1/f"


@ensureDeferred
async def test_put_aside(start_cluster: StartCluster, start_command: Start, rabbitmq: RabbitMQ) -> None:
    """A job that was given up is put aside: every face shows it, and it can be tried again."""
    retry = {"m": {"url": "http://127.0.0.1:1/", "retry": {"retries": 0}}}
    cluster = start_cluster(broker=rabbitmq.url, limits={"attempts": 1}, more={"remotes": retry})
    node = cluster.add()
    await node.start()
    made = await node.made("/api/v1/downloads", {"remote": "m", "items": [{"url": _MISSING}]})
    assert "failed" == (await cluster.ended(made["id"], node))["state"]

    async def letters() -> list[dict[str, object]]:
        found: list[dict[str, object]] = (await node.document("/api/v1/dead-letters"))["items"]
        return found

    (letter,) = await cluster.until(letters)
    assert (made["id"], 0, "failed") == (letter["id"], letter["count"], letter["state"])
    told = {
        "pulpdownloader_broker_connected 1.0",
        'pulpdownloader_broker_messages{state="dead"} 1.0',  # not while somebody looks at it
        'pulpdownloader_broker_published_total{result="confirmed"} 2.0',
    }

    async def metrics() -> bool:
        return told <= set((await node.get("/metrics")).body.decode().splitlines())

    await cluster.until(metrics)
    assert "amqp" == (await node.document("/api/v1/cluster"))["broker"]["kind"]
    given = {"PULPDOWNLOADER_SERVER": f"http://127.0.0.1:{node.port}", "PULPDOWNLOADER_TOKEN": cluster.token}
    listed = start_command("cluster", "dead", environ=given)
    assert 0 == await listed.ended()
    assert made["id"] in listed.out
    again = start_command("cluster", "replay", made["id"], environ=given)
    assert 0 == await again.ended()
    await cluster.until(lambda: node.job(made["id"]))
    assert 404 == (await node.send("POST", "/api/v1/dead-letters/unknown/replay")).status
    rabbitmq.kill()

    async def apart() -> bool:
        return bool((await node.document("/api/v1/cluster"))["broker"]["connected"] is False)

    await cluster.until(apart)
    got = await node.get("/api/v1/dead-letters", f"Authorization: Bearer {cluster.token}")
    assert 503 == got.status
    assert 200 == (await node.get("/api/v1/ready")).status
    assert "pulpdownloader_broker_connected 0.0" in (await node.get("/metrics")).body.decode()
