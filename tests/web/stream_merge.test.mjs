// The web client's merge, held to the table that it shares with shared/domain/stream_merge.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { StreamMerge } from "../../web/stream_merge.js";

const table = new URL("../data/stream_merge_cases.json", import.meta.url);
const cases = JSON.parse(readFileSync(table, "utf8"));

const changes = {
  add: (merge, { segment, cached }) => merge.add(segment, cached),
  settle: (merge, { step, text, cached }) => merge.settle(step, text, cached),
  end: (merge, { output, cached }) => merge.end(output, cached),
  show: (merge, { text, live, complete, steps }) =>
    assert.deepEqual(
      { text: merge.text, live: merge.live, complete: merge.complete, steps: merge.steps },
      { text, live, complete, steps },
    ),
};

for (const { name, changes: sequence } of cases) {
  test(name, () => {
    const merge = new StreamMerge();
    for (const change of sequence) changes[change.do](merge, change);
  });
}
