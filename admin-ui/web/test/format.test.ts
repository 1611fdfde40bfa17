import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../src/format.ts";

const table = <T>(name: string, write: (value: T) => string, cases: [T, string][]) =>
  test(name, () => {
    // Intl writes narrow and unbreakable spaces; people see a space.
    for (const [value, text] of cases) assert.equal(write(value).replace(/\s/g, " "), text);
  });

table("counts are grouped, and short when they are long", (n: number) => format.count(n, "en"), [
  [0, "0"],
  [1284032, "1,284,032"],
  [12_840_320, "12.8M"],
]);

table("shares never read as nothing when they are something", (n: number) => format.percent(n, "en"), [
  [0, "0.0%"],
  [0.0004, "0.04%"],
  [0.1823, "18.2%"],
  [1, "100.0%"],
  [Number.NaN, "0.0%"],
]);

table("bytes take the unit that fits", (n: number) => format.bytes(n, "en"), [
  [0, "0 bytes"],
  [1023, "1,023 bytes"],
  [1536, "1.5 kB"],
  [64 * 1024 ** 2, "64 MB"],
  [3.2 * 1024 ** 3, "3.2 GB"],
]);

table("durations take the unit that fits", (n: number) => format.took(n, "en"), [
  [0, "0 μs"],
  [84, "84 μs"],
  [1240, "1.2 ms"],
  [123_456, "123 ms"],
  [2_300_000, "2.3 sec"],
]);

table("a span shows its two largest units", (n: number) => format.span(n, "en"), [
  [0, "0 sec"],
  [59, "59 sec"],
  [3600, "1 hr"],
  [3 * 86400 + 4 * 3600 + 59, "3 days 4 hr"],
]);

test("the past is told from now", () => {
  const now = Date.UTC(2026, 0, 2, 12);
  assert.equal(format.ago(now - 5 * 60_000, now, "en"), "5 minutes ago");
  assert.equal(format.ago(now + 5000, now, "en"), "now");
});

test("an upstream is called by its host", () => {
  assert.equal(format.host("https://dns.example/dns-query#192.0.2.1"), "dns.example");
  assert.equal(format.host("udp://192.0.2.1:53"), "192.0.2.1:53");
  assert.equal(format.host("[2001:db8::1]:53"), "[2001:db8::1]:53");
});

test("a mesh workload is called by namespace and account", () => {
  assert.equal(format.client("spiffe://cluster.local/ns/shop/sa/web"), "shop/web");
  assert.equal(format.client("spiffe://cluster.local/web"), "spiffe://cluster.local/web");
  assert.equal(format.client("192.0.2.7"), "192.0.2.7");
});
