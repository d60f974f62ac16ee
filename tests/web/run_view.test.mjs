// What the web client makes of a run's and a session's documents.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { NodeView, RunView, SessionView } from "../../web/run_view.js";

// Held to the table that it shares with scripts/local/run_view.py.
const cases = JSON.parse(readFileSync(new URL("../data/run_view_cases.json", import.meta.url), "utf8"));
const changes = {
  take: (node, { fields }) => node.take(fields, false),
  add: (node, { segment }) => node.stream.add(segment),
  settle: (node, { step, text }) => node.stream.settle(step, text),
  show: (node, { state, text, complete }) =>
    assert.deepEqual({ state: node.state, text: node.text, complete: node.stream.complete }, { state, text, complete }),
};

for (const { name, changes: sequence } of cases) {
  test(name, () => {
    const node = new NodeView();
    for (const change of sequence) changes[change.do](node, change);
  });
}

const event = (seq, author, text, more = {}) => ({
  seq, run_id: "r1", author, content: { text }, metadata: {}, partial: false, turn_complete: false, ...more,
});
const segment = (step, text) => ({ step, try: 0, n: 0, rev: 0, start: 0, text, parts: [], final: false });

test("a run is whole when the server says so, not when the cache does", () => {
  const view = new RunView();
  view.list();
  view.take({ owner_uid: "ann", session_id: "s", state: "succeeded" }, true);
  assert.deepEqual([view.state, view.whole], ["succeeded", false]);
  view.take({ owner_uid: "ann", session_id: "s", state: "succeeded" }, false);
  assert.equal(view.whole, true);
});

test("a run that has ended is whole once its nodes are listed and have ended", () => {
  const view = new RunView();
  view.take({ owner_uid: "ann", session_id: "s", state: "failed" }, false);
  assert.equal(view.whole, false);
  view.list();
  assert.equal(view.whole, true);
  view.node("a~0").take({ node: "a", state: "running", attempt: 1 }, false);
  assert.equal(view.whole, false);
  view.node("a~0").take({ node: "a", state: "skipped", attempt: 1 }, false);
  assert.equal(view.whole, true);
});

test("a node of which only segments are known is pending", () => {
  const view = new RunView();
  view.node("review[3]~0").stream.add(segment(0, "Hel"));
  assert.deepEqual([view.node("review[3]~0").state, view.node("review[3]~0").text], ["pending", "Hel"]);
});

test("a session shows the live text until the event that holds it arrives", () => {
  const view = new SessionView();
  view.take(event(1, "user", "Hello?"), false);
  assert.equal(view.runId, "r1");
  view.run.node("main~0").stream.add(segment(0, "Hi th"));
  assert.equal(view.liveText, "Hi th");
  view.take(event(2, "agent", "Hi there", { metadata: { instance: "main~0", step: 0 } }), false);
  assert.equal(view.liveText, "");
  view.run.node("main~0").stream.add(segment(1, "And"));
  assert.equal(view.liveText, "And");
  view.take(event(3, "agent", "And bye", { turn_complete: true, metadata: { instance: "main~0", step: 1 } }), false);
  assert.deepEqual([view.liveText, view.runId], ["", null]);
  assert.deepEqual(view.events.map(({ content }) => content.text), ["Hello?", "Hi there", "And bye"]);
});

test("the live text stays when the node's end arrives before the event that holds it", () => {
  for (const cached of [false, true]) {
    const view = new SessionView();
    view.take(event(1, "user", "Hello?"), false);
    view.run.node("main~0").stream.add(segment(0, "Hi th"));
    view.run.node("main~0").take({ node: "main", state: "succeeded", attempt: 1, output_json: '"Hi there"' }, cached);
    assert.equal(view.liveText, "Hi th");
    view.take(event(2, "agent", "Hi there", { turn_complete: true, metadata: { instance: "main~0", step: 0 } }), false);
    assert.equal(view.liveText, "");
  }
});

test("what an event of the cache holds is not shown a second time", () => {
  const view = new SessionView();
  view.take(event(1, "user", "Hello?"), true);
  view.run.node("main~0").stream.add(segment(0, "Hi th"), true);
  view.take(event(2, "agent", "Hi there", { metadata: { instance: "main~0", step: 0 } }), true);
  assert.deepEqual([view.liveText, view.events.length], ["", 2]);
});

test("the next turn starts with an empty preview", () => {
  const view = new SessionView();
  view.take(event(1, "user", "One"), false);
  view.run.node("main~0").stream.add(segment(0, "first"));
  view.take(event(2, "agent", "first!", { turn_complete: true }), false);
  view.take(event(3, "user", "Two", { run_id: "r2" }), false);
  assert.deepEqual([view.runId, view.liveText], ["r2", ""]);
});

test("the work for an event does not grow with the log before it", () => {
  const view = new SessionView();
  const [turns, perTurn] = [500, 4];
  let looked = 0;
  for (let seq = 1; seq <= turns * perTurn; seq += 1) {
    const turn_complete = seq % perTurn === 0;
    const told = event(seq, "agent", "Hi", { metadata: { instance: "main~0", step: seq % perTurn }, turn_complete });
    const run = `r${Math.ceil(seq / perTurn)}`;
    const counted = Object.defineProperty(told, "run_id", { get: () => ((looked += 1), run) });
    view.take(counted, false);
  }
  assert.equal(view.events.length, turns * perTurn);
  assert.ok(looked <= 10 * turns * perTurn, `${looked} looks at events`);
});

test("what arrives late of the run that speaks is not said live any more", () => {
  const view = new SessionView();
  view.take(event(3, "tool", undefined), false);
  view.run.node("main~0").stream.add(segment(0, "Hi th"));
  assert.equal(view.liveText, "Hi th");
  view.take(event(2, "agent", "Hi there", { metadata: { instance: "main~0", step: 0 } }), false);
  assert.deepEqual([view.runId, view.liveText], ["r1", ""]);
});
