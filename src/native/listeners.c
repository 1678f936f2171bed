/*
 * Who listens, asked of the kernel itself (NETLINK_SOCK_DIAG, sock_diag(7)): all listeners of a port, whoever would answer at
 * one address, and a thread that waits until somebody does. Nothing is connected to. It needs no privilege; where the kernel
 * does not answer (seccomp, no inet_diag module, gVisor) every function says so by a negative errno.
 *
 * The thread sees listen() late by half of its pause. It looks as often as a fixed share of a core allows, whatever a turn
 * costs on this machine: 1/80, but not closer than 1 ms; with more than some thirty doors it looks every 10 ms all the same; and
 * what has been waited for long is looked at less often. While nobody waits it sleeps.
 */
#include "addon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

enum { NETLINK_SOCK_DIAG = 4, SOCK_DIAG_BY_FAMILY = 20, NLM_REQUEST = 1, NLM_DUMP = 0x300, NLM_ERROR = 2, NLM_DONE = 3 };
enum { TCP_LISTENING = 10, NO_COOKIE = -1, FUTEX_WAIT_HERE = 128, FUTEX_WAKE_HERE = 129, THREAD_CPU_CLOCK = 3 };

enum { SHARE = 80, AGE_SHARE = 4096 };
enum { LEAST_PAUSE_NS = 1000000, COSTLY_PAUSE_NS = 10000000, MOST_PAUSE_NS = 50000000, SECOND_NS = 1000000000 };

/* linux/netlink.h and linux/inet_diag.h, which some distributions ship apart from the libc. Ports and addresses in network order. */
struct header {
  uint32_t length;
  uint16_t type, flags;
  uint32_t sequence, pid;
};

struct socket_id {
  uint16_t source_port, target_port;
  uint8_t source[16], target[16];
  uint32_t interface;
  int32_t cookie[2];
};

struct request {
  struct header header;
  uint8_t family, protocol, extensions, padding;
  uint32_t states;
  struct socket_id id;
};

struct answer {
  uint8_t family, state, timer, retransmits;
  struct socket_id id;
  uint32_t expires, receive_queue, write_queue, uid, inode;
};

/* A place to connect to. */
struct door {
  uint8_t family;
  uint16_t port;
  uint8_t address[16];
};

static long open_diagnostics(void) {
  return kernel(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG, 0, 0);
}

static struct request request_for(int family, uint16_t port, int flags) {
  struct request request = {
      .header = {.length = sizeof request, .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_REQUEST | flags},
      .family = family,
      .protocol = IPPROTO_TCP,
      .states = 1U << TCP_LISTENING,
      .id = {.source_port = htons(port), .cookie = {NO_COOKIE, NO_COOKIE}},
  };
  return request;
}

static long send_request(long fd, const struct request *request) {
  long sent = kernel(SYS_write, fd, (long)request, sizeof *request, 0, 0);
  return sent < 0 ? sent : 0;
}

/* 1: a connect to the door would meet a listener; 0: it would be refused. */
static long ask_door(long fd, const struct door *door) {
  static uint32_t last_sequence;
  struct request request = request_for(door->family, door->port, 0);
  request.header.sequence = __atomic_add_fetch(&last_sequence, 1, __ATOMIC_RELAXED);
  for (size_t i = 0; i < sizeof door->address; i++) request.id.source[i] = door->address[i];
  long error = send_request(fd, &request);
  while (error == 0) {
    struct {
      struct header header;
      union {
        struct answer answer;
        int32_t error;
        uint8_t room[512];
      };
    } reply;
    long length = kernel(SYS_read, fd, (long)&reply, sizeof reply, 0, 0);
    if (length < (long)(sizeof reply.header + sizeof reply.error)) return length < 0 ? length : -EPROTO;
    if (reply.header.sequence != request.header.sequence) continue; /* the rest of something that went wrong */
    if (reply.header.type == NLM_ERROR) return reply.error == -ENOENT ? 0 : reply.error;
    return reply.header.type == SOCK_DIAG_BY_FAMILY && reply.answer.state == TCP_LISTENING;
  }
  return error;
}

/* From a literal address without a zone; 0: it is none. */
static int parse_door(const char *address, int32_t port, struct door *door) {
  struct in6_addr six;
  door->port = (uint16_t)port;
  door->family = AF_INET;
  if (inet_pton(AF_INET, address, door->address) == 1) return 1;
  if (inet_pton(AF_INET6, address, &six) != 1) return 0;
  int is_mapped = IN6_IS_ADDR_V4MAPPED(&six);
  if (!is_mapped) door->family = AF_INET6;
  for (size_t i = 0; i < (is_mapped ? 4 : 16); i++) door->address[i] = six.s6_addr[is_mapped ? 12 + i : i];
  return 1;
}

static int read_door(napi_env env, napi_callback_info info, struct door *door, int64_t *age_ms) {
  size_t count = 3;
  napi_value given[3];
  char address[INET6_ADDRSTRLEN] = "";
  int32_t port = 0;
  napi_get_cb_info(env, info, &count, given, NULL, NULL);
  napi_get_value_string_utf8(env, given[0], address, sizeof address, NULL);
  napi_get_value_int32(env, given[1], &port);
  if (age_ms != NULL) napi_get_value_int64(env, given[2], age_ms);
  *door = (struct door){0};
  return parse_door(address, port, door);
}

