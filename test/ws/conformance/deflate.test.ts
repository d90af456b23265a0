/** Group 12: permessage-deflate as servers offer it by default, with data of several kinds. */
import { DATA } from './deflate_data.js';
import { FORGETS, OFFER, sizes } from './deflate_exchange.js';

for (const [i, data] of DATA.entries()) {
  sizes(`12.${i + 1}`, data.title, { offer: OFFER, options: true, agreed: FORGETS, data });
}
