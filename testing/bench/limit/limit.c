// SPDX-License-Identifier: Apache-2.0
// What one core can do: an iSCSI target without checks, one epoll loop, pread into the reply. Never to be used for data.
//
//   limit FILE...|null:BYTES    serves LUN 0, 1 ... on a free port of 127.0.0.1, prints its URL; ends with its standard input
//
// It believes whatever it is sent, keeps no order and no state but the writes under way, and knows only the commands that
// load generators use. It says how far a target of any make can come on this machine with these system calls.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BHS = 48, BLOCK = 512, SEGMENT = 262144, BURST = 1048576, TASKS = 1024, INPUT = 2 * BURST, NAME = 256, LUNS = 256 };

struct write_task {
  uint32_t itt, length, got, asked;
  uint64_t offset;
  int file;
};

struct connection {
  int fd, login, writable;
  uint32_t stat_sn, cmd_sn;
  uint8_t *in, *out;
  size_t in_used, out_used, out_sent, out_room;
  uint32_t send_limit;
  struct write_task tasks[TASKS];
};

/* Of the LUN whose command is handled; -1 for the null store. */
static int file = -1;
static uint64_t size;
static int files[LUNS], luns, poller;
static uint64_t sizes[LUNS];
static char target[NAME] = "iqn.2026-11.test:limit";

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static uint64_t be64(const uint8_t *p) { return (uint64_t)be32(p) << 32 | be32(p + 4); }
static void put32(uint8_t *p, uint32_t v) { p[0] = v >> 24, p[1] = v >> 16, p[2] = v >> 8, p[3] = v; }
static void put64(uint8_t *p, uint64_t v) { put32(p, v >> 32), put32(p + 4, v); }

static uint8_t *room(struct connection *c, size_t length) {
  if (c->out_used + length > c->out_room) {
    c->out_room = (c->out_used + length) * 2;
    c->out = realloc(c->out, c->out_room);
  }
  uint8_t *p = c->out + c->out_used;
  c->out_used += length;
  return p;
}

/* Header of a PDU with `length` bytes of data, which follow it. */
static uint8_t *pdu(struct connection *c, uint8_t opcode, uint8_t flags, const uint8_t *itt, uint32_t length) {
  uint8_t *p = room(c, BHS + ((length + 3) & ~3u));
  memset(p, 0, BHS);
  if (length & 3) memset(p + BHS + length, 0, 4 - (length & 3));
  p[0] = opcode, p[1] = flags;
  p[5] = length >> 16, p[6] = length >> 8, p[7] = length;
  memcpy(p + 16, itt, 4);
  put32(p + 20, 0xffffffff);
  put32(p + 24, c->stat_sn);
  put32(p + 28, c->cmd_sn);
  put32(p + 32, c->cmd_sn + 512);
  return p;
}

static void status(struct connection *c, const uint8_t *itt, uint8_t code, uint32_t underflow) {
  uint8_t *p = pdu(c, 0x21, 0x80 | (underflow ? 2 : 0), itt, 0);
  p[3] = code;
  put32(p + 20, 0);
  put32(p + 44, underflow);
  c->stat_sn++;
}

/* Data-in from the file (`bytes` null) or from memory, with the status in the last PDU. */
static void data_in(struct connection *c, const uint8_t *itt, const uint8_t *bytes, uint64_t offset, uint32_t length,
                    uint32_t expected) {
  uint32_t at = 0, sn = 0;
  if (length > expected) length = expected;
  while (at < length) {
    uint32_t part = length - at < c->send_limit ? length - at : c->send_limit;
    int last = at + part == length;
    uint8_t *p = pdu(c, 0x25, (last || (at + part) % BURST == 0 ? 0x80 : 0) | (last ? 1 : 0), itt, part);
    put32(p + 36, sn++);
    put32(p + 40, at);
    if (last) {
      if (length < expected) p[1] |= 2, put32(p + 44, expected - length);
      c->stat_sn++;
    }
    if (bytes) memcpy(p + BHS, bytes + at, part);
    else if (file >= 0 && pread(file, p + BHS, part, offset + at) != (ssize_t)part) abort();
    at += part;
  }
}

static void ask(struct connection *c, struct write_task *t) {
  uint32_t left = t->length - t->got, part = left < BURST ? left : BURST;
  uint8_t itt[4];
  memcpy(itt, &t->itt, 4);
  uint8_t *p = pdu(c, 0x31, 0x80, itt, 0);
  put32(p + 20, t - c->tasks);
  put32(p + 36, t->asked++);
  put32(p + 40, t->got);
  put32(p + 44, part);
}

