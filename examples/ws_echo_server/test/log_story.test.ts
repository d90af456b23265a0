/**
 * The log of one connection, step by step, against ESP-IDF's: its README for the example shows the same connection.
 */
import * as net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { CLOSE, frame, PING, TEXT } from '../driver_client.js';
import { type Program, startExample } from './child.js';

/** The handshake of ESP-IDF's README, with a right key. */
const HANDSHAKE = [
  'GET /ws HTTP/1.1',
  'Host: 192.168.4.2',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: echo',
  'Sec-WebSocket-Version: 13',
  '\r\n',
].join('\r\n');

/** What ESP-IDF prints, with <n> for numbers and <key> for keys. */
const ESP_IDF = `
I ws_echo_server: Starting server on port: '<n>'
I ws_echo_server: Registering URI handlers
D httpd: httpd_thread: web server started
D httpd: httpd_server: doing select maxfd+1 = <n>
D httpd_uri: httpd_register_uri_handler: [<n>] installed /ws
D httpd: httpd_server: processing listen socket <n>
D httpd: httpd_accept_conn: newfd = <n>
D httpd_sess: httpd_sess_new: fd = <n>
D httpd_sess: httpd_sess_new: active sockets: <n>
D httpd: httpd_accept_conn: complete
D httpd: httpd_server: doing select maxfd+1 = <n>
D httpd: httpd_server: processing socket <n>
D httpd_sess: httpd_sess_process: httpd_req_new
D httpd_parse: httpd_req_new: New request, has WS? No, sd->ws_handler valid? No, sd->ws_close? No
D httpd_txrx: httpd_recv_with_opt: requested length = <n>
D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_parse: read_block: received HTTP request block size = <n>
D httpd_parse: cb_url: message begin
D httpd_parse: cb_url: processing url = /ws
D httpd_parse: verify_url: received URI = /ws
D httpd_parse: cb_header_field: headers begin
- D httpd_txrx: httpd_unrecv: length = <n>
- D httpd_parse: pause_parsing: paused
D httpd_parse: cb_header_field: processing field = Host
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: pending length = <n>
- D httpd_parse: read_block: received HTTP request block size = <n>
- D httpd_parse: continue_parsing: skip pre-parsed data of size = <n>
- D httpd_parse: continue_parsing: un-paused
+ D httpd_parse: cb_header_value: processing value = <n>.<n>.<n>.<n>
D httpd_parse: cb_header_field: processing field = Upgrade
D httpd_parse: cb_header_value: processing value = websocket
D httpd_parse: cb_header_field: processing field = Connection
D httpd_parse: cb_header_value: processing value = Upgrade
D httpd_parse: cb_header_field: processing field = Sec-WebSocket-Key
D httpd_parse: cb_header_value: processing value = <key>
- D httpd_parse: cb_header_field: processing field = Sec-WebSocket-Proto
- D httpd_parse: parse_block: parsed block size = <n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
- D httpd_parse: read_block: received HTTP request block size = <n>
- D httpd_parse: cb_header_field: processing field = col
+ D httpd_parse: cb_header_field: processing field = Sec-WebSocket-Protocol
D httpd_parse: cb_header_value: processing value = echo
D httpd_parse: cb_header_field: processing field = Sec-WebSocket-Version
D httpd_parse: cb_header_value: processing value = <n>
D httpd_parse: cb_headers_complete: bytes read = <n>
D httpd_parse: cb_headers_complete: content length = <n>
D httpd_parse: cb_headers_complete: Got an upgrade request
D httpd_parse: pause_parsing: paused
D httpd_parse: cb_no_body: message complete
D httpd_parse: httpd_parse_req: parsing complete
D httpd_uri: httpd_uri: request for /ws with type <n>
D httpd_uri: httpd_find_uri_handler: [<n>] = /ws
D httpd_uri: httpd_uri: Responding WS handshake to sock <n>
D httpd_ws: httpd_ws_respond_server_handshake: Server key before encoding: <key>
D httpd_ws: httpd_ws_respond_server_handshake: Generated server key: <key>
W httpd_ws: Sec-WebSocket-Protocol echo not supported, URI do not support any subprotocols
D httpd_sess: httpd_sess_process: httpd_req_delete
D httpd_sess: httpd_sess_process: success
D httpd: httpd_server: doing select maxfd+1 = <n>
D httpd: httpd_server: processing socket <n>
D httpd_sess: httpd_sess_process: httpd_req_new
D httpd_parse: httpd_req_new: New request, has WS? Yes, sd->ws_handler valid? Yes, sd->ws_close? No
D httpd_txrx: httpd_recv_with_opt: requested length = <n>
D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_ws: httpd_ws_get_frame_type: First byte received: 0x<n>
D httpd_ws: httpd_ws_get_frame_type: Handler not requests control frames
D httpd_parse: httpd_req_new: New WS request from existing socket, ws_type=<n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_ws: regard max_len == <n> is OK for user to get frame len
I ws_echo_server: frame len is <n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_ws: Frame length: <n>, Bytes Read: <n>
I ws_echo_server: Got packet with message: Trigger async
I ws_echo_server: Packet type: <n>
D httpd_sess: httpd_sess_process: httpd_req_delete
D httpd_sess: httpd_sess_process: success
D httpd: httpd_server: doing select maxfd+1 = <n>
D httpd: httpd_server: processing ctrl message
D httpd: httpd_process_ctrl_msg: work
D httpd: httpd_server: doing select maxfd+1 = <n>
D httpd: httpd_server: processing socket <n>
D httpd_sess: httpd_sess_process: httpd_req_new
D httpd_parse: httpd_req_new: New request, has WS? Yes, sd->ws_handler valid? Yes, sd->ws_close? No
D httpd_txrx: httpd_recv_with_opt: requested length = <n>
D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_ws: httpd_ws_get_frame_type: First byte received: 0x<n>
D httpd_ws: httpd_ws_get_frame_type: Handler not requests control frames
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_ws: Frame length: <n>, Bytes Read: <n>
D httpd_ws: httpd_ws_get_frame_type: Got a WS PING frame, Replying PONG...
D httpd_parse: httpd_req_new: New WS request from existing socket, ws_type=<n>
D httpd_sess: httpd_sess_process: httpd_req_delete
D httpd_sess: httpd_sess_process: success
D httpd: httpd_server: doing select maxfd+1 = <n>
D httpd: httpd_server: processing socket <n>
D httpd_sess: httpd_sess_process: httpd_req_new
D httpd_parse: httpd_req_new: New request, has WS? Yes, sd->ws_handler valid? Yes, sd->ws_close? No
D httpd_txrx: httpd_recv_with_opt: requested length = <n>
D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_ws: httpd_ws_get_frame_type: First byte received: 0x<n>
D httpd_ws: httpd_ws_get_frame_type: Handler not requests control frames
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
- D httpd_txrx: httpd_recv_with_opt: requested length = <n>
- D httpd_txrx: httpd_recv_with_opt: received length = <n>
D httpd_ws: Frame length: <n>, Bytes Read: <n>
D httpd_ws: httpd_ws_get_frame_type: Got a WS CLOSE frame, Replying CLOSE...
D httpd_parse: httpd_req_new: New WS request from existing socket, ws_type=<n>
D httpd_sess: httpd_sess_process: httpd_req_delete
D httpd_parse: httpd_req_cleanup: Try closing WS connection at FD: <n>
D httpd_sess: httpd_sess_process: success
D httpd: httpd_server: doing select maxfd+1 = <n>
- D httpd: httpd_server: processing ctrl message
- D httpd: httpd_process_ctrl_msg: work
D httpd_sess: httpd_sess_delete: fd = <n>
+ D httpd_sess: httpd_sess_delete: closed with a Close frame
D httpd_sess: httpd_sess_delete: active sockets: <n>
- D httpd: httpd_server: doing select maxfd+1 = <n>
`;

