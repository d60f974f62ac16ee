"""The whole product on one machine: emulators, every function as a process, and the gateway."""

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from scripts.local.emulators import Emulators
from scripts.local.environment import DELIVERY_QUEUE, QUEUE, REGION, StackSettings, function_setting
from scripts.local.paths import LOCAL
from scripts.local.processes import HOST, START_SECONDS, NotReady, Program, check_port, stop_all
from scripts.local.staging import environment, function_names, render_entry, stage
from scripts.local.subscription import subscribe_to_facts

# Retries never run out before the engine's own do, and back-off never makes a test wait.
_RETRIES = {"maxAttempts": 100, "minBackoffSeconds": 0.1, "maxBackoffSeconds": 2}
_MOST_PER_SECOND = 500
_HOOKS = {"beforeCreate": "before_create", "beforeSignIn": "before_sign_in"}


class Stack:
    """Emulators, functions and gateway, started and stopped together.

    Use as a context, or call start and stop. ``functions`` and ``gateway`` are the running
    programs, for a test that kills one.
    """

    def __init__(self, settings: StackSettings) -> None:
        """Prepare, without starting anything."""
        self.settings = settings
        ports = settings.ports.emulators
        self.emulators = Emulators(settings.project, ports, settings.logs)
        self.functions: dict[str, Program] = {}
        self.gateway: Program | None = None

    def __enter__(self) -> Self:
        """Start everything, and wait until it serves."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self.stop()

    @property
    def api(self) -> str:
        """The address of the gateway."""
        return self.settings.api

    @property
    def programs(self) -> list[Program]:
        """What runs now, in the order in which it is stopped."""
        gateway = [self.gateway] if self.gateway else []
        return [*gateway, *self.functions.values(), *self.emulators.programs]

    def start(self) -> None:
        """Start everything, and wait until it serves.

        Raises:
            PortTaken: A port is in use; the message names it and its setting.
            NotReady: A process ended, or did not serve in time; the message ends with its log.
        """
        self._check_ports()
        self._forget_secrets()
        try:
            self.emulators.launch()
            for name in function_names():
                self.start_function(name)
            self._start_gateway()
            self.emulators.wait_until_serving()
            for queue in (QUEUE, DELIVERY_QUEUE):
                self._create_queue(queue)
            subscribe_to_facts(self.settings)
            for name in function_names():
                self.wait_for_function(name)
            self._register_hooks()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started: those who accept work first, then what they depend on."""
        stop_all(([self.gateway] if self.gateway else []) + list(self.functions.values()))
        self.gateway = None
        self.functions.clear()
        self.emulators.stop()
        self._forget_secrets()

    def start_function(self, name: str) -> None:
        """Start one function, without waiting."""
        port = self.settings.ports.functions[name]
        source, command = self._source(name)
        self.functions[name] = Program(
            f"the {name} function",
            [command, f"--target={name}", f"--source={source}", f"--host={HOST}", f"--port={port}"],
            env=self.settings.function_environment(name),
            log=self.settings.logs / f"{name}.log",
        )

    def wait_for_function(self, name: str) -> None:
        """Wait until a function that was started serves.

        Raises:
            NotReady: It ended, or did not serve in time.
        """
        self.functions[name].wait_until_serving(f"{self.settings.ports.addresses[name]}/health")

    def restart_functions(self, names: Iterable[str]) -> None:
        """Replace functions' processes by ones with the code as it is now.

        Raises:
            NotReady: One ended, or did not serve in time; all were started.
        """
        names = tuple(names)
        stop_all([self.functions[name] for name in names])
        for name in names:
            self.start_function(name)
        for name in names:
            self.wait_for_function(name)

    def _source(self, name: str) -> tuple[Path, str]:
        if self.settings.staged:
            command = environment(name) / "bin" / "functions-framework"
            return stage(name, self.settings.logs / "staged") / "main.py", str(command)
        entry = LOCAL / "entries" / name / "main.py"
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(render_entry(name))
        return entry, str(Path(sys.executable).with_name("functions-framework"))

    def _forget_secrets(self) -> None:
        """Remove sealed values: the emulators forget the documents that name them, and no later stack has the key."""
        shutil.rmtree(self.settings.secrets_folder, ignore_errors=True)

    def _check_ports(self) -> None:
        check_port(self.settings.ports.api, "FIRELOOM_API_PORT")
        for name, port in self.settings.ports.functions.items():
            check_port(port, function_setting(name))

    def _start_gateway(self) -> None:
        functions = json.dumps(self.settings.ports.addresses)
        port = str(self.settings.ports.api)
        self.gateway = Program(
            "the gateway",
            [sys.executable, "-m", "scripts.local.gateway", port, functions],
            env=self.settings.gateway_environment(),
            log=self.settings.logs / "gateway.log",
        )
        self.gateway.wait_until_serving(f"{self.api}/docs")

    def _create_queue(self, queue: str) -> None:
        host = self.settings.ports.emulators.environment["CLOUD_TASKS_EMULATOR_HOST"]
        path = f"projects/{self.settings.project}/locations/{REGION}/queues/{queue}"
        rates = {
            "maxConcurrentDispatches": self.settings.concurrent_dispatches,
            "maxDispatchesPerSecond": _MOST_PER_SECOND,
        }
        configuration = {"retryConfig": _RETRIES, "rateLimits": rates}
        answer = httpx.post(f"http://{host}/{path}", json=configuration, timeout=START_SECONDS, trust_env=False)
        if not answer.is_success:
            raise NotReady(f"the queue {queue} was not created: {answer.text}")

    def _register_hooks(self) -> None:
        host = self.settings.ports.emulators.environment["FIREBASE_AUTH_EMULATOR_HOST"]
        base = self.settings.ports.addresses["auth"]
        triggers = {trigger: {"functionUri": f"{base}/hooks/{path}"} for trigger, path in _HOOKS.items()}
        answer = httpx.patch(
            f"http://{host}/identitytoolkit.googleapis.com/v2/projects/{self.settings.project}/config",
            params={"updateMask": "blockingFunctions"},
            headers={"Authorization": "Bearer owner"},
            json={"blockingFunctions": {"triggers": triggers}},
            timeout=START_SECONDS,
            trust_env=False,
        )
        if not answer.is_success:
            raise NotReady(f"the blocking functions were not registered: {answer.text}")
