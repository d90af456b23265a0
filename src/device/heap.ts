/** The memory of a simulated device. */
import { invalidArg } from '../err.js';
import type { Heap } from '../sess/heap.js';
import type { HeapSettings } from './profile.js';

export class DeviceHeap implements Heap {
  private taken = 0;
  private least: number;

  /**
   * @internal
   * @param queued what is queued to be sent now, in bytes
   */
  constructor(
    private readonly settings: HeapSettings,
    private readonly queued: () => number,
  ) {
    this.least = settings.size;
  }

  /** Bytes that the server and its application have between them, after boot (`esp_get_free_heap_size` without load). */
  get size(): number {
    return this.settings.size;
  }

  /** Bytes that are left now (`esp_get_free_heap_size`). */
  get free(): number {
    return Math.max(0, this.settings.size - this.taken - this.queued());
  }

  /** The least that was left since boot, as far as anybody has looked (`esp_get_minimum_free_heap_size`). */
  get minimumFree(): number {
    this.least = Math.min(this.least, this.free);
    return this.least;
  }

  /** @internal */
  get request(): number {
    return this.settings.request;
  }

  /**
   * Takes memory, for what an application would allocate (`malloc`).
   *
   * @param bytes 0 and up
   * @returns false if there is not so much; then nothing is taken
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  take(bytes: number): boolean {
    checkBytes(bytes);
    if (bytes > this.free) return false;
    this.taken += bytes;
    this.least = Math.min(this.least, this.free);
    return true;
  }

  /**
   * Gives it back (`free`).
   *
   * @param bytes no more than what was taken
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  give(bytes: number): void {
    checkBytes(bytes);
    if (bytes > this.taken) invalidArg(`${bytes} bytes can't be given back: ${this.taken} are taken`);
    this.taken -= bytes;
  }
}

function checkBytes(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0) invalidArg('bytes must be an integer from 0');
}
