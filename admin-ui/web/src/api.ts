// What the server says, typed. Mirrors admin-ui/src/model.rs.

export type Outcome =
  | "local"
  | "blocked"
  | "cached"
  | "forwarded"
  | "failed"
  | "refused"
  | "special";

export interface QueryRow {
  id: number;
  time: number;
  client: string;
  transport: "udp" | "tcp";
  name: string;
  type: string;
  outcome: Outcome;
  rcode: string;
  list: string | null;
  line: number | null;
  upstream: string | null;
  would_be_blocked_by: string | null;
  microseconds: number;
}

export interface Totals {
  queries: number;
  blocked: number;
  cached: number;
  forwarded: number;
  local: number;
  failed: number;
  refused: number;
}

export interface Upstream {
  server: string;
  state: "untried" | "up" | "down";
  answered: number;
  failed: number;
  last_error: string | null;
  round_trip_ms: number | null;
}

export interface List {
  name: string;
  action: string;
  rules: number;
  rejected: number;
  state: "ok" | "stale" | "failed";
  error: string | null;
  updated: number | null;
}

export interface Status {
  replica: string;
  version: string;
  started: number;
  uptime_seconds: number;
  ready: boolean;
  totals: Totals;
  block_rate: number;
  blocking: { enabled: boolean; rules: number; memory_bytes: number };
  cache: {
    entries: number;
    bytes: number;
    max_bytes: number;
    hits: number;
    misses: number;
    hit_rate: number;
  };
  upstream: Upstream[];
  lists: List[];
  ui: "full" | "plain";
}

/** The session is over; only a new log-in helps. */
export class SessionEnded extends Error {}

/** Longest wait for an answer, in milliseconds. */
const PATIENCE = 8000;

export function loadStatus(): Promise<Status> {
  return load<Status>("api/v1/status");
}

export async function loadQueries(limit: number): Promise<QueryRow[]> {
  const answer = await load<{ queries: QueryRow[] }>(`api/v1/queries?limit=${limit}`);
  return answer.queries;
}

/** Relative to the document's base, so that the page works below any path. */
export const STREAM = "api/v1/queries/stream";

/** Leads to the log-in page, which says that the session has ended. */
export function leave(): void {
  location.replace(new URL("?ended", document.baseURI));
}

async function load<T>(path: string): Promise<T> {
  const answer = await fetch(path, {
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (answer.status === 401) throw new SessionEnded();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return (await answer.json()) as T;
}
