/** Scans and outlines over the wire, past Streamlit's own transport. */

const HEADER = 352; // bytes of a NIfTI-1 file before its voxels

export class Refused extends Error {
  constructor(status, body) {
    super(body.reason ?? `the server answered ${status}`);
    this.status = status;
    this.newest = body.newest;
    this.aside = body.aside; // where the server kept what it did not take for the newest
  }
}

async function ask(url, link, options = {}) {
  const headers = { Authorization: `Bearer ${link}`, ...options.headers };
  const answer = await fetch(url, { cache: "no-store", ...options, headers });
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

const on = (url, query) => `${url}?${new URLSearchParams(query)}`;
const gridOf = (isReduced) => (isReduced ? { grid: "reduced" } : {});

/** The scan's file; whether it is coarser than the scan, which small ones never are. */
export async function fetchVolume(data, wantsReduced) {
  const answer = await ask(on(data.volume, gridOf(wantsReduced)), data.link);
  const isReduced = answer.headers.get("X-Blocks") !== "1,1,1";
  return { buffer: await answer.arrayBuffer(), isReduced };
}

/** The outline's header, which names its scan and goes back with it; its ids; its version. */
export async function fetchMask(data, isReduced) {
  const answer = await ask(on(data.mask, gridOf(isReduced)), data.link);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return {
    header: bytes.slice(0, HEADER),
    ids: bytes.slice(HEADER),
    version: Number(answer.headers.get("X-Version")),
  };
}

export async function sendMask(data, { header, ids, base, merges, isReduced }) {
  const packed = new Blob([header, ids]).stream().pipeThrough(new CompressionStream("gzip"));
  const body = await new Response(packed).arrayBuffer();
  const url = on(data.mask, { base, ...(merges ? { merges } : {}), ...gridOf(isReduced) });
  const headers = { "Content-Type": "application/octet-stream" };
  // A page that is being left may still send a little; most outlines are that small.
  const keepalive = body.byteLength < 60_000;
  return (await ask(url, data.link, { method: "PUT", body, headers, keepalive })).json();
}
