/** What the requests of a connection take of a simulated device's memory, while they are served. */
import { allocate, type Heap } from '../sess/heap.js';

export class RequestMemory {
  private taken = 0;

  constructor(private readonly heap: Heap) {}

  /** For a request. @returns whether there was room */
  take(): boolean {
    const { request } = this.heap;
    if (!this.heap.take(request)) return false;
    this.taken += request;
    return true;
  }

  /** For the copy of one that goes asynchronous. @throws EspError ESP_ERR_NO_MEM */
  takeForCopy(): void {
    const { request } = this.heap;
    allocate(this.heap, request, 'the copy of a request');
    this.taken += request;
  }

  release(): void {
    this.heap.give(this.taken);
    this.taken = 0;
  }
}
