/*
 * What the load generators for requests and for frames share: connections with a window of messages in flight, one
 * epoll loop, and the measure. A program brings the bytes to send and `check_answers`, which looks at every byte that
 * comes back; a wrong byte ends the program with status 1, so that nothing is counted that was not right.
 */
#pragma once
#include "net.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <time.h>

/* Nothing for so long, in ms: the server has stopped. */
#define SILENCE_MAX 5000
#define READ_SIZE (256 * 1024)
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
  /* For `check_answers`: position in what is expected, or bytes of an answer that is not complete. */
  size_t expected;
  unsigned char *held;
  size_t held_len;
} conn;

/* Checks `n` received bytes. Returns how many answers they completed; does not return if one is wrong. */
static size_t check_answers(conn *c, const unsigned char *buf, size_t n);

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* CPU seconds of this process. */
static double own_cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* CPU seconds of another process, all threads: fields 14 and 15 of /proc/<pid>/stat. */
static double cpu_of(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) die("no process %d", pid);
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[n] = 0;
  char *at = strrchr(text, ')');
  unsigned long user, system;
  if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    die("can't read %s", path);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

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
    c->pos = (c->pos + (size_t)sent) % size;
    c->owed -= (size_t)sent;
  }
  const int waits = c->owed > 0;
  if (waits == c->waits_for_room) return;
  c->waits_for_room = waits;
  watch(epoll, c, EPOLL_CTL_MOD);
}

static size_t receive(conn *c, unsigned char *buf) {
  ssize_t n = recv(c->fd, buf, READ_SIZE, 0);
  if (n > 0) return check_answers(c, buf, (size_t)n);
  if (n < 0 && errno == EAGAIN) return 0;
  die(n == 0 ? "the server has closed a connection" : "recv: %s", strerror(errno));
  return 0;
}

/* Keeps `depth` messages in flight on each connection, and prints what was counted as one line of JSON. */
static void run_load(const options *o, conn *conns, const ring *out) {
  int epoll = epoll_create1(0);
  if (epoll < 0) die("epoll_create1: %s", strerror(errno));
  unsigned char *buf = need(malloc(READ_SIZE));
  for (int i = 0; i < o->conns; i++) {
    conn *c = &conns[i];
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(epoll, c, EPOLL_CTL_ADD);
    c->owed = out->message * (size_t)o->depth;
    send_owed(epoll, c, out);
  }
  static struct epoll_event events[EVENTS_MAX];
  unsigned long long answers = 0;
  double begin = now() + o->warmup, server = 0, own = 0;
  int counting = 0;
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS_MAX, SILENCE_MAX);
    if (ready == 0) die("the server has not answered for %d ms", SILENCE_MAX);
    for (int i = 0; i < ready; i++) {
      conn *c = events[i].data.ptr;
      if (events[i].events & ~(unsigned)EPOLLOUT) {
        const size_t done = receive(c, buf);
        const size_t unsent = (c->owed + out->message - 1) / out->message;
        if (done + unsent > (size_t)o->depth) die("connection %d: more answers than requests", c->id);
        answers += done;
        c->owed += done * out->message;
      }
      send_owed(epoll, c, out);
    }
    const double time = now();
    if (!counting && time >= begin) {
      counting = 1;
      begin = time;
      answers = 0;
      server = cpu_of(o->pid);
      own = own_cpu();
    } else if (counting && time >= begin + o->seconds) {
      printf("{\"answers\":%llu,\"seconds\":%.6f,\"serverCpu\":%.3f,\"loadCpu\":%.3f}\n", answers, time - begin,
             cpu_of(o->pid) - server, own_cpu() - own);
      return;
    }
  }
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
