/*
 * The addon: the few system calls that a PID 1 needs and JavaScript lacks.
 *
 * It calls the kernel directly and links no libc, so that one binary of a few kilobytes loads into every Node version,
 * on glibc and on musl. libc's headers are used for names and layouts alone; only what handles signals, starts a thread,
 * reads an address or gives memory back takes a function from the libc that Node has. Every other function is one system
 * call, or two; what they are good for is decided in src/host. Errors are negative errno values, as the kernel returns
 * them. The other files of the addon are ask.c, lines.c and listeners.c.
 */
#include "addon.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

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

NAPI_MODULE_INIT() {
  export(env, exports, "peekZombie", peek_zombie);
  export(env, exports, "reap", reap);
  export(env, exports, "becomeSubreaper", become_subreaper);
  export(env, exports, "closeMemory", close_memory);
  export(env, exports, "pipe", make_pipe);
  export(env, exports, "setPipeSize", set_pipe_size);
  export(env, exports, "takeTerminal", take_terminal);
  export(env, exports, "bindIPv4", bind_ipv4);
  export(env, exports, "exit", exit_group);
  export(env, exports, "catchSignals", catch_signals);
  export(env, exports, "takeCaught", take_caught);
  export(env, exports, "giveBack", give_back);
  export_ask(env, exports);
  export_lines(env, exports);
  export_listeners(env, exports);
  return exports;
}
