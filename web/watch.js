// Follows a run or a session live over the Firebase web SDK, under firestore.rules.
// `firebase/firestore` comes from the page's bundler, or from an import map without one.
import { collection, doc, documentId, onSnapshot, orderBy, query, startAfter, where } from "firebase/firestore";

import { RunView, SessionView } from "./run_view.js";

/** @typedef {import("firebase/firestore").Firestore} Firestore */
/** @typedef {import("firebase/firestore").FirestoreError} FirestoreError */
/** @typedef {() => void} Stop Ends the following. */

/**
 * Whose run or session it is: the rules want every list query to name the owner.
 * @typedef {{ownerUid: string, onError?: (error: FirestoreError) => void}} Options
 */

/** The listeners of one following, by path: all end together, and with the first that is refused. */
class Listeners {
  /** @type {Map<string, Stop>} */
  #open = new Map();
  #ended = false;

  /**
   * @param {Firestore} db
   * @param {string} ownerUid
   * @param {() => void} onChange Called after every change.
   * @param {(error: FirestoreError) => void} onRefusal Called once, when everything has ended.
   */
  constructor(db, ownerUid, onChange, onRefusal) {
    this.db = db;
    this.ownerUid = ownerUid;
    this.onChange = onChange;
    this.onRefusal = onRefusal;
  }

  /**
   * Listens to one document.
   * @param {string} path
   * @param {(fields: any, cached: boolean) => void} take
   */
  document(path, take) {
    this.#listen(path, (next, failed) =>
      onSnapshot(
        doc(this.db, path),
        { includeMetadataChanges: true },
        (snapshot) => {
          if (snapshot.exists()) next(() => take(snapshot.data(), snapshot.metadata.fromCache));
        },
        failed,
      ),
    );
  }

  /**
   * Listens to the owner's documents of one collection. Removals are not told: segments expire.
   * @param {string} path
   * @param {(fields: any, cached: boolean, id: string) => void} take
   * @param {{after?: string, listed?: () => void, fresh?: boolean}} [more] `after`: only documents with a higher id;
   *   `listed`: called when the server has told of all there are; `fresh`: tell nothing that only the cache says.
   */
  owned(path, take, { after, listed, fresh = false } = {}) {
    const order = after === undefined ? [] : [orderBy(documentId()), startAfter(after)];
    const wanted = query(collection(this.db, path), where("owner_uid", "==", this.ownerUid), ...order);
    let wasCached = false;
    this.#listen(path, (next, failed) =>
      onSnapshot(
        wanted,
        { includeMetadataChanges: true },
        (snapshot) => {
          const cached = snapshot.metadata.fromCache;
          // What the cache showed is told again once the server confirms it.
          const changes = snapshot.docChanges({ includeMetadataChanges: true });
          const told = wasCached && !cached ? snapshot.docs : changes.filter(isThere).map((change) => change.doc);
          wasCached = cached;
          if (fresh && cached) return;
          next(() => {
            for (const document of told) take(document.data(), cached, document.id);
            if (!cached) listed?.();
          });
        },
        failed,
      ),
    );
  }

  /**
   * Listens to a collection anew, so that the server tells of all there are now; not to what is below it.
   * @param {string} path
   * @param {(fields: any, cached: boolean, id: string) => void} take
   * @param {{listed: () => void}} more As for `owned`.
   */
  again(path, take, { listed }) {
    this.#open.get(path)?.();
    this.#open.delete(path);
    this.owned(path, take, { listed, fresh: true });
  }

  /**
   * Ends the listeners at and below a path.
   * @param {string} prefix
   */
  end(prefix) {
    for (const [path, stop] of this.#open) {
      if (!path.startsWith(prefix)) continue;
      this.#open.delete(path);
      stop();
    }
  }

  /** Ends everything. */
  close() {
    this.#ended = true;
    this.end("");
  }

  /**
   * @param {string} path
   * @param {(next: (apply: () => void) => void, failed: (error: FirestoreError) => void) => Stop} open
   */
  #listen(path, open) {
    if (this.#ended || this.#open.has(path)) return;
    const next = (/** @type {() => void} */ apply) => {
      if (this.#ended) return;
      apply();
      this.onChange();
    };
    const failed = (/** @type {FirestoreError} */ error) => {
      if (this.#ended) return;
      this.close();
      this.onRefusal(error);
    };
    this.#open.set(path, open(next, failed));
  }
}

/** @param {{type: string}} change */
const isThere = (change) => change.type !== "removed";

/**
 * @param {Listeners} listeners
 * @param {string} runId
 * @param {RunView} view
 */
const follow = (listeners, runId, view) => {
  const run = `runs/${runId}`;
  /** @type {(fields: import("./run_view.js").NodeFields, cached: boolean, instance: string) => void} */
  const takeNode = (fields, cached, instance) => {
    const node = view.node(instance);
    node.take(fields, cached);
    const segments = `${run}/nodes/${instance}/segments`;
    if (node.state === "running") {
      listeners.owned(segments, (segment, fromCache) => node.stream.add(segment, fromCache));
    } else if (node.stream.complete) {
      listeners.end(segments);
    }
  };
  const more = { listed: () => view.list() };
  listeners.document(run, (fields, cached) => {
    const wasEnded = view.ended;
    view.take(fields, cached);
    if (wasEnded || !view.ended || !view.listed || !view.mayLack) return;
    // What was told of the nodes may be older than the end: of the last ones the page may not have heard at all.
    view.list(false);
    listeners.again(`${run}/nodes`, takeNode, more);
  });
  listeners.owned(`${run}/nodes`, takeNode, more);
};

/**
 * Follows one run: its state, its nodes, and the live text of those that run. Begin after the 202 of `POST /runs`:
 * the rules refuse a missing document like a foreign one.
 *
 * When the rules refuse the run, now or later, everything is dropped: `onChange` gets an empty view once more
 * and `onError` the reason.
 * @param {Firestore} db
 * @param {string} runId
 * @param {Options} options
 * @param {(view: RunView) => void} onChange Called with the same view after each change.
 * @returns {Stop}
 */
export const watchRun = (db, runId, { ownerUid, onError }, onChange) => {
  const view = new RunView();
  const refused = (/** @type {FirestoreError} */ error) => {
    onChange(new RunView());
    onError?.(error);
  };
  const listeners = new Listeners(db, ownerUid, () => onChange(view), refused);
  follow(listeners, runId, view);
  return () => listeners.close();
};

/**
 * Follows one session: its log, and the live text of the turn that is not complete.
 * @param {Firestore} db
 * @param {string} sessionId
 * @param {Options & {after?: number}} options `after`: leave events up to this number out.
 * @param {(view: SessionView) => void} onChange Called with the same view after each change.
 * @returns {Stop}
 */
export const watchSession = (db, sessionId, { ownerUid, onError, after = 0 }, onChange) => {
  const view = new SessionView();
  const refused = (/** @type {FirestoreError} */ error) => {
    onChange(new SessionView());
    onError?.(error);
  };
  const listeners = new Listeners(db, ownerUid, () => onChange(view), refused);
  const events = `sessions/${sessionId}/events`;
  const take = (/** @type {import("./run_view.js").SessionEvent} */ event, /** @type {boolean} */ cached) => {
    const before = view.runId;
    view.take(event, cached);
    if (view.runId === before) return;
    listeners.end("runs/");
    if (view.runId !== null) follow(listeners, view.runId, view.run);
  };
  listeners.owned(events, take, { after: String(after).padStart(12, "0") });
  return () => listeners.close();
};
