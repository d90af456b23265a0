/** What the soak has found, as a table. */

import type { Sample } from './memory.js';

/** One thing that must hold. */
export interface Check {
  readonly what: string;
  readonly found: string;
  readonly ok: boolean;
}

export class Checks {
  private readonly all: Check[] = [];

  add(what: string, found: string, ok: boolean): void {
    this.all.push({ what, found, ok });
  }

  /** The same number of two things. */
  same(what: string, began: number, ended: number): void {
    this.add(what, `${began} began, ${ended} ended`, began === ended);
  }

  get failed(): readonly Check[] {
    return this.all.filter(({ ok }) => !ok);
  }

  table(): string {
    const width = Math.max(...this.all.map(({ what }) => what.length));
    return this.all
      .map(({ what, found, ok }) => `${ok ? '  ok  ' : 'FAILED'}  ${what.padEnd(width)}  ${found}`)
      .join('\n');
  }
}

export function sampleLine({ at, rss, heap, external }: Sample): string {
  return `${at.toFixed(1).padStart(6)} s: heap ${mib(heap)}, external ${mib(external)}, resident ${mib(rss)}`;
}

export function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

export function percent(part: number): string {
  return `${part >= 0 ? '+' : ''}${(part * 100).toFixed(1)} %`;
}
