/** What `require('esp-httpd')` gets: the same that there is to import. */
require('./require_esm.cjs');

import api = require('./index.js');
export = api;
