/** The memory that a simulated device has for its server. A server on a machine is given none: it has limits instead. */
import { ESP_ERR_NO_MEM, EspError } from '../err.js';

export interface Heap {
  /** Bytes that are left. */
  readonly free: number;
  /** What a request takes while it is served, in bytes. */
  readonly request: number;
  /** @returns whether there was so much */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** @throws EspError ESP_ERR_NO_MEM if `bytes` can't be had */
export function allocate(heap: Heap, bytes: number, what: string): void {
  if (!heap.take(bytes)) throw outOfMemory(heap, what);
}

/** @throws EspError ESP_ERR_NO_MEM if nothing is left */
export function checkHeap(heap: Heap, what: string): void {
  if (heap.free <= 0) throw outOfMemory(heap, what);
}

function outOfMemory(heap: Heap, what: string): EspError {
  return new EspError(
    ESP_ERR_NO_MEM,
    `no memory for ${what}: ${Math.max(0, heap.free)} bytes of the device's heap are free; send less, or to fewer, or wait`,
  );
}
