/**
 * Required first by every entry for CommonJS, for its effect.
 *
 * @throws Error if this Node.js is too old, or can't `require` what the package is made of: ECMAScript modules
 */
require('./node_version.cjs');

// '@types/node' of our oldest Node.js does not know it
if (!(process.features as { require_module?: boolean }).require_module) {
  throw new Error(
    `require of esp-httpd needs Node.js 20.19, 22.12 or newer, and this is ${process.versions.node}: import it, or await import(…) from CommonJS.`,
  );
}
