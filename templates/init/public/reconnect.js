/**
 * A WebSocket that comes back. Its device may be out of reach, boot, or lose its supply at any moment, so each connection
 * is made anew until somebody says close().
 *
 * @typedef {'connecting' | 'connected' | 'waiting'} State
 *
 * @param {object} options
 * @param {string | URL} options.url
 * @param {(message: string) => void} options.onMessage
 * @param {(state: State, waitMs: number) => void} options.onState how long it waits is told with 'waiting'
 * @param {number} [options.firstWaitMs] before it connects again; each further wait is twice as long
 * @param {number} [options.maxWaitMs]
 * @param {number} [options.quietMs] a device without power says no goodbye: a connection that is silent for so long is over
 * @param {typeof globalThis.WebSocket} [options.WebSocket]
 */
export function keepConnected({
  url,
  onMessage,
  onState,
  firstWaitMs = 500,
  maxWaitMs = 10_000,
  quietMs = 5_000,
  WebSocket = globalThis.WebSocket,
}) {
  /** @type {WebSocket | undefined} */
  let socket;
  let wait = firstWaitMs;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {() => void} action @param {number} ms */
  function after(action, ms) {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  }

  function connect() {
    const own = new WebSocket(url);
    socket = own;
    after(lost, quietMs);
    onState('connecting', 0);
    own.onopen = () => {
      after(lost, quietMs);
      onState('connected', 0);
    };
    own.onmessage = event => {
      after(lost, quietMs);
      // only now is the device there again: one that boots may take connections before it answers
      wait = firstWaitMs;
      onMessage(String(event.data));
    };
    own.onclose = lost;
  }

  /** Says goodbye to the connection without waiting for an answer. */
  function drop() {
    if (socket === undefined) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    socket = undefined;
  }

  function lost() {
    drop();
    // not all pages at the same moment
    const ms = Math.round(wait * (0.5 + Math.random() / 2));
    wait = Math.min(2 * wait, maxWaitMs);
    after(connect, ms);
    onState('waiting', ms);
  }

  connect();
  return {
    /** @param {string} text @returns {boolean} false: there is no connection now */
    send(text) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(text);
      return true;
    },
    /** Does not wait any longer. */
    retry() {
      if (socket === undefined) connect();
    },
    close() {
      clearTimeout(timer);
      drop();
    },
  };
}
