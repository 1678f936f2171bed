/*
 * The addon: the few system calls that a PID 1 needs and JavaScript lacks, and the two loops over bytes that are all it does
 * when its services write much.
 *
 * It calls the kernel directly and links no libc, so that one binary of a few kilobytes loads into every Node version,
 * on glibc and on musl. libc's headers are used for names and layouts alone; only what handles signals, starts a thread,
 * reads an address or gives memory back takes a function from the libc that Node has. Every other function is one system
 * call, or two; what they are good for is decided in src/host. Errors are negative errno values, as the kernel returns
 * them. listeners.c is the other file.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

/* peekZombie(): pid of the next ended child, left uncollected; 0: there is none. */
static napi_value peek_zombie(napi_env env, napi_callback_info info) {
  (void)info;
  siginfo_t child;
  child.si_pid = 0;
  long error = kernel(SYS_waitid, P_ALL, 0, (long)&child, WEXITED | WNOHANG | WNOWAIT, 0);
  return number(env, error < 0 ? error : child.si_pid);
}

/* reap(pid): true: collected; false: that child has not ended. Never waits for a group or for "any child". */
static napi_value reap(napi_env env, napi_callback_info info) {
  int32_t pid;
  arguments(env, info, 1, &pid);
  if (pid <= 0) return boolean(env, 0);
  long collected = kernel(SYS_wait4, pid, 0, WNOHANG, 0, 0);
  return collected < 0 ? number(env, collected) : boolean(env, collected == pid);
}

/* becomeSubreaper(): true: from now on orphans below this process become its children. */
static napi_value become_subreaper(napi_env env, napi_callback_info info) {
  (void)info;
  return boolean(env, kernel(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
}

/* closeMemory(): true: from now on nobody without CAP_SYS_PTRACE may trace or read this process, and it dumps no core. */
static napi_value close_memory(napi_env env, napi_callback_info info) {
  (void)info;
  return boolean(env, kernel(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
}

/* pipe(): [read end, write end], both closed on exec. Node's own 'pipe' is a pair of sockets. */
static napi_value make_pipe(napi_env env, napi_callback_info info) {
  (void)info;
  int ends[2];
  long error = kernel(SYS_pipe2, (long)ends, O_CLOEXEC, 0, 0, 0);
  if (error < 0) return number(env, error);
  napi_value result = NULL;
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0, number(env, ends[0]));
  napi_set_element(env, result, 1, number(env, ends[1]));
  return result;
}

/* setPipeSize(fd, bytes): the size that the kernel gave, at least what was asked. */
static napi_value set_pipe_size(napi_env env, napi_callback_info info) {
  int32_t values[2];
  arguments(env, info, 2, values);
  return number(env, kernel(SYS_fcntl, values[0], F_SETPIPE_SZ, values[1], 0, 0));
}

/*
 * takeTerminal(group): 0: this process' group is the foreground group of the terminal on stdin again. Only taken back
 * from `group`; if any other holds it, nothing happens. SIGTTOU is blocked because asking from the background raises it.
 */
static napi_value take_terminal(napi_env env, napi_callback_info info) {
  int32_t group;
  arguments(env, info, 1, &group);
  int holder = 0;
  long error = kernel(SYS_ioctl, 0, TIOCGPGRP, (long)&holder, 0, 0);
  if (error < 0 || holder != group) return number(env, error);

  int own = (int)kernel(SYS_getpgid, 0, 0, 0, 0, 0);
  unsigned long blocked = 1UL << (SIGTTOU - 1);
  unsigned long before;
  kernel(SYS_rt_sigprocmask, SIG_BLOCK, (long)&blocked, (long)&before, KERNEL_SIGSET_BYTES, 0);
  error = kernel(SYS_ioctl, 0, TIOCSPGRP, (long)&own, 0, 0);
  kernel(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, KERNEL_SIGSET_BYTES, 0);
  return number(env, error);
}

/* bindIPv4(address, port): a TCP socket, bound and not yet listening, as libuv makes it; both numbers as one reads them. */
static napi_value bind_ipv4(napi_env env, napi_callback_info info) {
  int32_t values[2];
  arguments(env, info, 2, values);
  long fd = kernel(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0);
  if (fd < 0) return number(env, fd);

  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)values[1])};
  address.sin_addr.s_addr = htonl((uint32_t)values[0]);
  long error = kernel(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, (long)&on, sizeof on);
  if (error == 0) error = kernel(SYS_bind, fd, (long)&address, sizeof address, 0, 0);
  if (error == 0) return number(env, fd);
  kernel(SYS_close, fd, 0, 0, 0, 0);
  return number(env, error);
}