static void take(struct connection *c, struct write_task *t, const uint8_t *data, uint32_t length, int final) {
  if (t->file >= 0 && length && pwrite(t->file, data, length, t->offset + t->got) != (ssize_t)length) abort();
  t->got += length;
  if (t->got < t->length) {
    if (final) ask(c, t);
    return;
  }
  uint8_t itt[4];
  memcpy(itt, &t->itt, 4);
  t->length = 0;
  status(c, itt, 0, 0);
}

static void mode_sense(struct connection *c, const uint8_t *h, int six, uint32_t expected) {
  uint8_t answer[8] = {0};
  answer[six ? 0 : 1] = six ? 3 : 6;
  data_in(c, h + 16, answer, 0, six ? 4 : 8, expected);
}

static void inquiry(struct connection *c, const uint8_t *h, uint32_t expected) {
  uint8_t answer[96] = {0};
  const uint8_t *cdb = h + 32;
  uint32_t length = 36;
  if (cdb[1] & 1) {
    answer[1] = cdb[2];
    length = 4;
    if (cdb[2] == 0) answer[3] = 2, answer[5] = 0xb0, length = 6;
    if (cdb[2] == 0xb0) answer[3] = 60, length = 64;
  } else {
    answer[2] = 6, answer[3] = 2, answer[4] = 31, answer[7] = 2;
    memcpy(answer + 8, "LUNKIT  LIMIT           1   ", 28);
  }
  data_in(c, h + 16, answer, 0, length, expected);
}

static void begin_write(struct connection *c, const uint8_t *h, uint64_t lba, const uint8_t *data, uint32_t length,
                        uint32_t expected) {
  struct write_task *t = c->tasks;
  while (t->length) t++;
  memcpy(&t->itt, h + 16, 4);
  t->length = expected, t->got = 0, t->asked = 0, t->offset = lba * BLOCK, t->file = file;
  take(c, t, data, length, h[1] & 0x80);
}

static void command(struct connection *c, const uint8_t *h, const uint8_t *data, uint32_t length) {
  const uint8_t *cdb = h + 32;
  uint32_t expected = be32(h + 20);
  uint8_t answer[32] = {0};
  c->cmd_sn = be32(h + 24) + !(h[0] & 0x40);
  if (h[9] >= luns) {
    status(c, h + 16, 2, expected);
    return;
  }
  file = files[h[9]], size = sizes[h[9]];
  switch (cdb[0]) {
  case 0x28: data_in(c, h + 16, NULL, (uint64_t)be32(cdb + 2) * BLOCK, expected, expected); break;
  case 0x88: data_in(c, h + 16, NULL, be64(cdb + 2) * BLOCK, expected, expected); break;
  case 0x2a: begin_write(c, h, be32(cdb + 2), data, length, expected); break;
  case 0x8a: begin_write(c, h, be64(cdb + 2), data, length, expected); break;
  case 0x12: inquiry(c, h, expected); break;
  case 0x1a: mode_sense(c, h, 1, expected); break;
  case 0x5a: mode_sense(c, h, 0, expected); break;
  case 0x25:
    put32(answer, size / BLOCK - 1 > 0xffffffff ? 0xffffffff : size / BLOCK - 1), put32(answer + 4, BLOCK);
    data_in(c, h + 16, answer, 0, 8, expected);
    break;
  case 0x9e:
    put64(answer, size / BLOCK - 1), put32(answer + 8, BLOCK);
    data_in(c, h + 16, answer, 0, 32, expected);
    break;
  case 0xa0:
    put32(answer, 8);
    data_in(c, h + 16, answer, 0, 16, expected);
    break;
  default: status(c, h + 16, 0, expected); break;
  }
}

/* Agrees with everything. */
static void login(struct connection *c, const uint8_t *h, const uint8_t *data, uint32_t length) {
  static const char keys[] = "HeaderDigest=None\0DataDigest=None\0InitialR2T=No\0ImmediateData=Yes\0MaxBurstLength=1048576\0"
                             "FirstBurstLength=262144\0MaxOutstandingR2T=1\0MaxConnections=1\0ErrorRecoveryLevel=0\0"
                             "DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0DefaultTime2Wait=0\0DefaultTime2Retain=0\0"
                             "MaxRecvDataSegmentLength=262144\0TargetPortalGroupTag=1";
  static const char auth[] = "AuthMethod=None\0TargetPortalGroupTag=1";
  int security = (h[1] & 0x0c) == 0;
  for (const char *p = (const char *)data; p < (const char *)data + length; p += strlen(p) + 1) {
    if (!strncmp(p, "MaxRecvDataSegmentLength=", 25)) c->send_limit = atoi(p + 25);
  }
  const char *text = security ? auth : keys;
  uint32_t size_of = security ? sizeof auth : sizeof keys;
  if (!c->login) c->stat_sn = be32(h + 28), c->cmd_sn = be32(h + 24);
  c->login = 1;
  uint8_t *p = pdu(c, 0x23, h[1] & 0x8f, h + 16, size_of);
  memcpy(p + 8, h + 8, 6);
  p[15] = 1;
  put32(p + 20, 0);
  memcpy(p + BHS, text, size_of);
  c->stat_sn++;
}

