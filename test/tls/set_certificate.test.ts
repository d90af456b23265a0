import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { describe, expect, test } from 'vitest';
import { certificates } from '../support/certificates.js';
import { serverTls, startTestServer } from '../support/server.js';
import { afterwards, credentials, failure, get, invalid, serve, shownName, startSsl } from './support.js';

const other = () => credentials(certificates().other);
/** For clients that look at what is shown. */
const anyName = { checkServerIdentity: () => undefined };

describe('setCertificate', () => {
  test('new connections get the new one; open ones go on', async () => {
    const server = await startSsl();
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    afterwards(() => agent.destroy());
    serve(server, '/fd', req => req.respSend(String(req.toSockfd())));
    const before = await get(server, { agent, path: '/fd' });
    await server.setCertificate(other());
    expect(await shownName(server)).toBe('other.test');
    const after = await get(server, { agent, path: '/fd' });
    expect([after.status, after.text]).toEqual([200, before.text]);
    expect(after.certificate.subject.CN).toBe('localhost');
    await server.setCertificate(serverTls());
    expect(await shownName(server)).toBe('localhost');
  });

  test('a wrong one is refused, and the old one stays', async () => {
    const server = await startSsl();
    const wrong = { servercert: certificates().other.cert, prvtkeyPem: certificates().server.key };
    await expect(server.setCertificate(wrong)).rejects.toThrow(invalid('prvtkeyPem is not the key of the certificate'));
    await expect(server.setCertificate({ ...other(), servercert: '/nowhere.pem' })).rejects.toThrow(
      invalid("servercert: '/nowhere.pem' can't be read"),
    );
    await expect(server.setCertificate(null as never)).rejects.toThrow(invalid('servercert and prvtkeyPem'));
    expect(await shownName(server)).toBe('localhost');
  });

  test('one that OpenSSL does not take is refused as well, and no listener is changed', async () => {
    const host = '127.0.0.1';
    const tls = serverTls();
    const listeners = [
      { port: 0, host, tls },
      { port: 0, host, tls },
    ];
    const server = await startTestServer({ listeners });
    serve(server, '/', req => req.respSend('hello'));
    const options = { keyType: 'rsa', keySize: 512, algorithm: 'sha256' } as const;
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'weak' }], options as object);
    const weak = { servercert: cert, prvtkeyPem: key };
    await expect(server.setCertificate(weak)).rejects.toThrow(invalid("servercert can't be used: ", 'key too small'));
    for (const { port } of server.listeners) expect(await shownName(port)).toBe('localhost');
  });

  test('the call that is made last decides, whichever has read its files first', async () => {
    const server = await startSsl();
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-'));
    afterwards(() => rmSync(folder, { recursive: true }));
    const fifo = join(folder, 'cert.pem');
    execFileSync('mkfifo', [fifo]);
    const { cert, key } = certificates().stranger;
    const slow = server.setCertificate({ servercert: fifo, prvtkeyPem: key });
    await server.setCertificate(other());
    await writeFile(fifo, cert);
    await slow;
    expect(await shownName(server)).toBe('other.test');
  });

  test('one that failed decides nothing', async () => {
    const server = await startSsl();
    const first = server.setCertificate(other());
    const second = server.setCertificate({ ...other(), prvtkeyPem: 'none.pem' });
    await expect(second).rejects.toThrow(invalid('prvtkeyPem'));
    await first;
    expect(await shownName(server)).toBe('other.test');
  });

  test('with one of several listeners it changes that one only', async () => {
    const host = '127.0.0.1';
    const server = await startTestServer({
      listeners: [
        { port: 0, host, tls: serverTls() },
        { port: 0, host, tls: serverTls() },
        { port: 0, host },
      ],
    });
    serve(server, '/', req => req.respSend('hello'));
    const [first, second, plain] = server.listeners;
    await server.setCertificate(other(), second);
    expect(await shownName(first?.port ?? 0)).toBe('localhost');
    expect(await shownName(second?.port ?? 0)).toBe('other.test');
    await expect(server.setCertificate(other(), plain)).rejects.toThrow(
      failure('ESP_ERR_NOT_FOUND', 'no such listener'),
    );
    await server.setCertificate(other());
    expect(await shownName(first?.port ?? 0, anyName)).toBe('other.test');
  });

  test('a server without TLS has none to change', async () => {
    const server = await startTestServer();
    await expect(server.setCertificate(other())).rejects.toThrow(failure('ESP_ERR_NOT_FOUND', 'with tls'));
  });

  test('nor has one that has stopped', async () => {
    const server = await startSsl();
    await server.stop();
    await expect(server.setCertificate(other())).rejects.toThrow(failure('ESP_ERR_INVALID_STATE', 'has stopped'));
  });
});
