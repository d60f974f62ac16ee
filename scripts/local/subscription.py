"""Makes the topic of facts, and the subscription that pushes them to the `events` function, as when deployed."""

from collections.abc import Mapping

import httpx

from scripts.local.environment import FACT_TOPIC, StackSettings, push_caller
from scripts.local.processes import START_SECONDS, NotReady
from shared.adapters.cloud_tasks.emulator import local_token

_SUBSCRIPTION = "events"
# The emulator signs no token, so one that outlives the stack stands in the address.
_TOKEN_SECONDS = 30 * 86_400
_RETRY = {"minimumBackoff": "0.1s", "maximumBackoff": "2s"}
_ACKNOWLEDGE_SECONDS = 60


def subscribe_to_facts(settings: StackSettings) -> None:
    """Make both, in an emulator that has neither.

    Raises:
        NotReady: The emulator refuses; the message holds its answer.
    """
    address = settings.ports.addresses["events"]
    token = local_token(push_caller(settings.project), address, settings.oidc_key, _TOKEN_SECONDS)
    topic = f"projects/{settings.project}/topics/{FACT_TOPIC}"
    subscription = {
        "topic": topic,
        "ackDeadlineSeconds": _ACKNOWLEDGE_SECONDS,
        "pushConfig": {"pushEndpoint": f"{address}/pushes/facts?token={token}"},
        "retryPolicy": _RETRY,
    }
    _put(settings, topic, {})
    _put(settings, f"projects/{settings.project}/subscriptions/{_SUBSCRIPTION}", subscription)


def _put(settings: StackSettings, path: str, content: Mapping[str, object]) -> None:
    host = settings.ports.emulators.environment["PUBSUB_EMULATOR_HOST"]
    answer = httpx.put(f"http://{host}/v1/{path}", json=content, timeout=START_SECONDS, trust_env=False)
    if not answer.is_success:
        raise NotReady(f"{path} was not made: {answer.text}")
