// The number of failures so far goes in, the wait before the next try comes out.

const FIRST = 1000;
const LONGEST = 30_000;

/** Doubles up to half a minute; up to a quarter is random, so that a restarted server is not met by
 * every open page in the same instant. In milliseconds. */
export function backoff(failures: number, random: () => number = Math.random): number {
  const whole = Math.min(LONGEST, FIRST * 2 ** Math.min(failures, 10));
  return Math.round(whole * (1 - random() / 4));
}
