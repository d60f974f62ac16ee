// What a page shows of a node that runs: the pieces of its text, in whatever order they arrive.
// The same rules as shared/domain/stream_merge.py, held to the same table (tests/data/stream_merge_cases.json).

/**
 * A segment document's fields, as far as a page needs them.
 * @typedef {object} Segment
 * @property {number} step The model response it belongs to, from 0.
 * @property {number} try Rises whenever the step is started again.
 * @property {number} n The segment's number within the try, from 0.
 * @property {number} rev Rises whenever the segment is rewritten.
 * @property {number} start Offset of its text, in characters (code points).
 * @property {string} text
 * @property {unknown[]} [parts] Tool events and the like.
 * @property {boolean} final Whether it ends the try.
 */

/**
 * What there is to show of one step.
 * @typedef {object} StepView
 * @property {number} step
 * @property {string} text As much as is known without a gap.
 * @property {unknown[]} parts
 * @property {boolean} ended This try brings no more text; a later try may still replace it.
 * @property {boolean} complete The text is whole and final.
 */

/** @typedef {Segment & {cached: boolean}} Piece */

/**
 * The pieces of a step's highest try, by number; or its whole text, once an event told it.
 * @typedef {{attempt: number, pieces: Map<number, Piece>, whole: string | null, confirmed: boolean}} Step
 */

/**
 * Firestore counts characters in no way; the writer counts code points, a JavaScript string UTF-16 units.
 * @param {string} text
 */
const codePoints = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/**
 * The pieces from 0 up to the first that is missing or follows an old revision.
 * @param {Map<number, Piece>} pieces
 */
const contiguous = (pieces) => {
  const prefix = [];
  let length = 0;
  for (let n = 0; n < pieces.size; n += 1) {
    const piece = pieces.get(n);
    if (!piece || piece.start !== length) break;
    length += codePoints(piece.text);
    prefix.push(piece);
  }
  return prefix;
};

/**
 * @param {number} step
 * @param {Step} known
 * @returns {StepView}
 */
const viewOf = (step, { whole, confirmed, pieces }) => {
  if (whole !== null) return { step, text: whole, parts: [], ended: confirmed, complete: confirmed };
  const prefix = contiguous(pieces);
  return {
    step,
    text: prefix.map((piece) => piece.text).join(""),
    parts: prefix.flatMap((piece) => piece.parts ?? []),
    ended: Boolean(prefix.at(-1)?.final) && !prefix.some((piece) => piece.cached),
    complete: false,
  };
};

/**
 * The live output of one node, as one listener sees it. Give it whatever arrives, except removals:
 * segments expire, what they said does not. What comes from the local cache is shown but completes nothing.
 */
export class StreamMerge {
  /** @type {Map<number, Step>} */
  #steps = new Map();
  /** @type {string | null} */
  #output = null;
  #confirmed = false;

  /** @param {number} number */
  #step(number) {
    const known = this.#steps.get(number) ?? { attempt: -1, pieces: new Map(), whole: null, confirmed: false };
    this.#steps.set(number, known);
    return known;
  }

  /**
   * Takes in a segment document.
   * @param {Segment} segment
   * @param {boolean} [cached]
   * @returns {boolean} Whether it told anything new.
   */
  add(segment, cached = false) {
    const step = this.#step(segment.step);
    if (step.whole !== null || segment.try < step.attempt) return false;
    if (segment.try > step.attempt) {
      step.attempt = segment.try;
      step.pieces = new Map();
    }
    const old = step.pieces.get(segment.n);
    const newer = !old || segment.rev > old.rev || (segment.rev === old.rev && old.cached && !cached);
    if (newer) step.pieces.set(segment.n, { ...segment, cached });
    return newer && this.#output === null;
  }

  /**
   * Takes in the event that ended a step: its whole text replaces the segments.
   * @param {number} number
   * @param {string} text
   * @param {boolean} [cached]
   * @returns {boolean} Whether it told anything new.
   */
  settle(number, text, cached = false) {
    const step = this.#step(number);
    if (step.whole !== null && (step.confirmed || cached)) return false;
    Object.assign(step, { whole: text, confirmed: !cached, pieces: new Map() });
    return this.#output === null;
  }

  /**
   * Takes in the node's end: its output replaces everything, null (it failed) nothing.
   * @param {string | null} output
   * @param {boolean} [cached]
   * @returns {boolean} Whether it told anything new.
   */
  end(output, cached = false) {
    const known = this.#output !== null && (this.#confirmed || cached);
    if (output === null || known) return false;
    this.#output = output;
    this.#confirmed = !cached;
    return true;
  }

  /**
   * Every step of which something was heard; none once the node's output is there.
   * @returns {StepView[]}
   */
  get steps() {
    if (this.#output !== null) return [];
    const numbers = [...this.#steps.keys()].sort((a, b) => a - b);
    return numbers.map((number) => viewOf(number, this.#step(number)));
  }

  /** The node's output once it is there, before that the text of the latest step. */
  get text() {
    return this.#output ?? this.heard;
  }

  /** What the latest step said, as far as it was heard; the node's end does not replace it. */
  get heard() {
    return this.#latest?.text ?? "";
  }

  /** What the latest step says and no event holds yet; the node's end alone does not hold it. */
  get live() {
    const latest = this.#latest;
    return latest && this.#step(latest.step).whole === null ? latest.text : "";
  }

  get #latest() {
    if (this.#steps.size === 0) return null;
    const number = Math.max(...this.#steps.keys());
    return viewOf(number, this.#step(number));
  }

  /** Whether the node ended, so that `text` is its output. */
  get complete() {
    return this.#confirmed;
  }
}
