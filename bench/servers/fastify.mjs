/** The fastify package, without its logger, which is its default. */
import Fastify from 'fastify';
import { BODY, ready } from './control.mjs';

const server = Fastify();

server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_req, body, done) => done(null, body));

server.get('/', (_req, reply) => {
  reply.type('text/plain').send(BODY);
});

server.post('/echo', (req, reply) => {
  reply.type('application/octet-stream').send(req.body);
});

await server.listen({ port: 0, host: '127.0.0.1' });
ready(server.server.address().port);
