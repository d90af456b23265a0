/**
 * Work that applications queue for the server's loop, after `httpd_queue_work()`.
 */
import { ESP_FAIL, EspError } from '../err.js';
import { watch } from '../thenable.js';

/** A work: called with the argument that it was queued with. */
export type WorkFn = (arg: unknown) => unknown;

/** First in, first out; one that throws or rejects harms no other. */
export class WorkQueue {
  private works: { fn: WorkFn; arg: unknown }[] = [];
  private scheduled = false;

  /**
   * @param max how many may wait
   * @param schedule calls what it is given in another turn of the loop
   * @param beforeWork is called before each
   * @param onFailure gets what a work threw, or rejected with
   */
  constructor(
    private readonly max: number,
    private readonly schedule: (run: () => void) => void,
    private readonly beforeWork: () => void,
    private readonly onFailure: (thrown: unknown) => void,
  ) {}

  /** How many wait. */
  get length(): number {
    return this.works.length;
  }

  /** @throws EspError ESP_FAIL if the queue is full */
  add(fn: WorkFn, arg: unknown): void {
    if (this.works.length >= this.max) {
      throw new EspError(
        ESP_FAIL,
        `the work queue holds ${this.max} works already; wait, or raise config.maxWorkQueue`,
      );
    }
    this.works.push({ fn, arg });
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => this.run());
  }

  /** Runs what was queued before this turn; what that queues comes in the next one. */
  private run(): void {
    const { works } = this;
    this.works = [];
    this.scheduled = false;
    for (const { fn, arg } of works) {
      this.beforeWork();
      try {
        watch(fn(arg), this.onFailure);
      } catch (thrown) {
        this.onFailure(thrown);
      }
    }
  }
}
