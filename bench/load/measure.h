/* What a load generator measures with: clocks, the CPU of a process, latencies. */
#pragma once
#include "net.h"

#include <stdint.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) die("clock_gettime: %s", strerror(errno));
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* CPU time of this process. */
static inline uint64_t own_cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* CPU time of another process, all its threads, user and system: what /proc/<pid>/stat says in steps of 10 ms. */
static uint64_t cpu_of_ns(int pid) {
  clockid_t clock;
  if (clock_getcpuclockid(pid, &clock) != 0) die("no process %d", pid);
  return clock_ns(clock);
}

/* Latencies in ns. Each power of two has 32 buckets, so that a percentile is right to 2 %. */
#define PARTS_LOG2 5
#define PARTS (1u << PARTS_LOG2)

typedef struct {
  uint32_t counts[(64 - PARTS_LOG2 + 1) * PARTS];
  uint64_t total;
} histogram;

static inline void note_latency(histogram *h, uint64_t ns, size_t times) {
  const unsigned shift = ns < PARTS ? 0 : (unsigned)(63 - __builtin_clzll(ns)) - PARTS_LOG2;
  const size_t first = ns < PARTS ? 0 : (shift + 1) * PARTS;
  h->counts[first + ((ns >> shift) & (PARTS - 1))] += (uint32_t)times;
  h->total += times;
}

/* The latency that `part` of all stay below, in µs: the middle of its bucket. */
static inline double percentile(const histogram *h, double part) {
  const double wanted = part * (double)h->total;
  uint64_t seen = 0;
  for (size_t i = 0; i < sizeof h->counts / sizeof *h->counts; i++) {
    seen += h->counts[i];
    if (seen == 0 || (double)seen < wanted) continue;
    if (i < PARTS) return (double)i / 1e3;
    return ((double)(i % PARTS + PARTS) + 0.5) * (double)(1ull << (i / PARTS - 1)) / 1e3;
  }
  return 0;
}
