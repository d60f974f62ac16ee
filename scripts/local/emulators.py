"""The emulators of Authentication, Firestore, Pub/Sub and Cloud Tasks.

Firestore's and Pub/Sub's Java programs are started directly, Authentication and Cloud Tasks from
one Node process: all four serve after about a second, and none needs the internet.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from scripts.local.paths import ROOT
from scripts.local.processes import HOST, START_SECONDS, NotReady, Program, check_port, free_port, stop_all
from scripts.local.programs import ProgramMissing, Programs, find_programs

_FIRESTORE_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_JAVA_OPTIONS = ("-Duser.language=en", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""The second compiler works longer than a stack lives, and collectors that run beside the program want cores of their
own: without both the emulator takes half the processor time."""
_RULES = ROOT / "firestore.rules"


class NotADemoProject(ValueError):
    """Only projects named demo-… may be emulated: they can never reach a real one."""


@dataclass(frozen=True, slots=True)
class EmulatorPorts:
    """Where each emulator listens on the loopback address; the defaults are Firebase's own."""

    auth: int = 9099
    firestore: int = 8080
    pubsub: int = 8085
    tasks: int = 9499

    @classmethod
    def free(cls) -> Self:
        """Ports that are free now."""
        return cls(free_port(), free_port(), free_port(), free_port())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The defaults, each overridden by its ``FIRELOOM_…_PORT``."""
        defaults = cls()
        return cls(
            auth=int(environ.get("FIRELOOM_AUTH_PORT", defaults.auth)),
            firestore=int(environ.get("FIRELOOM_FIRESTORE_PORT", defaults.firestore)),
            pubsub=int(environ.get("FIRELOOM_PUBSUB_PORT", defaults.pubsub)),
            tasks=int(environ.get("FIRELOOM_TASKS_PORT", defaults.tasks)),
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find the emulators."""
        return {
            "FIREBASE_AUTH_EMULATOR_HOST": f"{HOST}:{self.auth}",
            "FIRESTORE_EMULATOR_HOST": f"{HOST}:{self.firestore}",
            "PUBSUB_EMULATOR_HOST": f"{HOST}:{self.pubsub}",
            "CLOUD_TASKS_EMULATOR_HOST": f"{HOST}:{self.tasks}",
        }


class Emulators:
    """The four emulators as processes of ours. Use as a context, or call start and stop."""

    def __init__(self, project: str, ports: EmulatorPorts, logs: Path) -> None:
        """Prepare, without starting anything.

        Args:
            project: A project named ``demo-…``. Clients of the Authentication emulator that show
                an API key are always in this one; everything else serves any project.
            ports: Where to listen.
            logs: A folder for one log file per program.

        Raises:
            NotADemoProject: The project could be a real one.
        """
        if not project.startswith("demo-"):
            raise NotADemoProject(f"{project!r} is not a demo- project")
        self.project = project
        self.ports = ports
        self._logs = logs
        self.programs: list[Program] = []

    def __enter__(self) -> Self:
        """Start them, and wait until they serve."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop them."""
        self.stop()

    def start(self) -> None:
        """Start all four, and wait until they serve.

        Raises:
            PortTaken: A port is in use; the message names it and its setting.
            NotReady: One of them ended, or did not serve in time.
            ProgramMissing: Java, Node or an archive is missing.
        """
        try:
            self.launch()
            self.wait_until_serving()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        """Start all four, without waiting."""
        for name in ("auth", "firestore", "pubsub", "tasks"):
            check_port(getattr(self.ports, name), f"FIRELOOM_{name.upper()}_PORT")
        found = find_programs()
        self._run("firestore", _firestore_command(found, self.ports.firestore))
        self._run("pubsub", _pubsub_command(found, self.ports.pubsub))
        self._run("auth-and-tasks", _node_command(self.project, self.ports))

    def wait_until_serving(self) -> None:
        """Wait until all that were started serve."""
        firestore, pubsub, node = self.programs
        firestore.wait_until_serving(f"http://{HOST}:{self.ports.firestore}/")
        pubsub.wait_until_serving(f"http://{HOST}:{self.ports.pubsub}/")
        node.wait_until_serving(f"http://{HOST}:{self.ports.auth}/")
        node.wait_until_serving(f"http://{HOST}:{self.ports.tasks}/queueStats")
        self._warm_up()

    def _warm_up(self) -> None:
        """Make Firestore's first calls, with patience.

        They load most of the program: on a busy machine that takes longer than a function waits for an answer.
        """
        root = f"projects/{self.project}/databases/(default)/documents"
        name = f"{root}/warm_up/document"
        calls: dict[str, Any] = {
            "commit": {"writes": [{"update": {"name": name, "fields": {}}}]},
            "batchGet": {"documents": [name]},
            "runQuery": {"structuredQuery": {"from": [{"collectionId": "warm_up"}], "limit": 1}},
        }
        for method, body in [*calls.items(), ("commit", {"writes": [{"delete": name}]})]:
            answer = httpx.post(
                f"http://{HOST}:{self.ports.firestore}/v1/{root}:{method}",
                json=body,
                headers={"Authorization": "Bearer owner"},
                timeout=START_SECONDS,
                trust_env=False,
            )
            if not answer.is_success:
                raise NotReady(f"the firestore emulator refuses its first calls: {answer.text}")

    def stop(self) -> None:
        """Stop what was started."""
        stop_all(self.programs)
        self.programs.clear()

    def _run(self, name: str, command: list[str]) -> None:
        log = self._logs / f"emulator-{name}.log"
        program = Program(f"the {name} emulator", command, env=_java_free_environment(), log=log)
        self.programs.append(program)


def _firestore_command(found: Programs, port: int) -> list[str]:
    rules = ["--rules", str(_RULES)] if _RULES.is_file() else []
    command = [found.java, *_JAVA_OPTIONS, "-cp", found.firestore]
    return [*command, _FIRESTORE_MAIN, "--host", HOST, "--port", str(port), *rules]


def _pubsub_command(found: Programs, port: int) -> list[str]:
    command = [found.java, "-XX:TieredStopAtLevel=1", "-jar", found.pubsub]
    return [*command, f"--host={HOST}", f"--port={port}"]


def _node_command(project: str, ports: EmulatorPorts) -> list[str]:
    node = shutil.which("node")
    if node is None:
        raise ProgramMissing("Node 20 or newer is missing")
    launcher = str(ROOT / "scripts" / "local" / "emulators.mjs")
    return [node, launcher, project, HOST, str(ports.auth), str(ports.tasks)]


def _java_free_environment() -> dict[str, str]:
    """The environment without what would change a Java program's flags or print a notice."""
    noisy = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"}
    return {name: value for name, value in os.environ.items() if name not in noisy}
