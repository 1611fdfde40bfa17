import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../src/backoff.ts";
import { area, line, MAX_SAMPLES, observe, rates, type Sample } from "../src/rate.ts";

const feed = (...samples: [number, number][]) =>
  samples.reduce<Sample[]>((all, [at, total]) => observe(all, { at, total }), []);

test("a rate is the difference over the time between", () => {
  assert.deepEqual(rates(feed([0, 100], [2000, 120], [4000, 120])), [10, 0]);
});

test("a restart or a sleeping tab starts anew", () => {
  assert.deepEqual(rates(feed([0, 100], [2000, 5], [4000, 7])), [1]);
  assert.deepEqual(rates(feed([0, 100], [60_000, 900], [62_000, 902])), [1]);
});

test("old samples leave", () => {
  const many = Array.from({ length: 100 }, (_, index): [number, number] => [index * 2000, index]);
  assert.equal(feed(...many).length, MAX_SAMPLES);
});

test("the line ends at the right edge and its area along the bottom", () => {
  assert.equal(line([1], 59, 10), "");
  assert.equal(line([0, 4, 2], 59, 10), "M57 10L58 0L59 5");
  assert.equal(area([0, 4, 2], 59, 10), "M57 10L58 0L59 5L59 10L57 10Z");
});

test("waits double up to half a minute, with some chance in them", () => {
  const longest = () => 0;
  assert.deepEqual([0, 1, 2, 20].map((failures) => backoff(failures, longest)), [1000, 2000, 4000, 30_000]);
  assert.equal(backoff(0, () => 1), 750);
});
