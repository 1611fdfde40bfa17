// The outcomes of a query, in the order the page shows them, with the words people read.

import type { Outcome, QueryRow, Totals } from "./api.ts";
import { count, host } from "./format.ts";

export const OUTCOMES: readonly { outcome: Outcome; word: string; means: string }[] = [
  { outcome: "blocked", word: "Blocked", means: "a list or rule said no" },
  { outcome: "cached", word: "Cached", means: "answered from memory" },
  { outcome: "forwarded", word: "Forwarded", means: "an upstream answered" },
  { outcome: "local", word: "Local", means: "answered from local records" },
  { outcome: "special", word: "Special", means: "a special-use name" },
  { outcome: "failed", word: "Failed", means: "nobody could answer" },
  { outcome: "refused", word: "Refused", means: "the client may not ask" },
];

export function word(outcome: Outcome): string {
  return OUTCOMES.find((known) => known.outcome === outcome)?.word ?? outcome;
}

/** Who decided or answered, and which list or rule in shadow mode would have blocked it. */
export function source(row: QueryRow, locale?: string): string {
  const trial = row.would_be_blocked_by;
  const parts = [decided(row, locale), trial === null ? "" : `would be blocked by ${trial}`];
  return parts.filter((part) => part !== "").join("; ");
}

/** The list and its line, or the upstream; empty when nobody else did. */
function decided(row: QueryRow, locale?: string): string {
  if (row.list !== null) {
    return row.line === null ? row.list : `${row.list}, line ${count(row.line, locale)}`;
  }
  return row.upstream === null ? "" : host(row.upstream);
}

export interface Share {
  outcome: Outcome;
  word: string;
  means: string;
  count: number;
  share: number;
}

/** What became of all queries; kinds that never came are left out, special names count as local. */
export function shares(totals: Totals): Share[] {
  const counts: Partial<Record<Outcome, number>> = { ...totals };
  return OUTCOMES.flatMap((known) => {
    const found = counts[known.outcome] ?? 0;
    if (found === 0) return [];
    return [{ ...known, count: found, share: totals.queries > 0 ? found / totals.queries : 0 }];
  });
}
