/*
 * What the load generators for requests and for frames share: connections with a window of messages in flight, one
 * epoll loop, and the measure. A program brings the bytes to send and `check_answers`, which looks at every byte that
 * comes back; a wrong byte ends the program with status 1, so that nothing is counted that was not right.
 */
#pragma once
#include "measure.h"

#include <fcntl.h>
#include <sys/epoll.h>

/* Nothing for so long, in ms: the server has stopped. */
#define SILENCE_MAX 5000
#define READ_SIZE (256 * 1024)
/* Longer than a part of an answer that is kept until its rest comes. */
#define HELD_MAX (16 * 1024)
#define EVENTS_MAX 1024

typedef struct {
  const char *host;
  int port;
  /* Process of the server, for the CPU that it uses. */
  int pid;
  int conns;
  /* Messages in flight on each connection. */
  int depth;
  /* Seconds before the count begins, and of the count. */
  double warmup;
  double seconds;
  /* One message is in flight in all, sent on the first connection, and each connection gets an answer. */
  int broadcast;
} options;

/* What to send: `count` messages of the same length, laid out twice, so that any window of them is contiguous. */
typedef struct {
  unsigned char *bytes;
  size_t message;
  size_t count;
} ring;

typedef struct {
  int fd;
  int id;
  /* Where in the ring the next byte to send lies, and how many are to be sent. */
  size_t pos;
  size_t owed;
  int waits_for_room;
  /* When the messages in flight were sent, and which of them is the oldest. */
  uint64_t *sent_at;
  int oldest;
  /* For `check_answers`: position in what is expected, and bytes of an answer that is not complete. */
  size_t expected;
  unsigned char *held;
  size_t held_len;
} conn;

/*
 * Checks `n` received bytes, which what is held stands in front of. Returns how many answers they complete; does not
 * return if one is wrong.
 */
static size_t check_answers(conn *c, const unsigned char *buf, size_t n);

/* Lays out `count` messages of `message` bytes, which `bytes` begins with, a second time behind themselves. */
static ring make_ring(unsigned char *bytes, size_t message, size_t count) {
  memcpy(bytes + message * count, bytes, message * count);
  return (ring){.bytes = bytes, .message = message, .count = count};
}

