/** Scans, outlines and what is said of them over the wire, past Streamlit's own transport. */

export class Refused extends Error {
  constructor(status, body) {
    super(body.reason ?? `the server answered ${status}`);
    this.status = status;
    this.newest = body.newest;
    this.aside = body.aside; // where the server kept what it did not take for the newest
  }
}

async function ask(data, what, query, options = {}) {
  const url = `${data.at}/${what}?${new URLSearchParams(query)}`;
  const headers = { Authorization: `Bearer ${data.link}`, ...options.headers };
  const answer = await fetch(url, { cache: "no-store", ...options, headers });
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

export const gridOf = (isReduced) => (isReduced ? { grid: "reduced" } : {});

/** The scan's file; whether it is coarser than the scan, which small ones never are. */
export async function fetchVolume(data, wantsReduced) {
  const answer = await ask(data, "volume", gridOf(wantsReduced));
  const isReduced = answer.headers.get("X-Blocks") !== "1,1,1";
  return { buffer: await answer.arrayBuffer(), isReduced };
}

/** The box of the outline that holds all structures, and what is said of it. */
export async function fetchOutline(data, wantsReduced) {
  const answer = await ask(data, "mask", gridOf(wantsReduced));
  return {
    ...(await unpacked(answer)),
    version: Number(answer.headers.get("X-Version")),
    drawer: answer.headers.get("X-Drawer"),
  };
}

async function unpacked(answer) {
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const end = bytes.indexOf(10);
  const { low, high, ...said } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  return { said, box: low && { low, high }, ids: bytes.subarray(end + 1) };
}

/** A line that says what it is, then the voxels of a box. */
export function packed(said, box, ids) {
  const line = JSON.stringify({ ...said, low: box?.low ?? null, high: box?.high ?? null });
  const whole = new Blob(box ? [line, "\n", ids] : [line, "\n"]);
  return new Response(whole.stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}

/** Keeps an outline, answers or points: `what` is "mask", "answers" or "points". */
export async function put(data, what, query, body) {
  const headers = { "Content-Type": "application/octet-stream" };
  // A page that is being left may still send a little; most strokes are that small.
  const keepalive = (body.byteLength ?? body.length) < 60_000;
  return (await ask(data, what, query, { method: "PUT", body, headers, keepalive })).json();
}

export async function fetchEntries(data, what) {
  return (await ask(data, what, {})).json();
}

/** On how many slices both changed the same places: a version aside, and the one that counts. */
export async function fetchDisputed(data, mine) {
  return (await (await ask(data, "both", { mine })).json()).disputed;
}

/** What the server makes of the outline. */
export async function assist(data, query, body) {
  const headers = { "Content-Type": "application/octet-stream" };
  return unpacked(await ask(data, "assist", query, { method: "POST", body, headers }));
}
