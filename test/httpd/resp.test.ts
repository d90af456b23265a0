import { describe, expect, test } from 'vitest';
import {
  ESP_ERR_HTTPD_RESP_HDR,
  ESP_ERR_HTTPD_RESP_SEND,
  ESP_ERR_INVALID_ARG,
  ESP_ERR_INVALID_STATE,
  EspError,
} from '../../src/err.js';
import { RawAnswer } from '../../src/httpd/raw_answer.js';
import { Response, type ResponseHost } from '../../src/httpd/resp.js';
import type { Sess } from '../../src/sess/sess.js';
import { Outbox, TxQueue } from '../../src/sess/tx.js';

interface Options {
  readonly keepAlive?: boolean;
  readonly maxRespHeaders?: number;
  readonly isHead?: boolean;
  readonly http10?: boolean;
  readonly date?: string;
}

/** A response whose bytes can be looked at. */
function setUp(options: Options = {}) {
  const out: Buffer[] = [];
  const events: string[] = [];
  const sink = {
    pending: 0,
    send(buf: Buffer, from: number, to: number) {
      out.push(Buffer.from(buf.subarray(from, to)));
      return to - from;
    },
  };
  const onTxFault = (thrown: unknown) => {
    throw thrown;
  };
  const tx = new TxQueue(sink, new Outbox(() => {}), { onTxProgress: () => {}, onTxFault });
  const state = { admits: true };
  const sess = {
    tx,
    admit() {
      if (!state.admits) throw new EspError(ESP_ERR_HTTPD_RESP_SEND, 'closing');
      return true;
    },
    sent: () => Promise.resolve(),
  } as unknown as Sess;
  const raw = new RawAnswer(options.isHead ?? false);
  const host: ResponseHost = {
    sess,
    maxRespHeaders: options.maxRespHeaders ?? 8,
    dateLine: () => options.date ?? DATE,
    keepAlive: () => options.keepAlive ?? true,
    onHeadersSent: () => events.push('headers'),
    onSentData: len => events.push(`data ${len}`),
    later: {
      get begun() {
        return raw.begun;
      },
      send(bytes) {
        const n = raw.push(bytes);
        tx.write(bytes.subarray(0, n));
        resp.writtenOutside(raw.complete);
        return n;
      },
    },
  };
  const resp = new Response(host);
  resp.reset(options.isHead ?? false, options.http10 ?? false);
  const text = () => {
    tx.flush();
    return Buffer.concat(out).toString('latin1');
  };
  return { resp, text, events, state };
}

const DATE = 'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n';
const error = (code: number) => expect.objectContaining({ code });