static void watch(int epoll, conn *c, int operation) {
  struct epoll_event event = {.events = EPOLLIN | (c->waits_for_room ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(epoll, operation, c->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

/* Sends what is owed, as far as the socket takes it. */
static void send_owed(int epoll, conn *c, const ring *out) {
  const size_t size = out->message * out->count;
  while (c->owed > 0) {
    /* never more than one round of the ring is owed */
    ssize_t sent = send(c->fd, out->bytes + c->pos, c->owed, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) die("send: %s", strerror(errno));
      break;
    }
    c->pos += (size_t)sent;
    if (c->pos >= size) c->pos -= size;
    c->owed -= (size_t)sent;
  }
  const int waits = c->owed > 0;
  if (waits == c->waits_for_room) return;
  c->waits_for_room = waits;
  watch(epoll, c, EPOLL_CTL_MOD);
}

/* Keeps bytes for the next call of `check_answers`. */
static inline void hold(conn *c, const unsigned char *bytes, size_t n) {
  if (n > HELD_MAX) die("an answer longer than %d bytes", HELD_MAX);
  if (n > 0 && c->held == NULL) c->held = need(malloc(HELD_MAX));
  if (n > 0) memcpy(c->held, bytes, n);
  c->held_len = n;
}

static size_t receive(conn *c) {
  /* a part that was held goes in front, so that an answer is contiguous, and one that comes whole is never copied */
  static unsigned char room[HELD_MAX + READ_SIZE];
  ssize_t n = recv(c->fd, room + HELD_MAX, READ_SIZE, 0);
  if (n <= 0) {
    if (n < 0 && errno == EAGAIN) return 0;
    die(n == 0 ? "the server has closed a connection" : "recv: %s", strerror(errno));
  }
  const size_t held = c->held_len;
  if (held > 0) memcpy(room + HELD_MAX - held, c->held, held);
  return check_answers(c, room + HELD_MAX - held, (size_t)n + held);
}

/* Notes how long the oldest messages in flight took. Their places are for those that are sent in their stead, now. */
static void note_answers(const options *o, conn *c, size_t done, uint64_t time, histogram *latencies) {
  for (size_t i = 0; i < done; i++) {
    note_latency(latencies, time - c->sent_at[c->oldest], 1);
    c->sent_at[c->oldest] = time;
    if (++c->oldest == o->depth) c->oldest = 0;
  }
}

/* Sends the next message that all connections get. */
static void broadcast(int epoll, const options *o, conn *conns, const ring *out, uint64_t time) {
  for (int i = 0; i < o->conns; i++) conns[i].sent_at[0] = time;
  conns[0].owed = out->message;
  send_owed(epoll, &conns[0], out);
}

static int open_loop(const options *o, conn *conns, const ring *out) {
  const int epoll = epoll_create1(0);
  if (epoll < 0) die("epoll_create1: %s", strerror(errno));
  for (int i = 0; i < o->conns; i++) {
    conn *c = &conns[i];
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(epoll, c, EPOLL_CTL_ADD);
    c->sent_at = need(malloc((size_t)o->depth * sizeof *c->sent_at));
    for (int j = 0; j < o->depth; j++) c->sent_at[j] = now_ns();
    if (o->broadcast) continue;
    c->owed = out->message * (size_t)o->depth;
    send_owed(epoll, c, out);
  }
  if (o->broadcast) broadcast(epoll, o, conns, out, now_ns());
  return epoll;
}

/* What a count begins with, and what it found. */
typedef struct {
  uint64_t begin, server, own;
  double seconds, server_cpu, own_cpu;
  size_t answers;
  histogram latencies;
} count;

static void begin_count(count *m, const options *o, uint64_t time) {
  memset(m, 0, sizeof *m);
  m->begin = time;
  m->server = cpu_of_ns(o->pid);
  m->own = own_cpu_ns();
}

static void end_count(count *m, const options *o, uint64_t time) {
  m->seconds = (double)(time - m->begin) / 1e9;
  m->server_cpu = (double)(cpu_of_ns(o->pid) - m->server) / 1e9;
  m->own_cpu = (double)(own_cpu_ns() - m->own) / 1e9;
}

static void print_count(const count *m) {
  printf("{\"answers\":%zu,\"seconds\":%.6f,\"serverCpu\":%.6f,\"loadCpu\":%.6f,\"p50\":%.3f,\"p99\":%.3f}\n", m->answers,
         m->seconds, m->server_cpu, m->own_cpu, percentile(&m->latencies, 0.5), percentile(&m->latencies, 0.99));
}

/*
 * Keeps `depth` messages in flight on each connection, and prints what was counted as one line of JSON. In the end nothing
 * new is sent, and what is in flight must be answered: a lost answer would only have slowed its connection down.
 */
static void run_load(const options *o, conn *conns, const ring *out) {
  static struct epoll_event events[EVENTS_MAX];
  static count m;
  const int epoll = open_loop(o, conns, out);
  const uint64_t count_begin = now_ns() + (uint64_t)(o->warmup * 1e9), count_end = count_begin + (uint64_t)(o->seconds * 1e9);
  enum { WARMING, COUNTING, ENDING } phase = WARMING;
  const size_t in_flight = (size_t)o->conns * (size_t)o->depth;
  size_t answers = 0, missing = in_flight;
  while (missing > 0) {
    const int ready = epoll_wait(epoll, events, EVENTS_MAX, SILENCE_MAX);
    if (ready == 0) die("the server has not answered for %d ms", SILENCE_MAX);
    for (int i = 0; i < ready; i++) {
      conn *c = events[i].data.ptr;
      const size_t done = events[i].events & ~(unsigned)EPOLLOUT ? receive(c) : 0;
      if (done > 0) {
        const size_t unsent = (c->owed + out->message - 1) / out->message;
        if (done + unsent > (size_t)o->depth) die("connection %d: more answers than requests", c->id);
        const uint64_t time = now_ns();
        note_answers(o, c, done, time, &m.latencies);
        answers += done;
        if (o->broadcast || phase == ENDING) missing -= done;
        else c->owed += done * out->message;
        if (o->broadcast && missing == 0 && phase != ENDING) {
          missing = in_flight;
          broadcast(epoll, o, conns, out, time);
        }
      }
      if (c->owed > 0) send_owed(epoll, c, out);
    }
    const uint64_t time = now_ns();
    if (phase == WARMING && time >= count_begin) {
      phase = COUNTING;
      begin_count(&m, o, time);
      answers = 0;
    } else if (phase == COUNTING && time >= count_end) {
      phase = ENDING;
      end_count(&m, o, time);
      m.answers = answers;
    }
  }
  print_count(&m);
}

/* The arguments that both programs begin with: HOST PORT PID CONNECTIONS DEPTH WARMUP SECONDS. */
static options parse_options(char **argv) {
  options o = {
      .host = argv[1],
      .port = atoi(argv[2]),
      .pid = atoi(argv[3]),
      .conns = atoi(argv[4]),
      .depth = atoi(argv[5]),
      .warmup = atof(argv[6]),
      .seconds = atof(argv[7]),
  };
  if (o.conns < 1 || o.depth < 1 || !(o.seconds > 0)) die("CONNECTIONS, DEPTH and SECONDS must be above 0");
  raise_file_limit();
  return o;
}
