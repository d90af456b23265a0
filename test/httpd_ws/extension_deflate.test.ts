import { describe, expect, test } from 'vitest';
import * as ws from 'ws';
import { acceptDeflate, type ExtensionOffer, parseExtensions } from '../../src/httpd_ws/extension.js';
import type { WsDeflateSettings } from '../../src/httpd_ws/options.js';

const OURS: WsDeflateSettings = {
  threshold: 1024,
  level: 6,
  memLevel: 8,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** The answer to the value of a header, and undefined where there is none. */
function answerTo(value: string, ours: Partial<WsDeflateSettings> = {}): string | undefined {
  const offers = parseExtensions(value);
  if (offers === undefined) throw new Error('malformed');
  return acceptDeflate(offers, { ...OURS, ...ours })?.header;
}

const D = 'permessage-deflate';

describe('an offer of permessage-deflate (RFC 7692 section 7.1)', () => {
  test.each([
    // unknown, by name or by value
    'x',
    'x=1',
    'server_max_window_bit=15',
    'SERVER_NO_CONTEXT_TAKEOVER',
    '__proto__',
    '__proto__=15',
    'constructor',
    'constructor=15',
    'toString',
    'client_max_window_bits; x',
    'server_no_context_takeover=true',
    'server_no_context_takeover="1"',
    'client_no_context_takeover=1',
    'server_max_window_bits',
    ...['server_max_window_bits', 'client_max_window_bits'].flatMap(name =>
      ['0', '1', '7', '16', '08', '015', '+9', '-9', '9.0', '1e1', '0x9', '99', '100', 'true', '1_0'].flatMap(bits => [
        `${name}=${bits}`,
        `${name}="${bits}"`,
      ]),
    ),
    // twice, be the values the same or not
    'server_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; client_no_context_takeover',
    'server_max_window_bits=10; server_max_window_bits=10',
    'server_max_window_bits=10; server_max_window_bits=11',
    'client_max_window_bits; client_max_window_bits',
    'client_max_window_bits; client_max_window_bits=10',
    'client_max_window_bits=10; server_no_context_takeover; client_max_window_bits=10',
  ])('is declined with %s, and the next one is taken', params => {
    expect(answerTo(`${D}; ${params}`)).toBeUndefined();
    expect(answerTo(`${D}; ${params}, ${D}`)).toBe(D);
    expect(answerTo(`${D}; ${params}, ${D}; server_max_window_bits=9, ${D}`)).toBe(`${D}; server_max_window_bits=9`);
    expect(answerTo(`${D}; server_max_window_bits=9, ${D}; ${params}`)).toBe(`${D}; server_max_window_bits=9`);
  });

  test.each(['8', '9', '10', '11', '12', '13', '14', '15'])('may ask for %s bits, quoted or not', bits => {
    const escaped = [...bits].map(digit => `\\${digit}`).join('');
    for (const value of [bits, `"${bits}"`, `"${escaped}"`]) {
      expect(answerTo(`${D}; server_max_window_bits=${value}`)).toBe(`${D}; server_max_window_bits=${bits}`);
      const clients = answerTo(`${D}; client_max_window_bits=${value}`);
      expect(clients).toBe(bits === '15' ? D : `${D}; client_max_window_bits=${bits}`);
    }
  });

  test.each(['foo', '__proto__', 'constructor', 'x-webkit-deflate-frame', 'permessage-bzip2', 'Permessage-Deflate'])(
    'of the name %s is passed over',
    name => {
      expect(answerTo(name)).toBeUndefined();
      expect(answerTo(`${name}; client_max_window_bits, ${D}`)).toBe(D);
      expect(answerTo(`${D}, ${name}`)).toBe(D);
    },
  );

  test('is answered once, the first that will do', () => {
    expect(answerTo(`${D}; client_max_window_bits=9, ${D}; client_max_window_bits=10`)).toBe(
      `${D}; client_max_window_bits=9`,
    );
    expect(answerTo(`${D}, ${D}; client_max_window_bits`, { clientMaxWindowBits: 12 })).toBe(
      `${D}; client_max_window_bits=12`,
    );
    expect(answerTo(`${D}, ${D}; server_no_context_takeover`, { clientMaxWindowBits: 12 })).toBeUndefined();
  });
});

interface Theirs {
  readonly serverForgets: boolean;
  readonly clientForgets: boolean;
  readonly serverBits: number | undefined;
  /** `true`: named without a value. */
  readonly clientBits: number | true | undefined;
}

/** All combinations of what a client may say. */
function* offers(): Generator<Theirs> {
  for (const serverForgets of [false, true]) {
    for (const clientForgets of [false, true]) {
      for (const serverBits of [undefined, 8, 12, 15]) {
        for (const clientBits of [undefined, true as const, 8, 12, 15]) {
          yield { serverForgets, clientForgets, serverBits, clientBits };
        }
      }
    }
  }
}

function written({ serverForgets, clientForgets, serverBits, clientBits }: Theirs): string {
  let text = D;
  if (clientBits !== undefined)
    text += clientBits === true ? '; client_max_window_bits' : `; client_max_window_bits=${clientBits}`;
  if (clientForgets) text += '; client_no_context_takeover';
  if (serverBits !== undefined) text += `; server_max_window_bits=${serverBits}`;
  if (serverForgets) text += '; server_no_context_takeover';
  return text;
}

/** Parameters of an answer, each of them once. */
function paramsOf(header: string): Map<string, string | true> {
  const parsed = parseExtensions(header);
  expect(parsed).toHaveLength(1);
  const { name, params } = (parsed as ExtensionOffer[])[0] as ExtensionOffer;
  expect(name).toBe(D);
  expect(new Set(params.map(([param]) => param)).size).toBe(params.length);
  return new Map(params);
}

describe.each([false, true])('where we keep no context of ours: %s', serverNoContextTakeover => {
  describe.each([false, true])('and none of theirs: %s,', clientNoContextTakeover => {
    test.each([8, 12, 15])(
      'with a window of %i bits, whatever a client says gets the answer that it must',
      serverMaxWindowBits => {
        for (const clientMaxWindowBits of [8, 12, 15]) {
          const ours = {
            ...OURS,
            serverNoContextTakeover,
            clientNoContextTakeover,
            serverMaxWindowBits,
            clientMaxWindowBits,
          };
          for (const theirs of offers()) checkAnswer(theirs, ours);
        }
      },
    );
  });
});

function checkAnswer(theirs: Theirs, ours: WsDeflateSettings): void {
  const text = written(theirs);
  const answer = acceptDeflate(parseExtensions(text) ?? [], ours);
  // who does not name client_max_window_bits must not be told of it (section 7.1.2.2)
  if (theirs.clientBits === undefined && ours.clientMaxWindowBits < 15) {
    expect(answer, text).toBeUndefined();
    return;
  }
  if (answer === undefined) return expect.fail(`${text} is declined`);
  const said = paramsOf(answer.header);
  const bits = (name: string) => Number(said.get(name) ?? 15);
  // what is said is what is done
  expect(answer.params, text).toEqual({
    serverNoContextTakeover: said.has('server_no_context_takeover'),
    clientNoContextTakeover: said.has('client_no_context_takeover'),
    serverMaxWindowBits: bits('server_max_window_bits'),
    clientMaxWindowBits: bits('client_max_window_bits'),
  });
  const { serverBits, clientBits } = theirs;
  expect(said.get('server_no_context_takeover'), text).toBe(
    theirs.serverForgets || ours.serverNoContextTakeover ? true : undefined,
  );
  expect(said.get('client_no_context_takeover'), text).toBe(
    theirs.clientForgets || ours.clientNoContextTakeover ? true : undefined,
  );
  expect(bits('server_max_window_bits')).toBe(Math.min(ours.serverMaxWindowBits, serverBits ?? 15));
  // an offer with server_max_window_bits is accepted by saying it (section 7.1.2.1)
  if (serverBits !== undefined) expect(said.has('server_max_window_bits'), text).toBe(true);
  expect(bits('client_max_window_bits')).toBe(
    Math.min(ours.clientMaxWindowBits, typeof clientBits === 'number' ? clientBits : 15),
  );
  if (clientBits === undefined) expect(said.has('client_max_window_bits'), text).toBe(false);
  judge(theirs, answer.header);
}

/** Its types don't have it. */
const { PerMessageDeflate } = ws as unknown as {
  PerMessageDeflate: new (options: object) => { offer(): object; accept(configurations: object[]): object };
};

/** The ws client throws if the answer is not one to such an offer. */
function judge({ serverForgets, clientForgets, serverBits, clientBits }: Theirs, header: string): void {
  const client = new PerMessageDeflate({
    serverNoContextTakeover: serverForgets,
    // false would refuse what the server may say
    clientNoContextTakeover: clientForgets || undefined,
    serverMaxWindowBits: serverBits,
    clientMaxWindowBits: clientBits,
    isServer: false,
  });
  client.offer();
  const params = Object.fromEntries([...paramsOf(header)].map(([name, value]) => [name, [value]]));
  expect(() => client.accept([params]), header).not.toThrow();
}
