// How a page follows a run, one listener for each thing: what comes late to one of them is not missed.
import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";

import { open, tellDocument, tellDocuments } from "./firestore_stub.mjs";

const stub = new URL("firestore_stub.mjs", import.meta.url).href;
const hook = `export const resolve = (name, context, next) =>
  name === "firebase/firestore" ? { url: ${JSON.stringify(stub)}, shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
const { watchRun } = await import("../../web/watch.js");

const shape = "graph";
const ended = { "a~0": { state: "succeeded", output_json: '"one"' } };

test("a run is whole only with the nodes that there were when it had ended", () => {
  const shown = [];
  const stop = watchRun({}, "r", { ownerUid: "ann" }, (view) => {
    shown.push([view.state, view.whole, [...view.nodes.values()].map(({ text }) => text).join()]);
  });
  tellDocuments("runs/r/nodes", ended);
  tellDocument("runs/r", { shape, state: "running" });
  const asked = [...open];
  tellDocument("runs/r", { shape, state: "succeeded" });
  assert.deepEqual(shown.at(-1), ["succeeded", false, "one"]);
  assert.deepEqual(open.map(({ path }) => path), ["runs/r", "runs/r/nodes"]);
  assert.notEqual(open[1], asked[1], "the nodes are asked for anew");
  tellDocument("runs/r", { shape, state: "succeeded" });
  assert.deepEqual(shown.at(-1), ["succeeded", false, "one"]);
  tellDocuments("runs/r/nodes", { "a~0": { state: "running" } }, true);
  assert.deepEqual(shown.at(-1), ["succeeded", false, "one"], "what the cache says was told before");
  tellDocuments("runs/r/nodes", { ...ended, "b~0": { state: "succeeded", output_json: '"two"' } });
  assert.deepEqual(shown.at(-1), ["succeeded", true, "one,two"]);
  stop();
  assert.deepEqual(open, []);
});

test("a run that is no graph ends with its one node, which is not asked for anew", () => {
  const shown = [];
  const stop = watchRun({}, "r", { ownerUid: "ann" }, (view) => shown.push(view.whole));
  tellDocuments("runs/r/nodes", ended);
  const asked = [...open];
  tellDocument("runs/r", { shape: "single", state: "succeeded" });
  assert.equal(shown.at(-1), true);
  assert.deepEqual(open, asked);
  stop();
});
