/*
 * What a process is told of the world, as a test says: the addresses of names, and the clocks. Loaded by LD_PRELOAD.
 *
 * The file that TEST_SYSTEM names is mapped: the address of every name that ends in ".test" (none: the name is
 * not known for now), by how many milliseconds the wall clock is off, and by how many the monotonic clock, and how long
 * such a name is looked up. The process tells how often it looked one up, and how often at most at the same time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

/* 64 bytes for the address, then numbers: read without a lock, written by one process at a time. */
struct told {
  char address[64];
  long long wall_ms;
  long long monotonic_ms;
  long long lookup_ms;
  atomic_llong lookups;
  atomic_llong most_lookups;
};

static volatile struct told *told;

__attribute__((constructor)) static void open_told(void) {
  const char *path = getenv("TEST_SYSTEM");
  int file = path ? open(path, O_RDWR) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) told = mapped;
}

static void shift(struct timespec *time, long long ms) {
  time->tv_sec += ms / 1000;
  time->tv_nsec += (ms % 1000) * 1000000;
  if (time->tv_nsec >= 1000000000) {
    time->tv_sec += 1;
    time->tv_nsec -= 1000000000;
  } else if (time->tv_nsec < 0) {
    time->tv_sec -= 1;
    time->tv_nsec += 1000000000;
  }
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int outcome = real(clock, time);
  if (outcome != 0 || !told) return outcome;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) shift(time, told->wall_ms);
  if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW)
    shift(time, told->monotonic_ms);
  return outcome;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  if (!real)
    real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
  size_t length = name ? strlen(name) : 0;
  if (!told || length < 5 || strcmp(name + length - 5, ".test") != 0) return real(name, service, hints, found);
  static atomic_llong under_way;
  long long now = atomic_fetch_add(&under_way, 1) + 1;
  long long most = atomic_load(&told->most_lookups);
  while (most < now && !atomic_compare_exchange_weak(&told->most_lookups, &most, now)) {
  }
  atomic_fetch_add(&told->lookups, 1);
  usleep((useconds_t)told->lookup_ms * 1000);
  atomic_fetch_sub(&under_way, 1);
  char address[64];
  memcpy(address, (const void *)told->address, sizeof address);
  address[63] = 0;
  if (address[0] == 0) return EAI_AGAIN;
  return real(address, service, hints, found);
}