describe('a whole response', () => {
  test('has status, type, length and date', () => {
    const { resp, text, events } = setUp();
    void resp.send('hello');
    expect(text()).toBe(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n${DATE}\r\nhello`);
    expect([resp.begun, resp.complete, resp.closing]).toEqual([true, true, false]);
    expect(events).toEqual(['headers', 'data 5']);
  });

  test('says what the handler has set, in its order', () => {
    const { resp, text } = setUp();
    resp.setStatus('404 Not Found');
    resp.setType('text/plain');
    resp.setHeader('X-A', '1');
    resp.setHeader('Set-Cookie', 'a=1');
    resp.setHeader('Set-Cookie', 'b=2');
    void resp.send(Buffer.from([0xff, 0x00]));
    expect(text()).toBe(
      `HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nX-A: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n${DATE}\r\n\xff\0`,
    );
  });

  test.each(['é', '€uro', '😀', 'plain and é'])('%j is sent as UTF-8, and Content-Length counts its bytes', body => {
    const { resp, text } = setUp();
    void resp.send(body);
    expect(text().endsWith(`\r\n\r\n${Buffer.from(body).toString('latin1')}`)).toBe(true);
    expect(text()).toContain(`Content-Length: ${Buffer.byteLength(body)}\r\n`);
  });

  test('a header value above 127 goes out as Latin-1, beside a body of UTF-8', () => {
    const { resp, text } = setUp();
    resp.setHeader('X-Name', 'caf\xe9');
    void resp.send('é');
    expect(text()).toContain('X-Name: caf\xe9\r\n');
    expect(text().endsWith('\r\n\r\n\xc3\xa9')).toBe(true);
  });

  test('that closes says so', () => {
    const { resp, text } = setUp({ keepAlive: false });
    void resp.send('x');
    expect(text()).toContain('\r\nConnection: close\r\n\r\nx');
    expect(resp.closing).toBe(true);
  });

  test('HTTP/1.0: keep-alive is said, too', () => {
    const { resp, text } = setUp({ http10: true });
    void resp.send('x');
    expect(text()).toContain('\r\nConnection: keep-alive\r\n\r\nx');
  });

  test.each(['204 No Content', '304 Not Modified', '204', '304'])('%s has no body, no length and no type', status => {
    const { resp, text } = setUp();
    resp.setStatus(status);
    void resp.send('not to be seen');
    expect(text()).toBe(`HTTP/1.1 ${status.padEnd(4)}\r\n${DATE}\r\n`);
  });

  test('to HEAD has the length of the body, and no body', () => {
    const { resp, text } = setUp({ isHead: true });
    void resp.send('12345');
    expect(text()).toBe(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n${DATE}\r\n`);
  });

  test('twice is refused, and so are headers behind it', () => {
    const { resp } = setUp();
    void resp.send('1');
    for (const again of [
      () => resp.send('2'),
      () => resp.sendChunk('2'),
      () => resp.sendRaw(Buffer.from('2')),
      () => resp.setStatus('200 OK'),
      () => resp.setType('a/b'),
      () => resp.setHeader('A', 'b'),
    ]) {
      expect(again).toThrow(error(ESP_ERR_INVALID_STATE));
    }
  });

  test('that is not admitted sends nothing', () => {
    const { resp, text, state, events } = setUp();
    state.admits = false;
    expect(() => resp.send('x')).toThrow(error(ESP_ERR_HTTPD_RESP_SEND));
    expect([text(), resp.begun, events]).toEqual(['', false, []]);
  });

  test('reset forgets everything', () => {
    const { resp, text } = setUp({ keepAlive: true });
    resp.setStatus('500 Oops');
    resp.setType('x/y');
    resp.setHeader('A', 'b');
    resp.setHeader('Date', 'never');
    resp.setHeader('Connection', 'close, upgrade');
    resp.reset(false, false);
    void resp.send('x');
    expect(text()).toBe(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n${DATE}\r\nx`);
  });
});

describe('chunks', () => {
  test('go out one by one, the empty one ends', () => {
    const { resp, text, events } = setUp();
    void resp.sendChunk('first');
    expect([resp.begun, resp.complete]).toEqual([true, false]);
    void resp.sendChunk(Buffer.alloc(17, 'x'));
    void resp.sendChunk('é');
    void resp.sendChunk('');
    expect(resp.complete).toBe(true);
    expect(text()).toBe(
      `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n${DATE}\r\n5\r\nfirst\r\n11\r\n${'x'.repeat(17)}\r\n2\r\n\xc3\xa9\r\n0\r\n\r\n`,
    );
    expect(events).toEqual(['headers', 'data 5', 'data 17', 'data 2', 'data 0']);
  });

  test('of nothing at all', () => {
    const { resp, text } = setUp();
    void resp.sendChunk('');
    expect(text().endsWith('\r\n\r\n0\r\n\r\n')).toBe(true);
  });

  test('to HTTP/1.0 are bytes up to the end of the connection', () => {
    const { resp, text } = setUp({ http10: true });
    void resp.sendChunk('one ');
    void resp.sendChunk('two');
    void resp.sendChunk('');
    expect(text()).toBe(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n${DATE}Connection: close\r\n\r\none two`);
    expect(resp.closing).toBe(true);
  });

  test('to HEAD have a head only', () => {
    const { resp, text } = setUp({ isHead: true });
    void resp.sendChunk('one');
    void resp.sendChunk('');
    expect(text()).toBe(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n${DATE}\r\n`);
  });

  test.each(['204 No Content', '304 Not Modified'])('with %s are none', status => {
    const { resp, text } = setUp();
    resp.setStatus(status);
    void resp.sendChunk('one');
    void resp.sendChunk('');
    expect(text()).toBe(`HTTP/1.1 ${status}\r\n${DATE}\r\n`);
  });

  test('behind the last one, and mixed with a whole response, are refused', () => {
    const { resp } = setUp();
    void resp.sendChunk('one');
    expect(() => resp.send('x')).toThrow(error(ESP_ERR_INVALID_STATE));
    expect(() => resp.setHeader('A', 'b')).toThrow(error(ESP_ERR_INVALID_STATE));
    void resp.sendChunk('');
    expect(() => resp.sendChunk('two')).toThrow(error(ESP_ERR_INVALID_STATE));
  });
});

describe('bytes as they are', () => {
  test('are sent as given, again and again', () => {
    const { resp, text } = setUp();
    void resp.sendRaw(Buffer.from('HTTP/1.1 200 Mine\r\n'));
    void resp.sendRaw(Buffer.from('Content-Length: 0\r\n\r\n'));
    expect(text()).toBe('HTTP/1.1 200 Mine\r\nContent-Length: 0\r\n\r\n');
    expect([resp.begun, resp.complete]).toEqual([true, true]);
    expect(() => resp.send('x')).toThrow(error(ESP_ERR_INVALID_STATE));
  });
});

describe('what may be set', () => {
  test.each(['200 OK', '404', '599 Custom Thing', '226 ', '204 \xe9'])('status %j', status => {
    expect(() => setUp().resp.setStatus(status)).not.toThrow();
  });

  test.each<unknown>([
    '',
    '20',
    '2000',
    'OK',
    '100 Continue',
    '101 Switching Protocols',
    '199',
    '200 a\r\nX: y',
    '200 a\0',
    ' 200',
    '200OK',
    200,
    undefined,
  ])('no status %j', status => {
    expect(() => setUp().resp.setStatus(status as string)).toThrow(error(ESP_ERR_INVALID_ARG));
  });

  test.each<readonly [unknown, unknown]>([
    ['', 'x'],
    ['A b', 'x'],
    ['A:', 'x'],
    ['A\r\n', 'x'],
    ['A', 'x\r\nB: y'],
    ['A', 'x\ny'],
    ['A', 'x\0'],
    ['A', '\u2603'],
    ['A', 5],
    [5, 'x'],
    ['A', undefined],
    ['Content-Length', '5'],
    ['content-length', '5'],
    ['Transfer-Encoding', 'chunked'],
  ])('no header %j: %j', (name, value) => {
    const { resp, text } = setUp();
    expect(() => resp.setHeader(name as string, value as string)).toThrow(error(ESP_ERR_INVALID_ARG));
    void resp.send('');
    expect(text()).toBe(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n${DATE}\r\n`);
  });

  test.each(['a\r\nb', 'a\0', '\u2603', 5, undefined])('no type %j', type => {
    expect(() => setUp().resp.setType(type as string)).toThrow(error(ESP_ERR_INVALID_ARG));
  });

  test('maxRespHeaders headers, and no more; Content-Type and Connection do not count', () => {
    const { resp, text } = setUp({ maxRespHeaders: 2 });
    resp.setHeader('Content-Type', 'a/b');
    resp.setHeader('A', '1');
    resp.setHeader('B', '2');
    resp.setHeader('connection', 'keep-alive');
    expect(() => resp.setHeader('C', '3')).toThrow(error(ESP_ERR_HTTPD_RESP_HDR));
    void resp.send('');
    expect(text()).toBe(`HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 0\r\nA: 1\r\nB: 2\r\n${DATE}\r\n`);
  });

  test('has its own status, type, length and date, whatever the one before had that was alike but for one of them', () => {
    const plain = (status: string, type: string, body: string, date: string): string => {
      const { resp, text } = setUp({ date });
      resp.setStatus(status);
      resp.setType(type);
      void resp.send(body);
      return text();
    };
    const all: [string, string, string, string][] = [
      ['200 OK', 'text/html', 'a', 'Date: 1\r\n'],
      ['201 Created', 'text/html', 'a', 'Date: 1\r\n'],
      ['201 Created', 'text/plain', 'a', 'Date: 1\r\n'],
      ['201 Created', 'text/plain', 'ab', 'Date: 1\r\n'],
      ['201 Created', 'text/plain', 'ab', 'Date: 2\r\n'],
    ];
    for (const [status, type, body, date] of all) {
      expect(plain(status, type, body, date)).toBe(
        `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n${date}\r\n${body}`,
      );
    }
  });

  test('a Date of its own replaces ours', () => {
    const { resp, text } = setUp();
    resp.setHeader('date', 'yesterday');
    void resp.send('');
    expect(text().match(/date:/gi)).toHaveLength(1);
  });

  test.each([
    ['close', 'Connection: close', true],
    ['Close', 'Connection: close', true],
    ['keep-alive', '', false],
    ['not-close', '', false],
    ['Upgrade', 'Connection: Upgrade', false],
    ['upgrade, close', 'Connection: Upgrade, close', true],
  ])('Connection: %s', (value, line, closing) => {
    const { resp, text } = setUp();
    resp.setHeader('Connection', value);
    void resp.send('');
    expect([/connection: .*(?=\r\n)/i.exec(text())?.[0] ?? '', resp.closing]).toEqual([line, closing]);
  });
});

describe('interim responses', () => {
  test('100 leaves the response unbegun', () => {
    const { resp, text } = setUp();
    resp.sendContinue();
    expect([text(), resp.begun]).toEqual(['HTTP/1.1 100 Continue\r\n\r\n', false]);
  });

  test('101 has its own headers and those of the handler, no date and no length', () => {
    const { resp, text } = setUp();
    resp.setHeader('X-A', 'b');
    resp.switchProtocols('Upgrade: websocket\r\nConnection: Upgrade\r\n');
    expect(text()).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: b\r\n\r\n',
    );
    expect(resp.complete).toBe(true);
  });
});
