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
  /* Messages are sent on the first connection only, and each of them comes back on all; DEPTH is of those. */
  int broadcast;
} options;

/* `count` messages, laid out twice, so that any window of them is contiguous. */
typedef struct {
  unsigned char *bytes;
  /* Where each of both rounds begins, and where the last one ends. */
  size_t *at;
  size_t count;
} ring;

typedef struct {
  int fd;
  int id;
  /* Where in the ring the next byte to send lies, how many are to be sent, and the message behind them. */
  size_t pos;
  size_t owed;
  size_t next;
  int waits_for_room;
  /* When the messages in flight were sent, and which of them is the oldest. */
  uint64_t *sent_at;
  int oldest;
  /* Of a broadcast: messages that have come. */
  size_t got;
  /* For `check_answers`: the answer that must come next, how much of it has been right, and bytes of it that are kept. */
  size_t expected;
  size_t checked;
  /* Of an HTTP answer: has its head been checked? */
  int in_body;
  unsigned char *held;
  size_t held_len;
} conn;

/*
 * Checks `n` received bytes, which what is held stands in front of. Returns how many answers they complete; does not
 * return if one is wrong.
 */
static size_t check_answers(conn *c, const unsigned char *buf, size_t n);

/* Lays out messages of these lengths, that are in `bytes` one behind the other, a second time behind themselves. */
static ring make_ring(const unsigned char *bytes, const size_t *lengths, size_t count) {
  ring r = {.at = need(malloc((2 * count + 1) * sizeof *r.at)), .count = count};
  r.at[0] = 0;
  for (size_t i = 0; i < 2 * count; i++) r.at[i + 1] = r.at[i] + lengths[i % count];
  const size_t round = r.at[count];
  r.bytes = need(malloc(2 * round));
  memcpy(r.bytes, bytes, round);
  memcpy(r.bytes + round, bytes, round);
  return r;
}

/* The same where all have the same length. */
static inline ring make_even_ring(const unsigned char *bytes, size_t length, size_t count) {
  size_t *lengths = need(malloc(count * sizeof *lengths));
  for (size_t i = 0; i < count; i++) lengths[i] = length;
  const ring r = make_ring(bytes, lengths, count);
  free(lengths);
  return r;
}

