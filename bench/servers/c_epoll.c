/*
 * The ceiling: a server that does for the bench's requests what sockets and epoll demand, and nothing else. It knows the
 * routes of the load generators only, and of the handshake only their key; it echoes bodies and payload as they come.
 * What a read brings is answered with one send, or with one to each connection if it is to be broadcast; only one client
 * may do that.
 *
 *   c_epoll BODY
 *
 * Speaks the bench's channel, NODE_CHANNEL_FD, as control.mjs does: one line of JSON for each message.
 */
#include "../load/head.h"
#include "../load/ws_handshake.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#define READ_SIZE (256 * 1024)
#define OUT_SIZE (512 * 1024)
#define HELD_MAX (16 * 1024)
#define CONNS_MAX 65536
#define BROKEN ((size_t)-1)

typedef struct {
  int fd;
  enum { HTTP, ECHO, BROADCAST } protocol;
  /* Payload that is still to be echoed, and the mask for its next byte; a body's is 0. */
  uint64_t left;
  unsigned char key[4];
  /* A part of a head or a frame that is not complete, and what the socket has not taken. */
  unsigned char *held, *queue;
  size_t held_len, queue_from, queue_len;
} conn;

static conn *conns[CONNS_MAX];
static int conns_end, epoll, channel;
static unsigned char out[OUT_SIZE];
static size_t out_len;
static const char *body;
static char date[64], hello[4096];
static size_t hello_len;