/**
 * The story here. Lines with - are ESP-IDF's only: it pauses and goes back at the first header, reads a head by blocks of
 * 128 bytes, which may cut a name, and a frame in four reads; and it closes from its work queue. Lines with + are ours only.
 */
const STORY = ESP_IDF.trim()
  .split('\n')
  .filter(line => !line.startsWith('- '))
  .map(line => line.replace(/^\+ /, ''));

/** The example's other URIs, and its word to the person who started it. */
const OTHERS = [
  ...['/ws_partial', '/auth', '/chat', '/', '/'].map(
    uri => `D httpd_uri: httpd_register_uri_handler: [<n>] installed ${uri}`,
  ),
  'I ws_echo_server: Open http://localhost:<n>/ to try it; Ctrl-C stops the server',
];

/** A printed log in the form of the story. */
function story(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map(line =>
      line
        .replace(/^([DIWE]) \(\d+\) /, '$1 ')
        .replace(/(encoding|server key): \S+$/, '$1: <key>')
        .replace('dGhlIHNhbXBsZSBub25jZQ==', '<key>')
        .replace(/0x[0-9A-F]+$/, '0x<n>')
        .replace(/(?<![\w+])\d+(?!\w)/g, '<n>')
        .replace(/ +/g, ' '),
    );
}

const SELECT = 'doing select maxfd\\+1 = \\d+\\n$';

/** A client that does each step when the server waits for it: what the log says does not depend on the machine's speed. */
async function connectTriggerPingClose(program: Program, port: number): Promise<void> {
  await program.printed(new RegExp(`web server started[^]*${SELECT}|web server started[^]*Ctrl-C stops the server\n$`));
  const client = net.connect(port, '127.0.0.1').resume();
  onTestFinished(() => {
    client.destroy();
  });
  await program.printed(new RegExp(`httpd_accept_conn: complete\\n[^]*${SELECT}`));
  client.write(HANDSHAKE);
  await program.printed(new RegExp(`Generated server key[^]*${SELECT}`));
  client.write(frame(TEXT, 'Trigger async'));
  await program.printed(new RegExp(`httpd_process_ctrl_msg: work\\n[^]*${SELECT}`));
  client.write(frame(PING, 'ESP'));
  await program.printed(new RegExp(`ws_type=9\\n[^]*${SELECT}`));
  client.write(frame(CLOSE, Buffer.from([0x03, 0xe8])));
  await program.printed(/active sockets: 0\n/);
}

test('a connection that handshakes on /ws, sends "Trigger async" and a Ping, and closes, prints the story of ESP-IDF', async () => {
  const { program, port } = await startExample({ HTTPD_LOG: 'debug' });
  await connectTriggerPingClose(program, port);
  const lines = story(program.stdout);
  expect(lines.filter(line => !OTHERS.includes(line))).toEqual(STORY);
  expect(lines.filter(line => OTHERS.includes(line))).toEqual(OTHERS);
});

test('at the level info the same connection prints what the example says, and the warning of the server', async () => {
  const { program, port } = await startExample();
  const client = net.connect(port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
  });
  client.write(HANDSHAKE);
  client.once('data', () => client.write(frame(TEXT, 'Trigger async')));
  await program.printed(/Packet type: 1\n/);
  expect(story(program.stdout).filter(line => !OTHERS.includes(line))).toEqual(
    STORY.filter(line => /^[IW] /.test(line)),
  );
});
