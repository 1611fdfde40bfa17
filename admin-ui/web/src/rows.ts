// Rows of the query log, new and old, go in; the rows to show come out, newest first.

import type { Outcome, QueryRow } from "./api.ts";

/** Rows kept in the page: more than anyone scrolls through, few enough for any phone. */
export const MAX_ROWS = 300;

/** What tells one row from all others: a restarted server counts its ids from the beginning. */
export function key(row: QueryRow): string {
  return `${row.time}-${row.id}`;
}

/** Joins two sets of rows, each query once, newest first, and drops the oldest beyond the limit. */
export function merge(fresh: QueryRow[], known: QueryRow[], limit = MAX_ROWS): QueryRow[] {
  return [...new Map([...known, ...fresh].map((row) => [key(row), row])).values()]
    .sort((a, b) => b.time - a.time || b.id - a.id)
    .slice(0, limit);
}

/** How many queries of one set are not in the other. */
export function countNew(fresh: QueryRow[], known: QueryRow[]): number {
  const seen = new Set(known.map(key));
  return new Set(fresh.map(key).filter((found) => !seen.has(found))).size;
}

export interface Filter {
  text: string;
  outcome: Outcome | "";
}

/** The rows whose name, client or lists hold the text and whose outcome is the one wanted. */
export function pick(rows: QueryRow[], { text, outcome }: Filter): QueryRow[] {
  const wanted = text.trim().toLowerCase();
  return rows.filter(
    (row) =>
      (outcome === "" || row.outcome === outcome) &&
      (wanted === "" ||
        [row.name, row.client, row.list ?? "", row.would_be_blocked_by ?? ""].some((value) =>
          value.toLowerCase().includes(wanted),
        )),
  );
}
