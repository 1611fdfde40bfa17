import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueryRow } from "../src/api.ts";
import { shares, source } from "../src/outcomes.ts";
import { countNew, merge, pick } from "../src/rows.ts";

function row(id: number, change: Partial<QueryRow> = {}): QueryRow {
  return {
    id,
    time: 1_000_000 + id,
    client: "192.0.2.7",
    transport: "udp",
    name: `n${id}.example`,
    type: "A",
    outcome: "cached",
    rcode: "NOERROR",
    list: null,
    line: null,
    upstream: null,
    would_be_blocked_by: null,
    microseconds: 40,
    ...change,
  };
}

const ids = (rows: QueryRow[]) => rows.map(({ id }) => id);

test("rows are shown once, newest first, however they come", () => {
  assert.deepEqual(ids(merge([row(4), row(3)], [row(3), row(2), row(1)])), [4, 3, 2, 1]);
  assert.deepEqual(ids(merge([row(1), row(4)], [row(3)])), [4, 3, 1]);
});

test("the oldest rows make room", () => {
  assert.deepEqual(ids(merge([row(9)], [row(8), row(7)], 2)), [9, 8]);
});

test("a restarted server's rows stand above those from before", () => {
  const restarted = row(1, { time: 2_000_000 });
  assert.deepEqual(ids(merge([restarted], [row(900), row(1)])), [1, 900, 1]);
});

test("only queries not yet shown count as new", () => {
  assert.equal(countNew([row(3), row(3), row(2)], [row(2)]), 1);
});

test("a filter looks into names, clients and lists", () => {
  const rows = [
    row(1, { name: "Ads.Example" }),
    row(2, { client: "spiffe://cluster.local/ns/ads/sa/web" }),
    row(3, { list: "no-ads", outcome: "blocked" }),
    row(4),
  ];
  assert.deepEqual(ids(pick(rows, { text: " ads ", outcome: "" })), [1, 2, 3]);
  assert.deepEqual(ids(pick(rows, { text: "ads", outcome: "blocked" })), [3]);
  assert.equal(pick(rows, { text: "", outcome: "" }).length, 4);
});

test("a row says who decided or answered", () => {
  assert.equal(source(row(1, { list: "ads", line: 40321 }), "en"), "ads, line 40,321");
  assert.equal(source(row(1, { list: "rules" }), "en"), "rules");
  assert.equal(source(row(1, { upstream: "https://dns.example/q" }), "en"), "dns.example");
  assert.equal(source(row(1), "en"), "");
});

test("shares leave out what never came", () => {
  const totals = { queries: 8, blocked: 2, cached: 6, forwarded: 0, local: 0, failed: 0, refused: 0 };
  assert.deepEqual(
    shares(totals).map(({ outcome, share }) => [outcome, share]),
    [
      ["blocked", 0.25],
      ["cached", 0.75],
    ],
  );
});
