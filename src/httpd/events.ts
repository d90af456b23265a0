/**
 * What a server tells its observers, after `ESP_HTTP_SERVER_EVENT`.
 */
import { EventEmitter } from 'node:events';
import { invalidArg } from '../err.js';
import { isThenable, watch } from '../thenable.js';
import type { HttpdErrCode } from './http_err.js';

/** Payload of `data` and `sentData` (`esp_http_server_event_data`). */
export interface HttpdEventData {
  readonly fd: number;
  readonly dataLen: number;
}

/** Events and what their listeners get. */
export interface HttpdEvents {
  /**
   * An error page was sent, with the `error` that it answers, if one was thrown or a request could not be read; or
   * application code of any kind has thrown what is no `EspError` (`HTTP_SERVER_EVENT_ERROR`).
   */
  error: [code: HttpdErrCode, error?: Error];
  /** The server listens (`HTTP_SERVER_EVENT_START`). */
  start: [];
  /** A session was opened (`HTTP_SERVER_EVENT_ON_CONNECTED`). */
  connected: [fd: number];
  /** The head of a request has arrived (`HTTP_SERVER_EVENT_ON_HEADER`). */
  header: [fd: number];
  /** The head of a response was sent (`HTTP_SERVER_EVENT_HEADERS_SENT`). */
  headersSent: [fd: number];
  /**
   * So many bytes of a body, a frame or a message have come for a handler (`HTTP_SERVER_EVENT_ON_DATA`). A frame of more
   * than 16 KiB is told piece by piece, as its handler receives it.
   */
  data: [data: HttpdEventData];
  /** A body, a chunk or a frame was sent (`HTTP_SERVER_EVENT_SENT_DATA`). */
  sentData: [data: HttpdEventData];
  /** A session whose reader was slow has room again for what is sent to it. Not of ESP-IDF. */
  drain: [fd: number];
  /** A session is over (`HTTP_SERVER_EVENT_DISCONNECTED`); behind `closeFn`, and before its contexts are freed. */
  disconnected: [fd: number];
  /** The server has stopped (`HTTP_SERVER_EVENT_STOP`). */
  stop: [];
}

/** Numbers of the events (`esp_http_server_event_id_t`), which are the states of a server too. */
export const HTTP_SERVER_EVENT_ERROR = 0;
export const HTTP_SERVER_EVENT_START = 1;
export const HTTP_SERVER_EVENT_ON_CONNECTED = 2;
export const HTTP_SERVER_EVENT_ON_HEADER = 3;
export const HTTP_SERVER_EVENT_HEADERS_SENT = 4;
export const HTTP_SERVER_EVENT_ON_DATA = 5;
export const HTTP_SERVER_EVENT_SENT_DATA = 6;
export const HTTP_SERVER_EVENT_DISCONNECTED = 7;
export const HTTP_SERVER_EVENT_STOP = 8;

const IDS: Readonly<Record<keyof HttpdEvents, number | undefined>> = {
  error: HTTP_SERVER_EVENT_ERROR,
  start: HTTP_SERVER_EVENT_START,
  connected: HTTP_SERVER_EVENT_ON_CONNECTED,
  header: HTTP_SERVER_EVENT_ON_HEADER,
  headersSent: HTTP_SERVER_EVENT_HEADERS_SENT,
  data: HTTP_SERVER_EVENT_ON_DATA,
  sentData: HTTP_SERVER_EVENT_SENT_DATA,
  drain: undefined,
  disconnected: HTTP_SERVER_EVENT_DISCONNECTED,
  stop: HTTP_SERVER_EVENT_STOP,
};

/** An emitter that costs one comparison per event that nobody listens to, and whose listeners can't harm the server. */
export class EventHub {
  /** The last event, as `httpd_get_server_state()` gives it. */
  state = HTTP_SERVER_EVENT_ERROR;
  /** Listeners for `data` and `sentData`, which make an object each. */
  dataListeners = 0;
  private readonly emitter = new EventEmitter();
  private total = 0;

  /** @param onFailure gets what a listener has thrown, or rejected with */
  constructor(private readonly onFailure: (thrown: unknown, name: keyof HttpdEvents) => void) {}

  on<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): void {
    checkListener(name, listener);
    this.emitter.on(name, listener as (...args: unknown[]) => void);
    this.count();
  }

  once<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): void {
    checkListener(name, listener);
    this.emitter.once(name, listener as (...args: unknown[]) => void);
    this.count();
  }

  off<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): void {
    this.emitter.off(name, listener as (...args: unknown[]) => void);
    this.count();
  }

  /** @param error only with 'error' */
  emit<Name extends keyof HttpdEvents>(name: Name, payload?: HttpdEvents[Name][0], error?: Error): void {
    if (name !== 'stop' && name !== 'error') this.state = IDS[name] ?? this.state;
    if (this.total === 0) return;
    // one by one, so that a listener that throws takes the event from no other
    for (const listener of this.emitter.rawListeners(name)) {
      try {
        const result: unknown =
          error === undefined ? listener.call(this.emitter, payload) : listener.call(this.emitter, payload, error);
        if (isThenable(result)) watch(result, thrown => this.onFailure(thrown, name));
      } catch (thrown) {
        this.onFailure(thrown, name);
      }
    }
    this.count();
  }

  /** `data` or `sentData`. */
  emitData(name: 'data' | 'sentData', fd: number, dataLen: number): void {
    this.state = name === 'data' ? HTTP_SERVER_EVENT_ON_DATA : HTTP_SERVER_EVENT_SENT_DATA;
    if (this.dataListeners > 0) this.emit(name, { fd, dataLen });
  }

  private count(): void {
    const names = this.emitter.eventNames();
    this.total = names.length;
    this.dataListeners = this.emitter.listenerCount('data') + this.emitter.listenerCount('sentData');
  }
}

function checkListener(name: unknown, listener: unknown): void {
  if (!Object.hasOwn(IDS, name as string)) invalidArg(`there is no event '${String(name)}'; see HttpdEvents`);
  if (typeof listener !== 'function') invalidArg(`the listener for '${String(name)}' must be a function`);
}
