// The server's status, read every two seconds while the page is seen.

import { leave, loadStatus, SessionEnded, type Status } from "./api.ts";
import { backoff } from "./backoff.ts";
import { observe, rates, type Sample } from "./rate.ts";

/** Time between two looks, in milliseconds. */
const PERIOD = 2000;

export class Server {
  /** The last status, or none before the first. */
  status = $state.raw<Status>();
  /** When contact was lost, or none while there is contact. */
  lost = $state<number>();
  /** The time, as of the last look. */
  now = $state(Date.now());
  #samples = $state.raw<Sample[]>([]);
  /** Queries per second over the last two minutes. */
  readonly rates = $derived(rates(this.#samples));

  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to look, until the function it returns is called. */
  start(): () => void {
    const look = () => void this.#look();
    const wake = () => {
      clearTimeout(this.#timer);
      if (!document.hidden) look();
    };
    document.addEventListener("visibilitychange", wake);
    look();
    return () => {
      document.removeEventListener("visibilitychange", wake);
      clearTimeout(this.#timer);
    };
  }

  async #look(): Promise<void> {
    try {
      const status = await loadStatus();
      this.#samples = observe(this.#samples, { at: Date.now(), total: status.totals.queries });
      this.status = status;
      this.lost = undefined;
      this.#failures = 0;
    } catch (error) {
      if (error instanceof SessionEnded) return leave();
      this.lost ??= Date.now();
      this.#failures += 1;
    }
    this.now = Date.now();
    clearTimeout(this.#timer);
    if (document.hidden) return;
    const wait = this.#failures > 0 ? backoff(this.#failures) : PERIOD;
    this.#timer = setTimeout(() => void this.#look(), wait);
  }
}