static void watch(int epoll, conn *c, int operation) {
  struct epoll_event event = {.events = EPOLLIN | (c->waits_for_room ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(epoll, operation, c->fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

/* Sends what is owed, as far as the socket takes it. */
static void send_owed(int epoll, conn *c, const ring *out) {
  const size_t round = out->at[out->count];
  while (c->owed > 0) {
    /* never more than one round of the ring is owed */
    ssize_t sent = send(c->fd, out->bytes + c->pos, c->owed, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) die("send: %s", strerror(errno));
      break;
    }
    c->pos += (size_t)sent;
    if (c->pos >= round) c->pos -= round;
    c->owed -= (size_t)sent;
  }
  const int waits = c->owed > 0;
  if (waits == c->waits_for_room) return;
  c->waits_for_room = waits;
  watch(epoll, c, EPOLL_CTL_MOD);
}

/* The next `n` messages are to be sent. */
static void owe(conn *c, const ring *out, size_t n) {
  c->owed += out->at[c->next + n] - out->at[c->next];
  c->next += n;
  if (c->next >= out->count) c->next -= out->count;
}

/* How many messages have not been sent to their end. */
static size_t unsent(const conn *c, const ring *out) {
  size_t n = 0;
  for (size_t left = c->owed, end = c->next + out->count; left > 0; n++) {
    const size_t length = out->at[end - n] - out->at[end - n - 1];
    left -= left < length ? left : length;
  }
  return n;
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

/* Messages on their way to all connections. The k-th has the place k % depth. */
typedef struct {
  size_t sent;
  /* Connections that it has not reached, and when it was sent. */
  size_t *missing;
  uint64_t *sent_at;
} broadcasts;

static broadcasts make_broadcasts(const options *o) {
  const size_t depth = (size_t)o->depth;
  return (broadcasts){.missing = need(calloc(depth, sizeof(size_t))), .sent_at = need(calloc(depth, sizeof(uint64_t)))};
}

/* Sends the next `n` messages that all connections get. */
static void broadcast(int epoll, const options *o, broadcasts *b, conn *first, const ring *out, size_t n, uint64_t time) {
  for (const size_t end = b->sent + n; b->sent < end; b->sent++) {
    b->missing[b->sent % (size_t)o->depth] = (size_t)o->conns;
    b->sent_at[b->sent % (size_t)o->depth] = time;
  }
  owe(first, out, n);
  send_owed(epoll, first, out);
}

/* Notes what has reached a connection. Returns how many messages have reached the last one with it. */
static size_t note_deliveries(const options *o, broadcasts *b, conn *c, size_t done, uint64_t time, histogram *latencies) {
  if (c->got + done > b->sent) die("connection %d: more messages than were sent", c->id);
  size_t complete = 0;
  for (const size_t end = c->got + done; c->got < end; c->got++) {
    const size_t place = c->got % (size_t)o->depth;
    note_latency(latencies, time - b->sent_at[place], 1);
    if (--b->missing[place] == 0) complete++;
  }
  return complete;
}

static int open_loop(const options *o, conn *conns) {
  const int epoll = epoll_create1(0);
  if (epoll < 0) die("epoll_create1: %s", strerror(errno));
  for (int i = 0; i < o->conns; i++) {
    fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
    watch(epoll, &conns[i], EPOLL_CTL_ADD);
  }
  return epoll;
}

/* Fills the windows of all connections. */
static void send_first(int epoll, const options *o, conn *conns, const ring *out) {
  for (int i = 0; i < o->conns; i++) {
    conn *c = &conns[i];
    c->sent_at = need(malloc((size_t)o->depth * sizeof *c->sent_at));
    for (int j = 0; j < o->depth; j++) c->sent_at[j] = now_ns();
    owe(c, out, (size_t)o->depth);
    send_owed(epoll, c, out);
  }
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
 * Keeps `depth` messages in flight, and prints what was counted as one line of JSON. In the end nothing new is sent, and
 * what is in flight must be answered: a lost answer would only have slowed its connection down.
 */
static void run_load(const options *o, conn *conns, const ring *out) {
  static struct epoll_event events[EVENTS_MAX];
  static count m;
  if ((size_t)o->depth > out->count) die("DEPTH is too high");
  const int epoll = open_loop(o, conns);
  broadcasts all = make_broadcasts(o);
  if (o->broadcast) broadcast(epoll, o, &all, conns, out, (size_t)o->depth, now_ns());
  else send_first(epoll, o, conns, out);
  const uint64_t count_begin = now_ns() + (uint64_t)(o->warmup * 1e9), count_end = count_begin + (uint64_t)(o->seconds * 1e9);
  enum { WARMING, COUNTING, ENDING } phase = WARMING;
  size_t answers = 0, missing = (size_t)o->conns * (size_t)o->depth;
  while (missing > 0) {
    const int ready = epoll_wait(epoll, events, EVENTS_MAX, SILENCE_MAX);
    if (ready == 0) die("the server has not answered for %d ms", SILENCE_MAX);
    for (int i = 0; i < ready; i++) {
      conn *c = events[i].data.ptr;
      const size_t done = events[i].events & ~(unsigned)EPOLLOUT ? receive(c) : 0;
      if (done > 0) {
        const uint64_t time = now_ns();
        answers += done;
        missing -= done;
        if (o->broadcast) {
          const size_t complete = note_deliveries(o, &all, c, done, time, &m.latencies);
          if (complete > 0 && phase != ENDING) {
            broadcast(epoll, o, &all, conns, out, complete, time);
            missing += complete * (size_t)o->conns;
          }
        } else {
          if (done + unsent(c, out) > (size_t)o->depth) die("connection %d: more answers than requests", c->id);
          note_answers(o, c, done, time, &m.latencies);
          if (phase != ENDING) {
            owe(c, out, done);
            missing += done;
          }
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