static void watch(int fd, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(epoll, operation, fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

static void send_to(conn *c, const unsigned char *bytes, size_t n) {
  const ssize_t sent = c->queue_len > 0 ? 0 : send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  const size_t rest = n - (sent > 0 ? (size_t)sent : 0);
  if (rest == 0) return;
  if (c->queue_len == 0) watch(c->fd, EPOLL_CTL_MOD, EPOLLOUT); /* nothing is read until it has gone */
  c->queue = need(realloc(c->queue, c->queue_len + rest));
  memcpy(c->queue + c->queue_len, bytes + n - rest, rest);
  c->queue_len += rest;
}

static void flush(conn *c) {
  const size_t n = out_len;
  out_len = 0;
  if (n == 0) return;
  if (c->protocol != BROADCAST) send_to(c, out, n);
  else
    for (int fd = 0; fd < conns_end; fd++)
      if (conns[fd] != NULL && conns[fd]->protocol == BROADCAST) send_to(conns[fd], out, n);
}

/* Room for `n` bytes of output. */
static unsigned char *put(conn *c, size_t n) {
  if (OUT_SIZE - out_len < n) flush(c);
  out_len += n;
  return out + out_len - n;
}

static void xor_mask(unsigned char *to, const unsigned char *from, size_t n, unsigned char key[4]) {
  uint64_t wide, word;
  memcpy(&wide, key, 4);
  memcpy((unsigned char *)&wide + 4, key, 4);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    memcpy(&word, from + i, 8);
    word ^= wide;
    memcpy(to + i, &word, 8);
  }
  for (; i < n; i++) to[i] = from[i] ^ key[i & 3];
  for (i = 0; i < 4; i++) key[i] = ((unsigned char *)&wide)[(n + i) & 3];
}

/* Answers a request's head. Returns its length, 0 if more bytes are needed. */
static size_t on_head(conn *c, const unsigned char *buf, size_t n) {
  static const char SWITCH[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: %s\r\n\r\n";
  const size_t len = head_length(buf, n);
  if (len == 0) return n > HELD_MAX ? BROKEN : 0;
  char text[512];
  if (memcmp(buf, "GET / ", 6) == 0) {
    memcpy(put(c, hello_len), hello, hello_len);
  } else if (memcmp(buf, "POST /echo ", 11) == 0) {
    const char *length = field(buf, len, "Content-Length:");
    if (length == NULL) return BROKEN;
    c->left = strtoull(length, NULL, 10);
    memset(c->key, 0, sizeof c->key);
    const int made = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\nDate: %s\r\n\r\n",
                              (unsigned long long)c->left, date);
    memcpy(put(c, (size_t)made), text, (size_t)made);
  } else {
    const char *key = field(buf, len, "Sec-WebSocket-Key:");
    if (key == NULL || strncmp(key, KEY_SENT, strlen(KEY_SENT)) != 0) return BROKEN;
    const int made = snprintf(text, sizeof text, SWITCH, ACCEPT);
    memcpy(put(c, (size_t)made), text, (size_t)made);
    flush(c);
    c->protocol = memcmp(buf, "GET /ws ", 8) == 0 ? ECHO : BROADCAST;
  }
  return len;
}

/* Answers a frame's header. Returns its length, 0 if more bytes are needed. */
static size_t on_frame(conn *c, const unsigned char *buf, size_t n) {
  if (n < 2) return 0;
  if ((buf[1] & 0x80) == 0) return BROKEN;
  const size_t extended = (buf[1] & 0x7f) == 127 ? 8 : (buf[1] & 0x7f) == 126 ? 2 : 0, head = 2 + extended + 4;
  uint64_t len = extended == 0 ? buf[1] & 0x7f : 0;
  if (n < head) return 0;
  for (size_t i = 0; i < extended; i++) len = len << 8 | buf[2 + i];
  memcpy(c->key, buf + head - 4, 4);
  unsigned char *to = put(c, 2 + extended);
  memcpy(to, buf, 2 + extended);
  if (buf[0] == 0x89) to[0] = 0x8a; /* a ping's answer is a pong */
  to[1] &= 0x7f;
  c->left = len;
  return head;
}

/* Returns 0 if the connection must be closed. */
static int on_bytes(conn *c, const unsigned char *buf, size_t n) {
  size_t at = 0;
  while (at < n) {
    if (c->left > 0) {
      size_t len = n - at < READ_SIZE ? n - at : READ_SIZE;
      if (c->left < len) len = (size_t)c->left;
      xor_mask(put(c, len), buf + at, len, c->key);
      c->left -= len;
      at += len;
      continue;
    }
    const size_t used = c->protocol == HTTP ? on_head(c, buf + at, n - at) : on_frame(c, buf + at, n - at);
    if (used == BROKEN) return 0;
    if (used == 0) break;
    at += used;
  }
  flush(c);
  c->held_len = n - at;
  if (c->held_len > HELD_MAX) return 0;
  if (c->held_len > 0) memcpy(c->held = need(realloc(c->held, c->held_len)), buf + at, c->held_len);
  return 1;
}

static int on_readable(conn *c) {
  static unsigned char room[HELD_MAX + READ_SIZE];
  const ssize_t n = recv(c->fd, room + HELD_MAX, READ_SIZE, MSG_DONTWAIT);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  unsigned char *from = room + HELD_MAX - c->held_len;
  if (c->held_len > 0) memcpy(from, c->held, c->held_len);
  return on_bytes(c, from, (size_t)n + c->held_len);
}

static void on_writable(conn *c) {
  const ssize_t n = send(c->fd, c->queue + c->queue_from, c->queue_len - c->queue_from, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n > 0) c->queue_from += (size_t)n;
  if (c->queue_from < c->queue_len) return;
  c->queue_from = c->queue_len = 0;
  watch(c->fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void on_accept(int listener) {
  const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
  if (fd < 0) return;
  if (fd >= CONNS_MAX) die("too many connections");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  conns[fd] = need(calloc(1, sizeof **conns));
  conns[fd]->fd = fd;
  if (fd >= conns_end) conns_end = fd + 1;
  watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

static void end(conn *c) {
  conns[c->fd] = NULL;
  close(c->fd);
  free(c->held);
  free(c->queue);
  free(c);
}

/* The answer to a GET, new each second. */
static void make_hello(void) {
  static time_t made;
  const time_t second = time(NULL);
  if (second == made) return;
  made = second;
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&second));
  hello_len = (size_t)snprintf(hello, sizeof hello,
                               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nDate: %s\r\n\r\n%s",
                               strlen(body), date, body);
}

static void on_channel(void) {
  char message[256];
  if (read(channel, message, sizeof message) <= 0) exit(0);
  dprintf(channel, "{}\n"); /* there is no garbage to collect */
}

static int listen_anywhere(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 511) != 0) die("listen: %s", strerror(errno));
  getsockname(fd, (struct sockaddr *)&address, &len);
  dprintf(channel, "{\"port\":%d}\n", ntohs(address.sin_port));
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 2 || getenv("NODE_CHANNEL_FD") == NULL) die("usage: c_epoll BODY, with a channel");
  body = argv[1];
  channel = atoi(getenv("NODE_CHANNEL_FD"));
  raise_file_limit();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  const int listener = listen_anywhere();
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  watch(channel, EPOLL_CTL_ADD, EPOLLIN);
  static struct epoll_event events[1024];
  for (;;) {
    const int ready = epoll_wait(epoll, events, 1024, -1);
    make_hello();
    for (int i = 0; i < ready; i++) {
      const int fd = events[i].data.fd;
      if (fd == listener) on_accept(fd);
      else if (fd == channel) on_channel();
      else if (conns[fd]->queue_len > 0 && !(events[i].events & (EPOLLERR | EPOLLHUP))) on_writable(conns[fd]);
      else if (!on_readable(conns[fd])) end(conns[fd]);
    }
  }
}