static long milliseconds(void) {
  struct timespec now;
  kernel(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0: there is something to read, or the end. */
static long await_input(int fd, long limit) {
  struct pollfd input = {.fd = fd, .events = POLLIN};
  struct timespec left = {.tv_sec = limit / 1000, .tv_nsec = limit % 1000 * 1000000};
  long ready = limit <= 0 ? 0 : kernel(SYS_ppoll, (long)&input, 1, (long)&left, 0, KERNEL_SIGSET_BYTES);
  return ready > 0 ? 0 : ready < 0 ? ready : -ETIMEDOUT;
}

/* Reads until the peer ends it, the room is full or the time is over. */
static long read_all(int fd, char *room, size_t size, long deadline) {
  size_t length = 0;
  while (length < size) {
    long error = await_input(fd, deadline - milliseconds());
    if (error < 0) return error;
    long count = kernel(SYS_read, fd, (long)(room + length), (long)(size - length), 0, 0);
    if (count < 0) return count;
    if (count == 0) break;
    length += (size_t)count;
  }
  return (long)length;
}

/*
 * ask(path, question, answer, limitMs): the number of bytes that the one who listens on this Unix socket has put into
 * `answer`, a Buffer, before it closed. Blocks, for as long as `limitMs`. A question is at most 512 bytes.
 */
static napi_value ask(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value given[4];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char question[513];
  size_t length = 0, path_length = 0, size = 0;
  void *answer = NULL;
  int32_t limit = 0;
  napi_get_cb_info(env, info, &count, given, NULL, NULL);
  napi_get_value_string_utf8(env, given[0], NULL, 0, &path_length);
  napi_get_value_string_utf8(env, given[0], address.sun_path, sizeof address.sun_path, NULL);
  napi_get_value_string_utf8(env, given[1], question, sizeof question, &length);
  napi_get_value_int32(env, given[3], &limit);
  if (path_length >= sizeof address.sun_path) return number(env, -ENAMETOOLONG);
  if (napi_get_buffer_info(env, given[2], &answer, &size) != napi_ok) return number(env, -EINVAL);

  long deadline = milliseconds() + limit;
  long fd = kernel(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0);
  if (fd < 0) return number(env, fd);
  long result = kernel(SYS_connect, fd, (long)&address, sizeof address, 0, 0);
  if (result == 0) result = kernel(SYS_sendto, fd, (long)question, (long)length, MSG_NOSIGNAL, 0);
  if (result >= 0) result = read_all((int)fd, answer, size, deadline);
  kernel(SYS_close, fd, 0, 0, 0, 0);
  return number(env, result);
}

/* exit(code): ends the process at once, whatever its other threads wait for. */
static napi_value exit_group(napi_env env, napi_callback_info info) {
  int32_t values[1];
  arguments(env, info, 1, values);
  return number(env, kernel(SYS_exit_group, values[0], 0, 0, 0, 0));
}

/*
 * For signals to which Node cannot listen safely, because the process itself also raises them: by a fault, by abort(), by a
 * write that nobody reads. Those that another process has sent are noted, signal N as bit N, and SIGCHLD, to which Node
 * listens, tells that there is something to take. The others mean what they meant before.
 */
static uint32_t caught;
static uint32_t own_pid;
static struct sigaction before[32];

static void note_or_pass(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  int is_sent = info->si_code <= 0;
  if (is_sent && (uint32_t)info->si_pid != own_pid) {
    __atomic_or_fetch(&caught, 1U << signal_number, __ATOMIC_SEQ_CST);
    kernel(SYS_kill, own_pid, SIGCHLD, 0, 0, 0);
    return;
  }
  if (signal_number == SIGPIPE) return; /* the write says EPIPE */
  sigaction(signal_number, &before[signal_number], NULL);
  /* A faulty instruction is run again on return. What raised these two is not, and no signal of its own ends PID 1. */
  int is_over = signal_number == SIGTRAP || signal_number == SIGSYS;
  if (is_over && own_pid == 1) kernel(SYS_exit_group, 128 + signal_number, 0, 0, 0, 0);
  if (is_over || is_sent) kernel(SYS_tkill, kernel(SYS_gettid, 0, 0, 0, 0, 0), signal_number, 0, 0, 0);
}

/* catchSignals(set): from now on; a set is a number with bit N for signal N. */
static napi_value catch_signals(napi_env env, napi_callback_info info) {
  int32_t values[1];
  arguments(env, info, 1, values);
  own_pid = (uint32_t)kernel(SYS_getpid, 0, 0, 0, 0, 0);
  struct sigaction action = {.sa_sigaction = note_or_pass, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
  for (int signal_number = 1; signal_number < 32; signal_number++)
    if ((uint32_t)values[0] >> signal_number & 1) sigaction(signal_number, &action, &before[signal_number]);
  return number(env, 0);
}

/* takeCaught(): the set of those that came since the last call. */
static napi_value take_caught(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, __atomic_exchange_n(&caught, 0, __ATOMIC_SEQ_CST));
}

/* glibc's; musl has none, and needs none. */
extern int malloc_trim(size_t) __attribute__((weak));

/*
 * giveBack(): collects garbage, shrinks the heaps of V8 and of malloc, and gives their pages back. Node-API has no word for
 * it, but V8 does so at once when it is told of more memory behind its objects than it may ever use; and is told right after
 * that there is none.
 */
static napi_value give_back(napi_env env, napi_callback_info info) {
  (void)info;
  const int64_t more_than_there_is = (int64_t)1 << 45;
  int64_t sum;
  napi_adjust_external_memory(env, more_than_there_is, &sum);
  napi_adjust_external_memory(env, -more_than_there_is, &sum);
  if (malloc_trim != NULL) malloc_trim(0);
  return number(env, 0);
}

/*
 * Lines of services on their way out, as src/host/output-format.ts says it: sixteen bytes at a time while nothing in them is
 * special. What has no room, or is not for here, is left to that file.
 */
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

struct span {
  uint8_t *at, *end;
};

static int buffer_of(napi_env env, napi_value value, struct span *span) {
  void *data = NULL;
  size_t length = 0;
  if (napi_get_buffer_info(env, value, &data, &length) != napi_ok) return 0;
  span->at = data;
  span->end = span->at + length;
  return 1;
}

static int append(struct span *out, const void *bytes, long length) {
  if (out->end - out->at < length) return 0;
  const uint8_t *at = bytes, *end = at + length;
  for (; end - at >= 16; at += 16, out->at += 16) __builtin_memcpy(out->at, at, 16);
  while (at < end) *out->at++ = *at++;
  return 1;
}

/* Copies up to the next byte that is below a space or one of the two. */
static int copy_plain(struct span *in, struct span *out, uint8_t one, uint8_t other) {
  while (in->end - in->at >= 16 && out->end - out->at >= 16) {
    bytes16 block;
    __builtin_memcpy(&block, in->at, 16);
    __builtin_memcpy(out->at, &block, 16);
    words2 special = (words2)((block < 32) | (block == one) | (block == other));
    /* Each byte is all ones or none; the first in memory is the lowest. */
    int plain = special[0] != 0 ? __builtin_ctzll(special[0]) / 8 : 8;
    if (special[0] == 0) plain += special[1] != 0 ? __builtin_ctzll(special[1]) / 8 : 8;
    in->at += plain;
    out->at += plain;
    if (plain < 16) return 1;
  }
  for (; in->at < in->end && *in->at >= 32 && *in->at != one && *in->at != other; in->at++)
    if (!append(out, in->at, 1)) return 0;
  return 1;
}

/* An escape of JSON, as JSON.stringify writes it. */
static int append_escaped(struct span *out, uint8_t byte) {
  static const char digits[] = "0123456789abcdef", letters[] = "btn?fr";
  if (byte == '"' || byte == '\\') return append(out, (char[]){'\\', (char)byte}, 2);
  if (byte >= 8 && byte <= 13 && byte != 11) return append(out, (char[]){'\\', letters[byte - 8]}, 2);
  return append(out, (char[]){'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]}, 6);
}

/* The rest of a line without its newline. */
static int append_line(struct span *in, struct span *out, int is_json) {
  while (copy_plain(in, out, is_json ? '"' : 0x7f, is_json ? '\\' : 0xc2)) {
    if (in->at == in->end) return 0;
    if (*in->at == '\n') return 1;
    int is_done = is_json ? append_escaped(out, *in->at) : *in->at == '\t' && append(out, in->at, 1);
    if (!is_done) return 0;
    in->at++;
  }
  return 0;
}

static napi_value dress(napi_env env, napi_callback_info info, int is_json) {
  size_t count = 3;
  napi_value given[3];
  struct span in, head, out;
  napi_get_cb_info(env, info, &count, given, NULL, NULL);
  if (!buffer_of(env, given[0], &in) || !buffer_of(env, given[1], &head) || !buffer_of(env, given[2], &out))
    return number(env, -EINVAL);
  uint8_t *start = out.at;
  while (in.at < in.end) {
    if (!append(&out, head.at, head.end - head.at) || !append_line(&in, &out, is_json)) return number(env, -1);
    if (!append(&out, is_json ? "\"}\n" : "\n", is_json ? 3 : 1)) return number(env, -1);
    in.at++;
  }
  return number(env, out.at - start);
}

/* prefixLines(lines, prefix, out): how much of `out` is filled; -1: no room, or a control character is to be shown. */
static napi_value prefix_lines(napi_env env, napi_callback_info info) { return dress(env, info, 0); }

/* jsonLines(lines, head, out): the same, each line as a string that begins in `head` and ends its record. Must be UTF-8. */
static napi_value json_lines(napi_env env, napi_callback_info info) { return dress(env, info, 1); }

NAPI_MODULE_INIT() {
  export(env, exports, "peekZombie", peek_zombie);
  export(env, exports, "reap", reap);
  export(env, exports, "becomeSubreaper", become_subreaper);
  export(env, exports, "closeMemory", close_memory);
  export(env, exports, "pipe", make_pipe);
  export(env, exports, "setPipeSize", set_pipe_size);
  export(env, exports, "takeTerminal", take_terminal);
  export(env, exports, "bindIPv4", bind_ipv4);
  export(env, exports, "ask", ask);
  export(env, exports, "prefixLines", prefix_lines);
  export(env, exports, "jsonLines", json_lines);
  export(env, exports, "exit", exit_group);
  export(env, exports, "catchSignals", catch_signals);
  export(env, exports, "takeCaught", take_caught);
  export(env, exports, "giveBack", give_back);
  export_listeners(env, exports);
  return exports;
}
