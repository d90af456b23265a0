/** What `require('esp-httpd/client')` gets: the same that there is to import. */
require('../require_esm.cjs');

import api = require('./index.js');
export = api;
