// A long line between two network namespaces: what enters one end comes out of the other later, seldom not at all, and
// for a while never. Linux' own means for this (netem) is not in every kernel.
//
// usage: link NAMESPACE-A NAMESPACE-B (files such as /proc/PID/ns/net); A is 10.99.0.1, B is 10.99.0.2.
// It says "ready", then reads lines: "delay MICROSECONDS" (one way), "loss PER-MILLION", "silent 0|1", and "rate BYTES", a
// second and direction, 0 for any: what is faster waits in a queue that holds a second of it, as that of many a modem.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MTU = 1500, MOST = 64 * 1024 * 1024 };

struct packet {
  struct packet *next;
  long long due;
  int size;
  unsigned char bytes[];
};

// What is under way in one direction.
struct way {
  int from, to;
  struct packet *first, *last;
  long waiting;
  // With a rate: when all that came is on its way.
  long long busy;
};

static void fail(const char *what) {
  fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct ifreq named(const char *name) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, name);
  return request;
}

static void address(int probe, unsigned long call, const char *text) {
  struct ifreq request = named("link0");
  struct sockaddr_in *at = (struct sockaddr_in *)&request.ifr_addr;
  at->sin_family = AF_INET;
  inet_pton(AF_INET, text, &at->sin_addr);
  if (ioctl(probe, call, &request) < 0) fail(text);
}

static void up(int probe, const char *name) {
  struct ifreq request = named(name);
  if (ioctl(probe, SIOCGIFFLAGS, &request) < 0) fail(name);
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (ioctl(probe, SIOCSIFFLAGS, &request) < 0) fail(name);
}

// One end, in a namespace: its descriptor gives and takes IP packets.
static int end(const char *space, const char *own, const char *other) {
  int file = open(space, O_RDONLY);
  if (file < 0 || setns(file, CLONE_NEWNET) < 0) fail(space);
  close(file);
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (tun < 0) fail("/dev/net/tun");
  struct ifreq request = named("link0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(tun, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  int probe = socket(AF_INET, SOCK_DGRAM, 0);
  address(probe, SIOCSIFADDR, own);
  address(probe, SIOCSIFDSTADDR, other);
  request = named("link0");
  request.ifr_qlen = 20000;
  if (ioctl(probe, SIOCSIFTXQLEN, &request) < 0) fail("queue");
  up(probe, "link0");
  up(probe, "lo");
  close(probe);
  return tun;
}

static long long delay;
static long loss, rate;
static int silent;

static void take(struct way *way) {
  for (;;) {
    struct packet *packet = malloc(sizeof *packet + MTU);
    packet->size = read(way->from, packet->bytes, MTU);
    if (packet->size <= 0) {
      free(packet);
      return;
    }
    if (silent || way->waiting > MOST || (loss && random() % 1000000 < loss)) {
      free(packet);
      continue;
    }
    packet->due = now();
    if (rate) {
      if (way->busy < packet->due) way->busy = packet->due;
      if (way->busy > packet->due + 1000000000LL) {
        free(packet);
        continue;
      }
      way->busy += packet->size * 1000000000LL / rate;
      packet->due = way->busy;
    }
    packet->due += delay;
    packet->next = NULL;
    if (way->last) way->last->next = packet;
    else way->first = packet;
    way->last = packet;
    way->waiting += packet->size;
  }
}

static void give(struct way *way) {
  long long time = now();
  while (way->first && way->first->due <= time) {
    struct packet *packet = way->first;
    way->first = packet->next;
    if (!way->first) way->last = NULL;
    way->waiting -= packet->size;
    // What the far end cannot take is lost, as on any network.
    if (write(way->to, packet->bytes, packet->size) < 0 && errno != EAGAIN && errno != EINVAL) fail("write");
    free(packet);
  }
}

static void obey(void) {
  char line[128];
  int size = read(0, line, sizeof line - 1);
  if (size <= 0) exit(0);
  line[size] = 0;
  for (char *rest = line, *word; (word = strsep(&rest, "\n"));) {
    long value;
    if (sscanf(word, "delay %ld", &value) == 1) delay = value * 1000LL;
    else if (sscanf(word, "loss %ld", &value) == 1) loss = value;
    else if (sscanf(word, "silent %ld", &value) == 1) silent = value;
    else if (sscanf(word, "rate %ld", &value) == 1) rate = value;
    else continue;
    printf("%s\n", word);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  struct way there = {.from = end(argv[1], "10.99.0.1", "10.99.0.2"), .to = 0};
  there.to = end(argv[2], "10.99.0.2", "10.99.0.1");
  struct way back = {.from = there.to, .to = there.from};
  struct pollfd waits[] = {{there.from, POLLIN, 0}, {back.from, POLLIN, 0}, {0, POLLIN, 0}};
  puts("ready");
  fflush(stdout);
  for (;;) {
    long long next = -1;
    if (there.first) next = there.first->due;
    if (back.first && (next < 0 || back.first->due < next)) next = back.first->due;
    struct timespec rest, *until = NULL;
    if (next >= 0) {
      long long left = next - now();
      if (left < 0) left = 0;
      rest.tv_sec = left / 1000000000LL;
      rest.tv_nsec = left % 1000000000LL;
      until = &rest;
    }
    if (ppoll(waits, 3, until, NULL) < 0 && errno != EINTR) fail("poll");
    if (waits[0].revents) take(&there);
    if (waits[1].revents) take(&back);
    if (waits[2].revents) obey();
    give(&there);
    give(&back);
  }
}
