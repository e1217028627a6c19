"""Create Prefect's automations for a lab's server: ``python -m flows.automations --webhook ADDRESS``.

Two automations, each replaced if it is there already. One posts ``{"text": …}`` (as Slack and Mattermost take it) to
the address when a run of the pipeline fails or crashes. The other marks a run as crashed whose machine vanished, as its
heartbeats have stopped. What starts a crashed run of a deployment again is a trigger in prefect.yaml.
"""

import argparse
import asyncio
import sys
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings import PREFECT_API_URL

from flows.server_check import ServerError, check_server

BLOCK = "equiderm-failures"
HEARTBEATS_MISSED_SECONDS = 90  # three of the heartbeats that prefect.yaml sets to one in 30 s
_ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}
_HEARTBEAT = "prefect.flow-run.heartbeat"
EXAMPLE = """example:
  PREFECT_API_URL=http://127.0.0.1:4200/api ./run python -m flows.automations --webhook https://hooks.slack.com/services/…
"""


def notify_failures(block: UUID) -> Automation:
    """Send a notification by ``block`` when a run of the pipeline has failed or crashed."""
    return Automation(
        name="equiderm: a run failed",
        trigger=_trigger(expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}),
        actions=[
            SendNotification(
                block_document_id=block,
                subject="equiderm: run {{ flow_run.name }} ended as {{ flow_run.state.name }}",
                body="{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
            )
        ],
    )


def mark_lost_runs() -> Automation:
    """Mark a run as crashed when its heartbeats have stopped and it has not ended."""
    return Automation(
        name="equiderm: a run's machine vanished",
        trigger=_trigger(
            posture=Posture.Proactive,
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_ENDS},
            within=timedelta(seconds=HEARTBEATS_MISSED_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed", state=StateType.CRASHED, message="no heartbeat: its machine is gone", force=False
            )
        ],
    )


def _trigger(
    expect: set[str],
    after: set[str] | None = None,
    posture: Literal[Posture.Reactive, Posture.Proactive] = Posture.Reactive,
    within: timedelta = timedelta(0),
) -> EventTrigger:
    """A trigger on events of runs of the flow ``augment``, one run at a time."""
    return EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": "augment"}),
        for_each={"prefect.resource.id"},
        expect=expect,
        after=after or set(),
        posture=posture,
        within=within,
        threshold=1,
    )


async def create(webhook: str) -> list[str]:
    """Create the notification's block and the automations, in place of those of the same name; their names."""
    block = CustomWebhookNotificationBlock.model_validate(
        {"name": BLOCK, "url": webhook, "json_data": {"text": "{{subject}}\n{{body}}"}}
    )
    saved: Any = block.save(BLOCK, overwrite=True)
    made = [notify_failures(await saved), mark_lost_runs()]
    async with get_client() as client:
        for automation in made:
            for old in await client.read_automations_by_name(automation.name):
                await client.delete_automation(old.id)
            await automation.acreate()
    return [automation.name for automation in made]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.automations",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--webhook", required=True, help="the address to which a failure is posted")
    webhook = parser.parse_args().webhook
    if not (url := PREFECT_API_URL.value()):
        sys.exit("error: PREFECT_API_URL is not set; give the server's address, e.g. http://127.0.0.1:4200/api")
    try:
        check_server(url)
    except ServerError as error:
        sys.exit(f"error: {error}")
    for name in asyncio.run(create(webhook)):
        print(f"created: {name}")


if __name__ == "__main__":
    main()
