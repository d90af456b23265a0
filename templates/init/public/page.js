import { keepConnected } from './reconnect.js';

/** @param {string} id */
const byId = id => /** @type {HTMLElement} */ (document.getElementById(id));
const state = byId('state');
const retry = /** @type {HTMLButtonElement} */ (byId('retry'));
const log = byId('log');
const text = /** @type {HTMLInputElement} */ (byId('text'));

const LINES_MAX = 100;

/** @param {string} line */
function tell(line) {
  const item = document.createElement('li');
  item.textContent = `${new Date().toLocaleTimeString()}  ${line}`;
  log.prepend(item);
  while (log.childElementCount > LINES_MAX) log.lastElementChild?.remove();
}

const device = keepConnected({
  url: new URL('/ws', location.href.replace(/^http/, 'ws')),
  onState(now, waitMs) {
    const seconds = (waitMs / 1000).toFixed(1);
    const words = { connecting: 'Connecting…', connected: 'Connected', waiting: `Waiting ${seconds} s` }[now];
    state.dataset.state = now;
    state.textContent = words;
    retry.disabled = now !== 'waiting';
    if (now !== 'connecting') tell(words);
  },
  onMessage(message) {
    const status = parse(message);
    if (status === undefined) tell(`Answer: ${message}`);
    else byId('uptime').textContent = `${status.uptime} s`;
  },
});

/**
 * @typedef {object} Status
 * @property {number} uptime in seconds
 *
 * @param {string} message
 * @returns {Status | undefined} undefined: it is an answer
 */
function parse(message) {
  try {
    const value = JSON.parse(message);
    return typeof value?.uptime === 'number' ? value : undefined;
  } catch {
    return undefined;
  }
}

retry.addEventListener('click', () => device.retry());
addEventListener('online', () => device.retry());
byId('form').addEventListener('submit', event => {
  event.preventDefault();
  if (device.send(text.value)) text.value = '';
  else tell('Not sent: there is no connection');
});