static void handle(struct connection *c, const uint8_t *h, const uint8_t *data, uint32_t length) {
  switch (h[0] & 0x3f) {
  case 0x01: command(c, h, data, length); break;
  case 0x03: login(c, h, data, length); break;
  case 0x05: {
    struct write_task *t = c->tasks;
    if (be32(h + 20) != 0xffffffff) t += be32(h + 20) % TASKS;
    else
      while (t < c->tasks + TASKS - 1 && (!t->length || memcmp(&t->itt, h + 16, 4))) t++;
    if (t->length) take(c, t, data, length, h[1] & 0x80);
    break;
  }
  case 0x00:
    if (be32(h + 16) != 0xffffffff) {
      c->cmd_sn = be32(h + 24) + !(h[0] & 0x40);
      memcpy(pdu(c, 0x20, 0x80, h + 16, length) + BHS, data, length);
      c->stat_sn++;
    }
    break;
  case 0x06:
    c->cmd_sn = be32(h + 24) + !(h[0] & 0x40);
    put32(pdu(c, 0x26, 0x80, h + 16, 0) + 20, 0);
    c->stat_sn++;
    break;
  default: break;
  }
}

static void drop(struct connection *c) {
  close(c->fd);
  free(c->in), free(c->out), free(c);
}

/* Sends what is there; -1 if the peer has gone. */
static int flush(struct connection *c) {
  while (c->out_sent < c->out_used) {
    ssize_t n = send(c->fd, c->out + c->out_sent, c->out_used - c->out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return -1;
    c->out_sent += n;
  }
  if (c->out_sent == c->out_used) c->out_sent = c->out_used = 0;
  int wants = c->out_used > 0;
  if (wants != c->writable) {
    struct epoll_event e = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->writable = wants;
  }
  return 0;
}

static int serve(struct connection *c) {
  if (c->out_used == 0) {
    ssize_t n = recv(c->fd, c->in + c->in_used, INPUT - c->in_used, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return -1;
    if (n > 0) c->in_used += n;
    size_t at = 0;
    while (c->in_used - at >= BHS) {
      uint8_t *h = c->in + at;
      uint32_t length = h[5] << 16 | h[6] << 8 | h[7], head = BHS + h[4] * 4;
      size_t whole = head + ((length + 3) & ~3u);
      if (whole > INPUT) return -1;
      if (c->in_used - at < whole) break;
      handle(c, h, h + head, length);
      at += whole;
    }
    memmove(c->in, c->in + at, c->in_used - at);
    c->in_used -= at;
  }
  return flush(c);
}

int main(int count, char **words) {
  if (count < 2 || count > LUNS + 1) return fprintf(stderr, "usage: limit FILE...|null:BYTES\n"), 2;
  for (; luns < count - 1; luns++) {
    const char *word = words[luns + 1];
    struct stat facts;
    if (!strncmp(word, "null:", 5)) {
      files[luns] = -1, sizes[luns] = strtoull(word + 5, NULL, 10);
      continue;
    }
    files[luns] = open(word, O_RDWR);
    if (files[luns] < 0 || fstat(files[luns], &facts) < 0) return perror(word), 1;
    sizes[luns] = facts.st_size;
  }
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t room_for = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0) return perror("bind"), 1;
  getsockname(listener, (struct sockaddr *)&address, &room_for);
  printf("iscsi://127.0.0.1:%d/%s\n", ntohs(address.sin_port), target);
  fflush(stdout);
  poller = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[64];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
  e.data.ptr = &file;
  epoll_ctl(poller, EPOLL_CTL_ADD, 0, &e);
  for (;;) {
    int ready = epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < ready; i++) {
      struct connection *c = events[i].data.ptr;
      if (events[i].data.ptr == &file) return 0;
      if (c != NULL) {
        if (serve(c) < 0) drop(c);
        continue;
      }
      int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      if (fd < 0) continue;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      c = calloc(1, sizeof *c);
      c->fd = fd, c->in = malloc(INPUT), c->send_limit = 8192;
      e.data.ptr = c;
      epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
  }
}
