// Serves the Authentication and Cloud Tasks emulators of firebase-tools from one Node process.
// firebase-tools' own command starts the tasks emulator only beside a Functions emulator, and takes
// ten times as long. Usage: node emulators.mjs PROJECT HOST AUTH_PORT TASKS_PORT
import http from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const requireOfTools = createRequire(require.resolve("firebase-tools/package.json"));
const [project, host, authPort, tasksPort] = process.argv.slice(2);
if (!project?.startsWith("demo-")) throw new Error("only a demo- project may be emulated");

// Compiling the validators of each route when it is first called, not all at the start: 0.3 s instead of 4.5 s.
const exegesis = requireOfTools("exegesis-express");
const { middleware } = exegesis;
exegesis.middleware = (spec, options) => middleware(spec, { ...options, lazyCompileValidationSchemas: true });

const { AuthEmulator, SingleProjectMode } = require("firebase-tools/lib/emulator/auth");
const { TaskQueueController, TasksEmulator } = require("firebase-tools/lib/emulator/tasksEmulator");

// Milliseconds. The emulator's own values (1000, 1000, 0) let an idle queue sleep for a second
// before its next dispatch, and spin a core while a task runs.
TaskQueueController.LISTEN_TIMEOUT = 10;
TaskQueueController.TOKEN_REFRESH_INTERVAL = 20;
TaskQueueController.UPDATE_TIMEOUT = 2;

// A fresh connection for each task and each blocking function: an idle one that the function has just closed
// makes the call fail, which the emulators do not try again as Google does.
const { fetch } = globalThis;
globalThis.fetch = (url, options = {}) => {
  const closing = { ...options, headers: { ...options.headers, connection: "close" } };
  return "X-CloudTasks-TaskName" in closing.headers ? deliver(url, closing) : fetch(url, closing);
};

// Of the answer to a task only the status counts; without the streams of `fetch` that takes a fraction of the time.
function deliver(url, { method, headers, body, signal }) {
  const length = { "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const options = { method, headers: { ...headers, ...length }, signal, agent: false };
    const request = http.request(url, options, (answer) => {
      const { statusCode } = answer.resume();
      answer.on("error", reject);
      answer.on("end", () => resolve({ ok: statusCode >= 200 && statusCode < 300, status: statusCode }));
    });
    request.on("error", reject).end(body);
  });
}

// No connection is closed because it was idle: the next request on it might be on its way already, and be lost.
const { listen } = http.Server.prototype;
http.Server.prototype.listen = function (...where) {
  this.keepAliveTimeout = 0;
  return listen.apply(this, where);
};

// Other projects' administrators are served too; a client's API key always means PROJECT.
const singleProjectMode = SingleProjectMode.NO_WARNING;
const emulators = [
  new AuthEmulator({ projectId: project, host, port: Number(authPort), singleProjectMode }),
  new TasksEmulator({ host, port: Number(tasksPort) }),
];
await Promise.all(emulators.map((emulator) => emulator.start()));

const stop = () => Promise.all(emulators.map((emulator) => emulator.stop())).finally(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
