// What a page knows of a run and of a session: documents in, one picture out. Knows nothing of Firestore.
import { StreamMerge } from "./stream_merge.js";

/** @typedef {import("./stream_merge.js").Segment} Segment */
/** @typedef {import("./stream_merge.js").StepView} StepView */
/** @typedef {"queued" | "running" | "waiting" | "paused" | "succeeded" | "failed" | "cancelled"} RunState */
/** @typedef {"pending" | "ready" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "cancelled"} NodeState */

/**
 * Where an output is kept that is too large for its document (shared/domain/large_values.py); as JSON, whatever it is.
 * @typedef {{session_id: string, name: string, version: number, size_bytes: number}} ValueFile
 */
/**
 * What a run or a node gave: one of the two once it succeeded.
 * @typedef {{output_json?: string | null, output_file?: ValueFile | null}} Output
 */
/**
 * The fields of `runs/{id}` that a page may want; there are more (shared/domain/runs.py).
 * @typedef {{owner_uid: string, session_id: string, shape: "single" | "delegation" | "graph", state: RunState} & Output} RunFields
 */
/**
 * The fields of `runs/{id}/nodes/{instance}` that a page may want (shared/domain/nodes.py).
 * @typedef {{node: string, state: NodeState, attempt: number, text?: string | null} & Output} NodeFields
 */
/**
 * The document `sessions/{id}/events/{seq}` (shared/domain/events.py).
 * @typedef {object} SessionEvent
 * @property {number} seq
 * @property {string} run_id
 * @property {"user" | "agent" | "tool" | "system"} author
 * @property {{text?: string} & Record<string, unknown>} content
 * @property {{instance?: string, step?: number} & Record<string, unknown>} metadata
 * @property {boolean} partial
 * @property {boolean} turn_complete
 * @property {string | null} [error_code]
 * @property {string | null} [error_message]
 */

const ENDED = new Set(["succeeded", "failed", "skipped", "cancelled"]);

/**
 * A node's output as text: a text itself, anything else as JSON.
 * @param {string | null | undefined} json
 */
const textOf = (json) => {
  if (json === null || json === undefined) return "";
  const output = JSON.parse(json);
  return typeof output === "string" ? output : json;
};

/** One node of a run: its document's fields, once it arrived, and its live output. */
export class NodeView {
  /** @type {NodeFields | null} */
  fields = null;
  stream = new StreamMerge();

  /** @returns {NodeState} `pending` while there is no document. */
  get state() {
    return this.fields?.state ?? "pending";
  }

  /**
   * What there is to show: the output, or what was said so far. Of an output in a file that is its beginning, as far as
   * it is known, and the file's name; where nothing was heard, what the document keeps.
   */
  get text() {
    const kept = this.fields?.text ?? "";
    const file = this.state === "succeeded" && this.fields?.output_file;
    if (file) return [kept || this.stream.heard, file.name].filter(Boolean).join("\n");
    return this.stream.text || kept;
  }

  /**
   * @param {NodeFields} fields
   * @param {boolean} cached
   */
  take(fields, cached) {
    this.fields = fields;
    if (fields.state === "succeeded") this.stream.end(textOf(fields.output_json), cached);
  }
}

/** A run: its document's fields, once it arrived, and its nodes by instance. */
export class RunView {
  /** @type {RunFields | null} */
  fields = null;
  /** @type {Map<string, NodeView>} */
  nodes = new Map();
  #confirmed = false;
  #listed = false;

  /** @returns {RunState} `queued` while there is no document. */
  get state() {
    return this.fields?.state ?? "queued";
  }

  /** Whether the server says that the run has ended. */
  get ended() {
    return this.#confirmed && ENDED.has(this.state);
  }

  /** Whether the run has ended and its nodes' ends are here too: nothing comes after this. The cache does not count. */
  get whole() {
    return this.ended && this.#listed && [...this.nodes.values()].every((node) => ENDED.has(node.state));
  }

  /** Whether there may be nodes of a run that ended of which nothing was heard: all but a graph end with their one node. */
  get mayLack() {
    return this.fields?.shape === "graph" || this.nodes.size === 0 || !this.whole;
  }

  /** Whether the server told of all nodes there are so far. */
  get listed() {
    return this.#listed;
  }

  /**
   * Notes that the server told of all nodes there are so far, or that there may be others.
   * @param {boolean} [all]
   */
  list(all = true) {
    this.#listed = all;
  }

  /**
   * @param {RunFields} fields
   * @param {boolean} cached
   */
  take(fields, cached) {
    this.fields = fields;
    this.#confirmed = !cached;
  }

  /** @param {string} instance */
  node(instance) {
    const known = this.nodes.get(instance) ?? new NodeView();
    this.nodes.set(instance, known);
    return known;
  }

  /**
   * Takes in a session's event: an agent's replaces the segments that its metadata names.
   * @param {SessionEvent} event
   * @param {boolean} cached
   */
  settle({ author, metadata: { instance, step }, content }, cached) {
    if (author !== "agent" || instance === undefined || step === undefined) return;
    this.node(instance).stream.settle(step, content.text ?? "", cached);
  }
}

/** A session: its log, and the run whose turn is not complete. */
export class SessionView {
  /** @type {Map<number, SessionEvent>} */
  #events = new Map();
  /** @type {Map<string, Map<number, {event: SessionEvent, cached: boolean}>>} The same by run: a log may be long. */
  #byRun = new Map();
  #last = 0;
  /** @type {string | null} The run whose turn is not complete. */
  runId = null;
  run = new RunView();

  /** @returns {SessionEvent[]} The log, in order. */
  get events() {
    return [...this.#events.values()].sort((a, b) => a.seq - b.seq);
  }

  /** What the agent is saying now and no event holds yet. */
  get liveText() {
    const own = [...this.run.nodes].filter(([instance]) => instance.startsWith("main~"));
    return own.at(-1)?.[1].stream.live ?? "";
  }

  /**
   * @param {SessionEvent} event
   * @param {boolean} cached
   */
  take(event, cached) {
    const ofRun = this.#byRun.get(event.run_id) ?? new Map();
    this.#byRun.set(event.run_id, ofRun.set(event.seq, { event, cached }));
    this.#events.set(event.seq, event);
    this.#last = Math.max(this.#last, event.seq);
    const last = this.#events.get(this.#last);
    const active = last && !last.turn_complete ? last.run_id : null;
    if (active === this.runId) {
      if (event.run_id === active) this.run.settle(event, cached);
      return;
    }
    this.runId = active;
    this.run = new RunView();
    if (active === null) return;
    for (const known of this.#byRun.get(active)?.values() ?? []) this.run.settle(known.event, known.cached);
  }
}
