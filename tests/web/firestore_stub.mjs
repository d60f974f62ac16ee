// Stands for `firebase/firestore`: queries tell what a test says, when it says so.
/** @type {{path: string, tell: (snapshot: any) => void}[]} */
export const open = [];

export const doc = (_db, path) => ({ path });
export const collection = doc;
export const query = (source) => source;
export const documentId = () => "__name__";
export const orderBy = () => ({});
export const startAfter = orderBy;
export const where = orderBy;

export const onSnapshot = ({ path }, _options, tell) => {
  const listener = { path, tell };
  open.push(listener);
  return () => open.splice(open.indexOf(listener), 1);
};

const at = (path) => open.filter((listener) => listener.path === path);

/** Tells the only listener at a path of a document. */
export const tellDocument = (path, fields) => {
  const [{ tell }] = at(path);
  tell({ exists: () => true, data: () => fields, metadata: { fromCache: false } });
};

/** Tells the only listener at a path of documents, by id, that are new or have changed. */
export const tellDocuments = (path, documents, fromCache = false) => {
  const [{ tell }] = at(path);
  const docs = Object.entries(documents).map(([id, fields]) => ({ id, data: () => fields }));
  tell({ docs, docChanges: () => docs.map((one) => ({ type: "added", doc: one })), metadata: { fromCache } });
};
