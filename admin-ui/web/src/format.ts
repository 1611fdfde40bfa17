// Numbers and times go in, short text for people comes out. The locale is the browser's; tests pass
// their own.

type Locale = string | undefined;

/** 1,284,032; from ten million on 12.8M. */
export function count(value: number, locale?: Locale): string {
  const compact: Intl.NumberFormatOptions =
    value >= 1e7 ? { notation: "compact", maximumFractionDigits: 1 } : {};
  return new Intl.NumberFormat(locale, compact).format(value);
}

/** 0.1823 is 18.2%; what is more than nothing never reads as nothing. */
export function percent(share: number, locale?: Locale): string {
  const digits = share > 0 && share < 0.001 ? 2 : 1;
  return new Intl.NumberFormat(locale, {
    style: "percent",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(Number.isFinite(share) ? share : 0);
}

/** Writes numbers that are not torn from their unit at the end of a line. */
function whole(locale: Locale, options: Intl.NumberFormatOptions): (value: number) => string {
  const format = new Intl.NumberFormat(locale, options);
  return (value) => format.format(value).replaceAll(" ", "\u00a0");
}

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** 67,108,864 is 64 MB: powers of 1024 under the names people read. */
export function bytes(value: number, locale?: Locale): string {
  const step = value > 0 ? Math.floor(Math.log2(value) / 10) : 0;
  const unit = Math.min(step, BYTE_UNITS.length - 1);
  const scaled = value / 1024 ** unit;
  return whole(locale, {
    style: "unit",
    unit: BYTE_UNITS[unit] ?? "byte",
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: unit > 0 && scaled < 10 ? 1 : 0,
  })(scaled);
}

/** Microseconds as 84 μs, 1.2 ms or 2.3 s. */
export function took(microseconds: number, locale?: Locale): string {
  const [value, unit] =
    microseconds < 1000
      ? [microseconds, "microsecond"]
      : microseconds < 1e6
        ? [microseconds / 1e3, "millisecond"]
        : [microseconds / 1e6, "second"];
  return whole(locale, {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: unit === "microsecond" || value >= 100 ? 0 : 1,
  })(value);
}

/** Queries per second: one digit while there are few. */
export function rate(perSecond: number, locale?: Locale): string {
  const maximumFractionDigits = perSecond < 100 ? 1 : 0;
  return new Intl.NumberFormat(locale, { maximumFractionDigits }).format(perSecond);
}

const SPANS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

/** Seconds as the two largest units: 3 days 4 hr. */
export function span(seconds: number, locale?: Locale): string {
  const all = Math.max(0, Math.floor(seconds));
  const found = SPANS.findIndex(([, size]) => all >= size);
  const first = found === -1 ? SPANS.length - 1 : found;
  const parts: string[] = [];
  let rest = all;
  for (const [unit, size] of SPANS.slice(first, first + 2)) {
    const value = Math.floor(rest / size);
    rest %= size;
    if (value === 0 && parts.length > 0) break;
    parts.push(
      new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" }).format(value),
    );
  }
  return parts.join(" ");
}

/** How long ago a moment was: 5 minutes ago. */
export function ago(then: number, now: number, locale?: Locale): string {
  const seconds = Math.max(0, (now - then) / 1000);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const [unit, size] = SPANS.find(([, length]) => seconds >= length) ?? SPANS[3];
  return format.format(-Math.floor(seconds / size), unit);
}

/** The time of day, with seconds. */
export function clock(time: number, locale?: Locale): string {
  return new Intl.DateTimeFormat(locale, { timeStyle: "medium" }).format(time);
}

/** Day and time, for a tooltip. */
export function moment(time: number, locale?: Locale): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" }).format(time);
}

/** An upstream as people call it: its host without scheme, path and pinned addresses. */
export function host(server: string): string {
  return server.replace(/^[a-z+]+:\/\//i, "").replace(/[/?#].*$/, "");
}

const SPIFFE = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/;

/** A client as people call it: a mesh workload by namespace and account, others as they are. */
export function client(name: string): string {
  return name.replace(SPIFFE, "$1/$2");
}
