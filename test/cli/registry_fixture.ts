/** A registry of npm packages on 127.0.0.1: those of our own `node_modules`, and no others. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

export interface Registry {
  readonly url: string;
  stop(): Promise<void>;
}

interface Manifest {
  readonly version: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** @param without packages that it does not have */
export async function startRegistry(without: readonly string[] = []): Promise<Registry> {
  const server = createServer((req, res) => {
    const path = decodeURIComponent(req.url ?? '').slice(1);
    const [name = '', file] = path.split('/-/');
    const folder = join(MODULES, name);
    if (without.includes(name) || !isHere(name)) {
      res.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":"not found"}');
    } else if (file === undefined) {
      const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'max-age=600' };
      res.writeHead(200, headers).end(packument(name, folder, url));
    } else {
      sendTarball(folder, res);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * What a registry says of a package: the one version that is here, without its optional dependencies for other systems,
 * which npm would ask for one by one.
 */
function packument(name: string, folder: string, url: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const { version, optionalDependencies = {} } = manifest;
  const here = Object.entries(optionalDependencies).filter(([dependency]) => isHere(dependency));
  const dist = { tarball: `${url}/${name}/-/${version}.tgz` };
  const shown = { ...manifest, optionalDependencies: Object.fromEntries(here), dist };
  return JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: shown } });
}

function isHere(name: string): boolean {
  return existsSync(join(MODULES, name, 'package.json'));
}

/** What nobody runs: half of the files. */
const LEFT_OUT = ['node_modules', 'test', 'docs', 'benchmarks', '*.map', '*.md'].map(name => `--exclude=${name}`);

/** npm asks neither for the name of the archive's folder nor for compression. */
function sendTarball(folder: string, res: ServerResponse): void {
  const tar = spawn('tar', [...LEFT_OUT, '-cf', '-', '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  tar.on('error', error => res.destroy(error));
  tar.stdout.pipe(res);
}
