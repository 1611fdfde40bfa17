// Totals over time go in, queries per second and the line to draw come out.

export interface Sample {
  /** When the total was read, in milliseconds. */
  at: number;
  total: number;
}

/** Samples kept: with one every two seconds, two minutes. */
export const MAX_SAMPLES = 61;
/** A longer pause than this, in milliseconds, is a hole and not a slow stretch. */
const HOLE = 15_000;

/** Adds a sample. A total that fell (a restart) or a hole (a sleeping tab) starts anew. */
export function observe(samples: Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  const broken = last && (next.total < last.total || next.at - last.at > HOLE);
  return broken ? [next] : [...samples, next].slice(-MAX_SAMPLES);
}

/** Queries per second between each two samples. */
export function rates(samples: Sample[]): number[] {
  return samples.slice(1).map((sample, index) => {
    const before = samples[index] ?? sample;
    const seconds = (sample.at - before.at) / 1000;
    return seconds > 0 ? (sample.total - before.total) / seconds : 0;
  });
}

/** An SVG path through the values, the newest at the right edge; empty below two values. */
export function line(values: number[], width: number, height: number): string {
  if (values.length < 2) return "";
  const top = Math.max(...values, 1);
  const step = width / (MAX_SAMPLES - 2);
  const left = width - step * (values.length - 1);
  const point = (value: number, index: number) =>
    `${round(left + index * step)} ${round(height - (value / top) * height)}`;
  return `M${values.map(point).join("L")}`;
}

/** The same line, closed along the bottom. */
export function area(values: number[], width: number, height: number): string {
  const top = line(values, width, height);
  const left = top.slice(1, top.indexOf(" "));
  return top && `${top}L${width} ${height}L${left} ${height}Z`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
