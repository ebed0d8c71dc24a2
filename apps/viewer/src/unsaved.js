/**
 * What is not saved yet, kept in this browser: a reload, a crash or a server that is away loses
 * nothing. Each page keeps its own; what a page that is gone has left is offered to the next one.
 */

const STORE = "unsaved";
const OLD = 60_000; // ms after which a page is taken for gone where the browser has no locks
const page = [...crypto.getRandomValues(new Uint32Array(2))].map((n) => n.toString(36)).join("");
const lockOf = (name) => `medlib page ${name}`;

// Held as long as the page lives, and given back by the browser itself when it does not.
navigator.locks?.request(lockOf(page), () => new Promise(() => {})).catch(() => {});

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("medlib", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function within(mode, act) {
  const store = (await database()).transaction(STORE, mode).objectStore(STORE);
  const request = act(store);
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {{query: object, body: ArrayBuffer | string}} sendable as `put` of transfer.js takes it */
export function keep(drawer, what, { query, body }) {
  const record = { drawer, what, query, body, page, at: Date.now() };
  return within("readwrite", (store) => store.put(record, `${drawer} ${what} ${page}`));
}

export function drop(drawer, what, of = page) {
  return within("readwrite", (store) => store.delete(`${drawer} ${what} ${of}`));
}

/** What pages that are gone have left in a drawer, the oldest first. */
export async function left(drawer) {
  const all = await within("readonly", (store) => store.getAll(IDBKeyRange.bound(drawer, `${drawer}~`)));
  const held = (await navigator.locks?.query())?.held?.map(({ name }) => name);
  const isGone = (record) =>
    record.page !== page && (held ? !held.includes(lockOf(record.page)) : Date.now() - record.at > OLD);
  return all.filter(isGone).sort((a, b) => a.at - b.at);
}
