"""The file that a call means: one of the workspace, or one of the web, which then becomes one of the workspace.

So a model that sees it, whoever takes the node over, and later turns all see the same bytes, whatever the site does.
"""

from __future__ import annotations

import hashlib
from urllib.parse import unquote, urlsplit

from shared.adapters.tools.web_get import check_whole, get_from_web
from shared.adapters.tools.workspace import Workspace
from shared.domain.artifact_names import artifact_name
from shared.domain.errors import FailedPrecondition, InvalidArgument
from shared.domain.tool_arguments import FileArguments, FileConfiguration
from shared.domain.tool_specs import parse_config
from shared.ports.web_client import WebClient
from shared.usecases.artifacts.get_artifact import ArtifactContent, get_artifact
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact

_SAID_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_SHOWN_CHARACTERS = 100


async def brought_file(arguments: FileArguments, workspace: Workspace, web: WebClient | None) -> ArtifactContent:
    """The file, with its bytes.

    Raises:
        NotFound: there is no such file.
        FailedPrecondition: the definition takes no files of the web, or this one could not be read.
        shared.domain.errors.EgressRefused: the address may not be reached.
    """
    if arguments.url is None:
        return await get_artifact(workspace.documents, workspace.session_id, arguments.path or "")
    config = parse_config(FileConfiguration, workspace.config)
    if not config.from_web:
        raise FailedPrecondition("This agent reads no files of the web; give the path of a file of the workspace.")
    answer = await get_from_web(web, arguments.url, tuple(config.hosts), "*/*")
    check_whole(answer)
    if not answer.body:
        raise FailedPrecondition(f"The page could not be read: {answer.url[:500]!a} is empty.")
    media_type = None if answer.media_type in _SAID_NOTHING else answer.media_type
    name = name_of(arguments.url)
    new = NewArtifact(workspace.session_id, workspace.owner_uid, name, answer.body, workspace.author, media_type)
    await put_artifact(workspace.documents, workspace.clock, new)
    return await get_artifact(workspace.documents, workspace.session_id, name)


def name_of(url: str) -> str:
    """The path in the workspace of what stands at an address: always the same one."""
    parts = urlsplit(url)
    folder = f"web/{parts.hostname or 'site'}/{hashlib.sha256(url.encode()).hexdigest()[:12]}"
    last = unquote(parts.path).rpartition("/")[2][-_SHOWN_CHARACTERS:]
    try:
        return artifact_name(f"{folder}/{last or 'page'}")
    except InvalidArgument:
        return f"{folder}/page"
