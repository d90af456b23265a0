/**
 * A client that sends GETs at a steady rate, whatever comes back when: on one connection that is kept, and on a new one
 * each time. Tells its latencies, in ms, when it is asked to stop.
 *
 *   steady PORT BODY PERIOD
 *
 * PERIOD is the time from one request to the next, in ms, of each of the two kinds.
 */
import { connect } from 'node:net';

const HOST = '127.0.0.1';
/** How long answers may take that are missing in the end, in ms. */
const PATIENCE_MS = 10_000;
const [port, body, period] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const REQUEST = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n`;

/** Of requests that were answered right. The others are counted in `wrong`. */
const kept = [];
const fresh = [];
let wrong = 0;
let open = 0;
let stopping = false;

function fail(what) {
  wrong += 1;
  if (wrong === 1) console.error(`steady: ${what}`);
}

/** Length of the answer that `text` begins with, 0 if some of it is missing. */
function answerLength(text) {
  const head = text.indexOf('\r\n\r\n') + 4;
  return head < 4 || text.length < head + body.length ? 0 : head + body.length;
}

function isRight(answer) {
  return answer.startsWith('HTTP/1.1 200 ') && answer.endsWith(`\r\n\r\n${body}`);
}

/** The connection that is kept; requests that still wait for an answer, the oldest first. */
function keptConnection() {
  const waiting = [];
  let text = '';
  let socket;
  const start = () => {
    text = '';
    socket = connect({ port, host: HOST, noDelay: true });
    socket.setEncoding('latin1').on('data', piece => {
      text += piece;
      for (let len = answerLength(text); len > 0; len = answerLength(text)) {
        const sentAt = waiting.shift();
        open -= 1;
        if (isRight(text.slice(0, len))) kept.push(performance.now() - sentAt);
        else fail(`a wrong answer: ${text.slice(0, len)}`);
        text = text.slice(len);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (stopping) return;
      fail('the connection that is kept was closed');
      open -= waiting.length;
      waiting.length = 0;
      start();
    });
  };
  start();
  return {
    ask() {
      open += 1;
      waiting.push(performance.now());
      socket.write(`${REQUEST}\r\n`);
    },
    end: () => socket.destroy(),
  };
}

function askOnNewConnection() {
  const sentAt = performance.now();
  let text = '';
  let took;
  open += 1;
  const socket = connect({ port, host: HOST, noDelay: true });
  socket.setEncoding('latin1').on('data', piece => {
    text += piece;
    if (answerLength(text) > 0) took ??= performance.now() - sentAt;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    open -= 1;
    if (took !== undefined && isRight(text)) fresh.push(took);
    else fail(`a new connection got ${text === '' ? 'nothing' : text}`);
  });
  socket.write(`${REQUEST}Connection: close\r\n\r\n`);
}

const connection = keptConnection();
const start = performance.now();
let sent = 0;

/** What is due by now. If this process was late itself, several are. */
function sendDue() {
  for (; sent < (performance.now() - start) / period; sent++) {
    connection.ask();
    askOnNewConnection();
  }
}

const timer = setInterval(sendDue, period);

process.on('message', () => {
  stopping = true;
  clearInterval(timer);
  const patience = performance.now() + PATIENCE_MS;
  const ended = setInterval(() => {
    if (open > 0 && performance.now() < patience) return;
    clearInterval(ended);
    if (open > 0) fail(`${open} requests were never answered`);
    process.send({ kept, fresh, wrong });
    connection.end();
  }, 10);
});
process.on('disconnect', () => process.exit());
process.send({});
