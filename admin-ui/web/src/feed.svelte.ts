// The live query log: a stream of rows that reconnects, can be held, and never floods the page.

import { leave, loadQueries, SessionEnded, STREAM, type QueryRow } from "./api.ts";
import { backoff } from "./backoff.ts";
import { countNew, MAX_ROWS, merge } from "./rows.ts";

/** Time between two updates of the table, in milliseconds: faster than this nobody reads. */
const FLUSH = 250;
/** Rows asked for at each (re)connection. */
const FIRST_ROWS = 100;

export type Connection = "connecting" | "live" | "waiting";

export class Feed {
  /** The rows shown, newest first. */
  rows = $state.raw<QueryRow[]>([]);
  /** Whether the first rows have come. */
  loaded = $state(false);
  /** Rows that came while the table is held. */
  waiting = $state(0);
  /** Rows the server could not send, because this page was too slow. */
  missed = $state(0);
  connection = $state<Connection>("connecting");
  /** Seconds until the next try, while `connection` is `waiting`. */
  retryIn = $state(0);
  /** Whether a person stopped the table. */
  paused = $state(false);
  /** Whether the table is scrolled, so that new rows would move what is being read. */
  scrolled = $state(false);

  #pending: QueryRow[] = [];
  #source: EventSource | undefined;
  #failures = 0;
  #retryAt = 0;
  #timers: ReturnType<typeof setInterval>[] = [];

  get held(): boolean {
    return this.paused || this.scrolled;
  }

  /** Begins to follow, until the function it returns is called. */
  start(): () => void {
    const wake = () => (document.hidden ? this.#close() : this.connect());
    document.addEventListener("visibilitychange", wake);
    this.#timers = [setInterval(() => this.#flush(), FLUSH), setInterval(() => this.#tick(), 500)];
    this.connect();
    return () => {
      document.removeEventListener("visibilitychange", wake);
      this.#timers.forEach(clearInterval);
      this.#close();
    };
  }

  /** Connects now, whatever the back-off says. */
  connect(): void {
    this.#close();
    this.connection = "connecting";
    const source = new EventSource(STREAM);
    this.#source = source;
    source.addEventListener("open", () => void this.#opened(source));
    source.addEventListener("query", (event: MessageEvent<string>) => {
      this.#pending.push(JSON.parse(event.data) as QueryRow);
      // Held for long, only the newest rows are worth keeping.
      if (this.#pending.length > 4 * MAX_ROWS) this.#pending = this.#pending.slice(-MAX_ROWS);
    });
    source.addEventListener("gap", (event: MessageEvent<string>) => {
      this.missed += (JSON.parse(event.data) as { missed: number }).missed;
    });
    source.addEventListener("error", () => this.#failed(source));
  }

  /** Shows what came while the table was held. */
  release(): void {
    this.paused = false;
    this.scrolled = false;
    this.#flush();
  }

  async #opened(source: EventSource): Promise<void> {
    // The stream is open before the past is read, so no row falls between the two.
    try {
      const rows = await loadQueries(FIRST_ROWS);
      if (source !== this.#source) return;
      this.#pending.push(...rows);
      this.loaded = true;
      this.connection = "live";
      this.#failures = 0;
      this.#flush();
    } catch (error) {
      if (error instanceof SessionEnded) return leave();
      this.#failed(source);
    }
  }

  #failed(source: EventSource): void {
    if (source !== this.#source) return;
    this.#close();
    const wait = backoff(this.#failures);
    this.#failures += 1;
    this.#retryAt = Date.now() + wait;
    this.retryIn = Math.ceil(wait / 1000);
    this.connection = "waiting";
  }

  #tick(): void {
    if (this.connection !== "waiting" || document.hidden) return;
    const left = this.#retryAt - Date.now();
    if (left <= 0) this.connect();
    else this.retryIn = Math.ceil(left / 1000);
  }

  #flush(): void {
    if (this.held && this.rows.length > 0) {
      this.waiting = countNew(this.#pending, this.rows);
      return;
    }
    this.waiting = 0;
    if (this.#pending.length === 0) return;
    const fresh = this.#pending;
    this.#pending = [];
    this.rows = merge(fresh, this.rows);
  }

  #close(): void {
    this.#source?.close();
    this.#source = undefined;
  }
}