/* listensAt(address, port): 1: a connect would meet a listener of this network namespace; 0: nobody. */
static napi_value listens_at(napi_env env, napi_callback_info info) {
  struct door door;
  if (!read_door(env, info, &door, NULL)) return number(env, -EINVAL);
  long fd = open_diagnostics();
  if (fd < 0) return number(env, fd);
  long answer = ask_door(fd, &door);
  kernel(SYS_close, fd, 0, 0, 0, 0);
  return number(env, answer);
}

static void add_listener(napi_env env, napi_value list, const struct answer *socket) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(socket->family, socket->id.source, text, sizeof text);
  napi_value listener = NULL, address = NULL;
  uint32_t index = 0;
  napi_create_object(env, &listener);
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &address);
  napi_set_named_property(env, listener, "address", address);
  napi_set_named_property(env, listener, "uid", number(env, socket->uid));
  napi_set_named_property(env, listener, "inode", number(env, socket->inode));
  napi_get_array_length(env, list, &index);
  napi_set_element(env, list, index, listener);
}

/* Adds the listeners of one family. */
static long add_listeners(napi_env env, napi_value list, int family, uint16_t port) {
  long fd = open_diagnostics();
  if (fd < 0) return fd;
  struct request request = request_for(family, port, NLM_DUMP);
  long result = send_request(fd, &request);
  for (int is_done = result < 0; !is_done;) {
    _Alignas(struct header) uint8_t room[8192]; /* the kernel's own pieces are no larger */
    long length = kernel(SYS_read, fd, (long)room, sizeof room, 0, 0);
    if (length <= 0) result = length < 0 ? length : -EPROTO;
    is_done = length <= 0;
    for (long at = 0; !is_done && at + (long)sizeof(struct header) <= length;) {
      const struct header *header = (const void *)(room + at);
      const void *body = room + at + sizeof *header;
      long end = at + (long)header->length;
      if (end <= at || end > length) return kernel(SYS_close, fd, 0, 0, 0, 0), -EPROTO;
      if (header->type == NLM_ERROR || header->type == NLM_DONE) {
        is_done = 1;
        if (header->length >= sizeof *header + sizeof(int32_t)) result = *(const int32_t *)body;
      } else if (header->type == SOCK_DIAG_BY_FAMILY && header->length >= sizeof *header + sizeof(struct answer)) {
        add_listener(env, list, body);
      }
      at = (end + 3) & ~3L;
    }
  }
  kernel(SYS_close, fd, 0, 0, 0, 0);
  return result;
}

/* listeners(port): [{ address, uid, inode }, …] of both families, whatever they are bound to. */
static napi_value listeners(napi_env env, napi_callback_info info) {
  int32_t port;
  arguments(env, info, 1, &port);
  napi_value list = NULL;
  napi_create_array(env, &list);
  long error = add_listeners(env, list, AF_INET, (uint16_t)port);
  if (error < 0) return number(env, error);
  error = add_listeners(env, list, AF_INET6, (uint16_t)port);
  return error < 0 && error != -ENOENT ? number(env, error) : list; /* ENOENT: there is no IPv6 */
}

/*
 * The watch. Doors are added and taken away by Node's main thread, and opened by the watching thread: each slot's state says
 * whose it is. Who takes a slot away while the thread is at it, and gives it to another door, may see that one reported too
 * early: a report means no more than that a look is worth it.
 */
enum { FREE, WATCHED, OPEN };

static struct slot {
  uint32_t state;
  struct door door;
} slots[1024];

enum { SLOTS = sizeof slots / sizeof *slots };

static uint32_t used;    /* slots from here on were never used */
static uint32_t watched; /* how many are */
static uint32_t changes; /* counts what is added: the thread sleeps on it */
static uint64_t youngest_ns;
static long diagnostics = -1;

