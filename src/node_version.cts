/**
 * Imported first by every entry of the package, for its effect: an older Node.js would fail somewhere inside, with an
 * error that says nothing.
 *
 * CommonJS, since `require` of an older Node.js takes nothing else. It is JavaScript without any type, too: not every
 * tool that runs TypeScript expects some in a `.cts` file.
 *
 * @throws Error if this Node.js is older than package.json's `engines` say
 */
const MINIMUM = '20.18.1';

const [own = 0, minimum = 0] = [process.versions.node, MINIMUM].map(version =>
  version.split('.').reduce((rank, part) => rank * 1000 + Number(part), 0),
);
if (own < minimum) {
  throw new Error(
    `esp-httpd needs Node.js ${MINIMUM} or newer, and this is ${process.versions.node}: install a newer one.`,
  );
}
