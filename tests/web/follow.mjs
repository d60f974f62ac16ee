// A page without a browser: signs in with the web SDK, follows a run or a session, and prints each picture as a JSON line.
// Usage: node follow.mjs '{"project", "firestore", "auth", "email", "password", "run" | "session", "after"}'
// Ends by itself when the run is whole, or when the session's turn `until` is complete, or when it is refused.
import { initializeApp } from "firebase/app";
import { connectAuthEmulator, getAuth, signInWithEmailAndPassword } from "firebase/auth";
import {
  connectFirestoreEmulator,
  disableNetwork,
  enableNetwork,
  getFirestore,
  setLogLevel,
  terminate,
} from "firebase/firestore";

import { watchRun, watchSession } from "../../web/watch.js";

const asked = JSON.parse(process.argv[2]);
setLogLevel("silent");
const app = initializeApp({ apiKey: "local", projectId: asked.project });
const db = getFirestore(app);
const [host, port] = asked.firestore.split(":");

const signIn = async () => {
  if (asked.mockUserToken) {
    connectFirestoreEmulator(db, host, Number(port), { mockUserToken: asked.mockUserToken });
    return asked.mockUserToken.sub;
  }
  connectFirestoreEmulator(db, host, Number(port));
  const auth = getAuth(app);
  connectAuthEmulator(auth, `http://${asked.auth}`, { disableWarnings: true });
  return (await signInWithEmailAndPassword(auth, asked.email, asked.password)).user.uid;
};

// The emulator's streams now and then fall silent for good (scripts/local/listener.py says why), and the SDK waits for
// ever: so after a silence its streams are opened anew, as they are when a page comes online again.
const SILENCE_MS = 10_000;
let heard = Date.now();
const watchdog = setInterval(() => {
  if (Date.now() - heard < SILENCE_MS) return;
  heard = Date.now();
  disableNetwork(db)
    .then(() => enableNetwork(db))
    .catch(() => {});
}, SILENCE_MS / 10);

const print = (picture) => {
  heard = Date.now();
  process.stdout.write(`${JSON.stringify(picture)}\n`);
};

const showRun = (view) => ({
  state: view.state,
  whole: view.whole,
  nodes: Object.fromEntries(
    [...view.nodes].map(([instance, { state, text, stream }]) => [
      instance,
      { state, text, complete: stream.complete, steps: stream.steps },
    ]),
  ),
});

const showSession = (view) => ({ live: view.liveText, run_id: view.runId, events: view.events });

const follow = (ownerUid) =>
  new Promise((resolve) => {
    const onError = (error) => {
      print({ refused: error.code });
      resolve();
    };
    if (asked.run) {
      watchRun(db, asked.run, { ownerUid, onError }, (view) => {
        print(showRun(view));
        if (view.whole) resolve();
      });
      return;
    }
    watchSession(db, asked.session, { ownerUid, onError, after: asked.after }, (view) => {
      print(showSession(view));
      const turns = view.events.filter((event) => event.turn_complete);
      if (turns.length >= (asked.turns ?? 1)) resolve();
    });
  });

const uid = await signIn();
print({ uid });
await follow(asked.owner ?? uid);
clearInterval(watchdog);
await terminate(db);
// A pipe is written in the background: exiting at once would cut the last picture off.
process.stdout.write("", () => process.exit(0));
