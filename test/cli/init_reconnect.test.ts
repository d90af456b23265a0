/** The new project's own module that keeps its page connected. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

interface Page {
  send(text: string): boolean;
  retry(): void;
  close(): void;
}

const { keepConnected } = (await import(new URL('../../templates/init/public/reconnect.js', import.meta.url).href)) as {
  keepConnected(options: object): Page;
};

class FakeSocket {
  static readonly OPEN = 1;
  static readonly all: FakeSocket[] = [];
  readyState = 0;
  readonly sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(data: string): void {
    this.onmessage?.({ data });
  }
}

const states: string[] = [];
const messages: string[] = [];
let page: Page;

const last = (): FakeSocket => FakeSocket.all.at(-1) as FakeSocket;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  for (const list of [FakeSocket.all, states, messages]) list.length = 0;
  page = keepConnected({
    url: 'ws://device/ws',
    WebSocket: FakeSocket,
    onMessage: (message: string) => messages.push(message),
    onState: (state: string, waitMs: number) => states.push(state === 'waiting' ? `${state} ${waitMs}` : state),
  });
});

afterEach(() => {
  page.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("a new project's page", () => {
  test('sends and receives while it is connected', () => {
    expect(page.send('too soon')).toBe(false);
    last().open();
    last().say('hello');
    expect(page.send('hello')).toBe(true);
    expect([states, messages, last().sent]).toEqual([['connecting', 'connected'], ['hello'], ['hello']]);
  });

  test('waits twice as long each time, up to 10 s, and begins anew when the device has spoken', () => {
    const waits = [500, 1000, 2000, 4000, 8000, 10_000, 10_000];
    for (const wait of waits) {
      last().onclose?.();
      expect(states.at(-1)).toBe(`waiting ${wait}`);
      vi.advanceTimersByTime(wait - 1);
      expect(states.at(-1)).toBe(`waiting ${wait}`);
      vi.advanceTimersByTime(1);
      expect(states.at(-1)).toBe('connecting');
    }
    expect(FakeSocket.all).toHaveLength(waits.length + 1);
    last().open();
    last().say('up');
    last().onclose?.();
    expect(states.at(-1)).toBe('waiting 500');
  });

  test('waits a random part shorter', () => {
    vi.mocked(Math.random).mockReturnValue(0);
    last().onclose?.();
    expect(states.at(-1)).toBe('waiting 250');
  });

  test('gives up a connection that is silent for 5 s, and one that is not made by then', () => {
    const [first] = FakeSocket.all;
    last().open();
    vi.advanceTimersByTime(4999);
    last().say('still here');
    vi.advanceTimersByTime(4999);
    expect(states.at(-1)).toBe('connected');
    vi.advanceTimersByTime(1);
    expect(states.at(-1)).toBe('waiting 500');
    expect(first?.readyState).toBe(3);
    vi.advanceTimersByTime(500 + 5000);
    expect(states.at(-1)).toBe('waiting 1000');
    // what the old one says later is nobody's business
    first?.open();
    first?.say('late');
    expect([states.at(-1), messages]).toEqual(['waiting 1000', ['still here']]);
  });

  test('tries at once when it is told to, and only if it waits', () => {
    page.retry();
    expect(FakeSocket.all).toHaveLength(1);
    last().onclose?.();
    page.retry();
    expect([FakeSocket.all.length, states.at(-1)]).toEqual([2, 'connecting']);
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test('stops when it is closed', () => {
    last().open();
    page.close();
    expect(last().readyState).toBe(3);
    expect(page.send('hello')).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});