static uint64_t time_of(int clock) {
  struct timespec time = {0};
  kernel(SYS_clock_gettime, clock, (long)&time, 0, 0, 0);
  return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

static void look_at_doors(void) {
  int is_news = 0;
  uint32_t end = __atomic_load_n(&used, __ATOMIC_ACQUIRE);
  for (uint32_t i = 0; i < end; i++) {
    uint32_t state = WATCHED;
    if (__atomic_load_n(&slots[i].state, __ATOMIC_ACQUIRE) != WATCHED || ask_door(diagnostics, &slots[i].door) != 1) continue;
    if (!__atomic_compare_exchange_n(&slots[i].state, &state, OPEN, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) continue;
    __atomic_sub_fetch(&watched, 1, __ATOMIC_RELAXED);
    is_news = 1;
  }
  if (is_news) kernel(SYS_kill, kernel(SYS_getpid, 0, 0, 0, 0, 0), SIGCHLD, 0, 0, 0);
}

static uint64_t pause_after(uint64_t cost_ns) {
  uint64_t pause_ns = cost_ns * (SHARE - 1);
  if (pause_ns < LEAST_PAUSE_NS) pause_ns = LEAST_PAUSE_NS;
  if (pause_ns > COSTLY_PAUSE_NS) pause_ns = COSTLY_PAUSE_NS;
  uint64_t age_ns = time_of(CLOCK_MONOTONIC) - __atomic_load_n(&youngest_ns, __ATOMIC_RELAXED);
  if (pause_ns < age_ns / AGE_SHARE) pause_ns = age_ns / AGE_SHARE;
  return pause_ns < MOST_PAUSE_NS ? pause_ns : MOST_PAUSE_NS;
}

static void *watch_doors(void *unused) {
  kernel(SYS_prctl, PR_SET_NAME, (long)"ports", 0, 0, 0);
  uint64_t spent_ns = time_of(THREAD_CPU_CLOCK);
  for (;;) {
    uint32_t seen = __atomic_load_n(&changes, __ATOMIC_ACQUIRE);
    struct timespec pause = {0}, *limit = NULL;
    if (__atomic_load_n(&watched, __ATOMIC_ACQUIRE) > 0) {
      look_at_doors();
      uint64_t now_ns = time_of(THREAD_CPU_CLOCK);
      pause.tv_nsec = (long)pause_after(now_ns - spent_ns);
      spent_ns = now_ns;
      limit = &pause;
    }
    kernel(SYS_futex, (long)&changes, FUTEX_WAIT_HERE, seen, (long)limit, 0);
  }
  return unused;
}

/* Signals are the main thread's. */
static int start_thread(void) {
  pthread_t thread;
  uint64_t all = ~0UL, before;
  kernel(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, KERNEL_SIGSET_BYTES, 0);
  int error = pthread_create(&thread, NULL, watch_doors, NULL);
  kernel(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, KERNEL_SIGSET_BYTES, 0);
  return error;
}

/* startWatch(): 0: doors can be watched. SIGCHLD, to which Node listens, tells that one is open. Once. */
static napi_value start_watch(napi_env env, napi_callback_info info) {
  (void)info;
  if (diagnostics >= 0) return number(env, -EALREADY);
  long fd = open_diagnostics();
  if (fd < 0) return number(env, fd);
  diagnostics = fd;
  int error = start_thread();
  if (error == 0) return number(env, 0);
  diagnostics = -1;
  kernel(SYS_close, fd, 0, 0, 0, 0);
  return number(env, -error);
}

/* watchDoor(address, port, ms waited before): a number; isOpen tells of it from when somebody listens there, which may already be so. */
static napi_value watch_door(napi_env env, napi_callback_info info) {
  struct door door;
  int64_t age_ms = 0;
  if (!read_door(env, info, &door, &age_ms)) return number(env, -EINVAL);
  uint32_t i = 0;
  while (i < SLOTS && __atomic_load_n(&slots[i].state, __ATOMIC_ACQUIRE) != FREE) i++;
  if (i == SLOTS) return number(env, -ENOSPC);
  slots[i].door = door;
  __atomic_store_n(&slots[i].state, WATCHED, __ATOMIC_RELEASE);
  if (used <= i) __atomic_store_n(&used, i + 1, __ATOMIC_RELEASE);
  uint64_t now_ns = time_of(CLOCK_MONOTONIC), age_ns = age_ms > 0 ? (uint64_t)age_ms * 1000000 : 0;
  uint64_t since_ns = age_ns < now_ns ? now_ns - age_ns : 0;
  if (since_ns > youngest_ns || watched == 0) __atomic_store_n(&youngest_ns, since_ns, __ATOMIC_RELAXED);
  __atomic_add_fetch(&watched, 1, __ATOMIC_RELEASE);
  __atomic_add_fetch(&changes, 1, __ATOMIC_RELEASE);
  kernel(SYS_futex, (long)&changes, FUTEX_WAKE_HERE, 1, 0, 0);
  return number(env, i);
}

/* isOpen(number): true once somebody listened at this door. */
static napi_value is_open(napi_env env, napi_callback_info info) {
  int32_t i;
  arguments(env, info, 1, &i);
  return boolean(env, i >= 0 && i < SLOTS && __atomic_load_n(&slots[i].state, __ATOMIC_ACQUIRE) == OPEN);
}

/* forgetDoor(number) */
static napi_value forget_door(napi_env env, napi_callback_info info) {
  int32_t i;
  arguments(env, info, 1, &i);
  if (i < 0 || i >= SLOTS) return number(env, -EINVAL);
  if (__atomic_exchange_n(&slots[i].state, FREE, __ATOMIC_ACQ_REL) == WATCHED) __atomic_sub_fetch(&watched, 1, __ATOMIC_RELAXED);
  return number(env, 0);
}

void export_listeners(napi_env env, napi_value exports) {
  export(env, exports, "listeners", listeners);
  export(env, exports, "listensAt", listens_at);
  export(env, exports, "startWatch", start_watch);
  export(env, exports, "watchDoor", watch_door);
  export(env, exports, "isOpen", is_open);
  export(env, exports, "forgetDoor", forget_door);
}
