/**
 * Starts the file server: `npm run files -- --port 8080 --root ./data --max-size 200K`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { fileServerConfig, startFiles, TAG } from './file_server.js';
import { FileStore } from './file_store.js';
import { COMMAND, type Options, readOptions, USAGE } from './options.js';

async function run({ port, root, maxSize }: Options): Promise<void> {
  const log = espLog(TAG);
  // what is left of the arguments is the port
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...port);
  await runProgram({
    command: COMMAND,
    log,
    start: async config => {
      const store = await FileStore.open(root);
      const server = await httpdStart({ ...fileServerConfig(maxSize), ...config });
      startFiles(server, { store, maxSize });
      log.info(`Open http://localhost:${server.port}/; Ctrl-C stops the server`);
      return server;
    },
  });
}

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  console.log(USAGE);
} else {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  if (options !== undefined) await run(options);
}
