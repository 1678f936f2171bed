/*
 * hold: keeps signals for PID 1 while Node starts. `launch --hold-signals` preloads it (LD_PRELOAD) into Node.
 *
 * The kernel drops a signal for which PID 1 has no handler, but keeps one that is blocked. So launch blocks them, which
 * outlives exec; but Node begins by setting a mask of its own, and then handles TERM and INT in a way that ends any process
 * but PID 1. This library takes the place of pthread_sigmask in Node: what was blocked at the start stays so, signal by
 * signal, until libuv handles it. The kernel itself then delivers what came meanwhile, so nothing is recorded here.
 *
 * When no signal is held any more every call is passed on as it is, and so it is in children, that is where the pid is not 1.
 * Only Node's main thread changes masks while signals are held. It is linked with no libc, and takes what it needs from the
 * one that Node has: glibc or musl.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int (*set_mask)(int how, const sigset_t *set, sigset_t *old);
static sigset_t held;
static int held_count;

/* What Node starts must not be loaded with this. It is the first name in the list; the others are not ours. */
static void leave_environment(void) {
  const char *list = getenv("LD_PRELOAD");
  const char *others = list == NULL ? NULL : strchr(list, ':');
  if (others == NULL)
    unsetenv("LD_PRELOAD");
  else
    setenv("LD_PRELOAD", others + 1, 1);
}

/* At the first call rather than as a constructor: a program on the way to Node, such as env, hands everything on. */
static void begin(void) {
  *(void **)&set_mask = dlsym(RTLD_NEXT, "pthread_sigmask");
  leave_environment();
  if (getpid() != 1) return;
  set_mask(SIG_BLOCK, NULL, &held);
  for (int number = 1; number < NSIG; number++) held_count += sigismember(&held, number) == 1;
}

/* libuv alone asks for SA_RESTART; the handlers that Node has for TERM, INT and USR1 before a script runs do not. */
static int is_handled_by_libuv(int number) {
  struct sigaction action;
  if (sigaction(number, NULL, &action) != 0) return 0;
  return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN && (action.sa_flags & SA_RESTART);
}

/* libuv blocks everything while it installs a handler; with the mask that it then restores the signal is let through. */
static void release_handled(sigset_t *mask) {
  for (int number = 1; number < NSIG; number++) {
    if (sigismember(&held, number) != 1 || !is_handled_by_libuv(number)) continue;
    sigdelset(&held, number);
    sigdelset(mask, number);
    held_count--;
  }
}

__attribute__((visibility("default"))) int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
  if (set_mask == NULL) begin();
  if (held_count == 0 || set == NULL || getpid() != 1) return set_mask(how, set, old);
  sigset_t mask = *set;
  if (how == SIG_SETMASK && old == NULL) release_handled(&mask);
  for (int number = 1; number < NSIG; number++) {
    if (sigismember(&held, number) != 1) continue;
    if (how == SIG_SETMASK) sigaddset(&mask, number);
    if (how == SIG_UNBLOCK) sigdelset(&mask, number);
  }
  return set_mask(how, &mask, old);
}
