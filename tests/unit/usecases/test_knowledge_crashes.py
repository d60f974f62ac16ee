"""Knowledge comes out right whatever dies or is lost: a life of documents, with each commit meeting each fate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.domain.dead_letters import SUSPECTS
from shared.domain.errors import Aborted, AlreadyExists, NotFound, Unavailable
from shared.domain.knowledge import SWEEP_AFTER, collection_id_of, document_id_of
from shared.usecases.knowledge.delete_collection import delete_collection
from shared.usecases.knowledge.delete_document import delete_document
from shared.usecases.knowledge.ingest_document import BATCH, CLAIM
from shared.usecases.knowledge.put_document import NewDocument, put_document
from shared.usecases.knowledge.refresh_document import refresh_document
from shared.usecases.knowledge.sweep_ingestions import sweep_ingestions
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.knowledge_rig import ANN, KnowledgeRig

HANDBOOK = collection_id_of(ANN, "handbook")
FIRST, OTHER = document_id_of(HANDBOOK, "a.txt"), document_id_of(HANDBOOK, "b.txt")
COMMITS = 45
"""More than a life has; a fate that never comes is a life without one."""
OLD = "\n\n".join(f"The old answer {n} is {'seven ' * 220}." for n in range(BATCH + 1))
NEW = "The new answer is eight."
ROUNDS = 60


async def live(rig: KnowledgeRig) -> list[str]:
    """Bring two documents, replace, refresh, delete one, look what is searched at each turn, and delete everything.

    Returns:
        The paths that are left; what was noted of tasks that failed expires.
    """
    await told(rig, rig.collection)
    await told(rig, lambda: put(rig, "a.txt", OLD))
    await told(rig, lambda: put(rig, "b.txt", "Something else."))
    await work(rig)
    assert all(line.startswith("a.txt") for line in await rig.search("old answer seven", limit=3))
    assert len(rig.stored("passages/")) == BATCH + 2
    await told(rig, lambda: put(rig, "a.txt", NEW))
    await work(rig)
    assert await rig.search("answer", limit=1) == [f"a.txt, line 1: {NEW}"]
    await told(rig, lambda: refresh_document(rig.library, ANN, HANDBOOK, FIRST))
    await told(rig, lambda: delete_document(rig.library, ANN, HANDBOOK, OTHER))
    await work(rig)
    assert await rig.search("answer something else", limit=5) == [f"a.txt, line 1: {NEW}"]
    assert len(rig.stored("passages/")) == 1
    await told(rig, lambda: delete_collection(rig.library, ANN, HANDBOOK))
    await work(rig)
    return [path for path in rig.documents.paths if not path.startswith(f"{SUSPECTS}/")]


async def put(rig: KnowledgeRig, name: str, content: str) -> Any:
    return await put_document(rig.library, ANN, HANDBOOK, NewDocument(name, content.encode()))


async def told(rig: KnowledgeRig, ask: Callable[[], Awaitable[Any]]) -> None:
    """Ask as a person does who asks again until there is an answer."""
    for again in range(5):
        try:
            await ask()
        except Died:
            rig.through = None  # another process answers from now on
        except (AlreadyExists, NotFound):
            assert again, "what was asked once cannot have been done before"
            return
        except (Unavailable, Aborted):
            await work(rig)
        else:
            return
    raise AssertionError("there was never an answer")


async def work(rig: KnowledgeRig) -> None:
    """Deliver tasks, over and over, until nothing is to be done any more."""
    for _ in range(ROUNDS):
        task = rig.queue.pending.popleft() if rig.queue.pending else None
        if task is None:
            if not rig.stored("ingestions/"):
                return
            await rig.clock.advance(SWEEP_AFTER.total_seconds())
            await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10)
            continue
        try:
            done = await rig.deliver(task)
        except (Died, Unavailable):
            rig.through, done = None, False
        if not done:
            rig.queue.pending.append(task)
            await rig.clock.advance(CLAIM.total_seconds() + 1)
    raise AssertionError("there is always something left to do")


async def test_a_life_without_misfortune_has_fewer_commits_than_are_tried() -> None:
    rig = KnowledgeRig()
    rig.through = FailingDocuments(rig.documents)
    assert (await live(rig), rig.defects) == ([], [])
    assert rig.through.commits < COMMITS
    assert sum("old answer" in text for text in rig.embedder.embedded) == BATCH + 1


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.APPLIED])
@pytest.mark.parametrize("number", range(COMMITS))
async def test_a_life_comes_out_the_same_whatever_befalls_one_commit(number: int, fate: Fate) -> None:
    rig = KnowledgeRig()
    rig.through = FailingDocuments(rig.documents, at_commit(number, fate))
    assert (await live(rig), rig.defects) == ([], [])


@pytest.mark.parametrize("fate", [Fate.REPLY_LOST, Fate.ABORTED])
@pytest.mark.parametrize("every", [2, 3, 5])
async def test_a_life_comes_out_the_same_if_it_befalls_every_few_commits(every: int, fate: Fate) -> None:
    rig = KnowledgeRig()
    rig.through = FailingDocuments(rig.documents, lambda commit: fate if commit % every == 0 else Fate.APPLIED)
    assert (await live(rig), rig.defects) == ([], [])
