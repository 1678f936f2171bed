/*
 * tiny: what launch takes of a libc, and no more. A static glibc needs 0.4 ms to start, ten times what the kernel needs to run
 * launch, and each service waits for that: it asks the processor for its features, which a virtual machine answers slowly, and
 * sets up threads, locales and memory that launch has no use for.
 *
 * Every function means what POSIX or glibc say, for the uses that launch makes of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel.h"

char **environ;
static int last_error;

int main(int argc, char **argv);

int *__errno_location(void) { return &last_error; }

static long checked(long result) {
  if (result >= 0) return result;
  last_error = (int)-result;
  return -1;
}

/* The kernel starts a program with argc, argv and the environment on its stack. */
__attribute__((used)) _Noreturn void begin(long *stack) {
  char **argv = (char **)(stack + 1);
  environ = argv + stack[0] + 1;
  _exit(main((int)stack[0], argv));
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call begin\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl begin\n");
#endif

/* Text and memory. */

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  for (size_t i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}

void *memset(void *to, int byte, size_t size) {
  for (size_t i = 0; i < size; i++) ((char *)to)[i] = (char)byte;
  return to;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

int strcmp(const char *one, const char *other) {
  while (*one != '\0' && *one == *other) one++, other++;
  return (unsigned char)*one - (unsigned char)*other;
}

char *strcpy(char *restrict to, const char *restrict from) { return memcpy(to, from, strlen(from) + 1); }

char *strchr(const char *text, int wanted) {
  for (;; text++) {
    if (*text == (char)wanted) return (char *)text;
    if (*text == '\0') return NULL;
  }
}

char *strrchr(const char *text, int wanted) {
  const char *last = NULL;
  for (; *text != '\0'; text++)
    if (*text == (char)wanted) last = text;
  return (char *)last;
}

char *strpbrk(const char *text, const char *any) {
  for (; *text != '\0'; text++)
    if (strchr(any, *text) != NULL) return (char *)text;
  return NULL;
}

size_t strspn(const char *text, const char *any) {
  size_t length = 0;
  while (text[length] != '\0' && strchr(any, text[length]) != NULL) length++;
  return length;
}

/* Digits alone, base 10. */
long strtol(const char *restrict text, char **restrict end, int base) {
  long value = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    if (!__builtin_mul_overflow(value, base, &value) && !__builtin_add_overflow(value, *text - '0', &value)) continue;
    value = LONG_MAX;
    last_error = ERANGE;
  }
  if (end != NULL) *end = (char *)text;
  return value;
}

/* Never freed: launch becomes another program. What the kernel adds at the program's break is zero. */
void *calloc(size_t count, size_t size) {
  size_t bytes;
  long start = (kernel(SYS_brk, 0, 0, 0, 0, 0) + 15) & ~15L;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > LONG_MAX / 2) return NULL;
  return kernel(SYS_brk, start + (long)bytes, 0, 0, 0, 0) == start + (long)bytes ? (void *)start : NULL;
}

/* Knows %s, %d and %llu. Returns the length that there would be with room enough. */
static size_t format(char *to, size_t room, const char *pattern, va_list values) {
  size_t length = 0;
  for (; *pattern != '\0'; pattern++) {
    char digits[24] = "", *piece = digits + sizeof digits - 1, plain[2] = {*pattern, '\0'};
    if (*pattern != '%') {
      piece = plain;
    } else if (*++pattern == 's') {
      piece = va_arg(values, char *);
    } else {
      unsigned long long value = *pattern == 'd' ? (unsigned)va_arg(values, int) : va_arg(values, unsigned long long);
      if (*pattern == 'l') pattern += 2;
      do *--piece = (char)('0' + value % 10);
      while ((value /= 10) > 0);
    }
    for (; *piece != '\0'; piece++, length++)
      if (length + 1 < room) to[length] = *piece;
  }
  if (room > 0) to[length < room ? length : room - 1] = '\0';
  return length;
}

int snprintf(char *restrict to, size_t room, const char *restrict pattern, ...) {
  va_list values;
  va_start(values, pattern);
  size_t length = format(to, room, pattern, values);
  va_end(values);
  return (int)length;
}

int asprintf(char **restrict to, const char *restrict pattern, ...) {
  va_list values, again;
  va_start(values, pattern);
  va_copy(again, values);
  size_t length = format(NULL, 0, pattern, values);
  va_end(values);
  *to = calloc(1, length + 1);
  if (*to != NULL) format(*to, length + 1, pattern, again);
  va_end(again);
  return *to == NULL ? -1 : (int)length;
}

/* One write, so that nobody reads a half. */
int dprintf(int fd, const char *restrict pattern, ...) {
  static char text[2 * PATH_MAX];
  va_list values;
  va_start(values, pattern);
  size_t length = format(text, sizeof text, pattern, values);
  va_end(values);
  return (int)checked(kernel(SYS_write, fd, (long)text, (long)(length < sizeof text ? length : sizeof text - 1), 0, 0));
}

char *getenv(const char *name) {
  size_t length = strlen(name);
  for (char **one = environ; *one != NULL; one++) {
    size_t i = 0;
    while (i < length && (*one)[i] == name[i]) i++;
    if (i == length && (*one)[i] == '=') return *one + i + 1;
  }
  return NULL;
}

/* Always replaces. */
int setenv(const char *name, const char *value, int replace) {
  (void)replace;
  char *variable, **grown;
  size_t count = 0;
  char *old = getenv(name);
  if (asprintf(&variable, "%s=%s", name, value) < 0) return (int)checked(-ENOMEM);
  for (char **one = environ; *one != NULL; one++, count++) {
    if (old == NULL || *one != old - strlen(name) - 1) continue;
    *one = variable;
    return 0;
  }
  grown = calloc(count + 2, sizeof *grown);
  if (grown == NULL) return (int)checked(-ENOMEM);
  memcpy(grown, environ, count * sizeof *grown);
  grown[count] = variable;
  environ = grown;
  return 0;
}

char *strerror(int error) {
  static char unnamed[24];
  switch (error) {
    case EPERM: return "Operation not permitted";
    case ENOENT: return "No such file or directory";
    case EIO: return "Input/output error";
    case E2BIG: return "Argument list too long";
    case EBADF: return "Bad file descriptor";
    case EAGAIN: return "Resource temporarily unavailable";
    case ENOMEM: return "Cannot allocate memory";
    case EACCES: return "Permission denied";
    case ENOTDIR: return "Not a directory";
    case EISDIR: return "Is a directory";
    case EINVAL: return "Invalid argument";
    case ENFILE: return "Too many open files in system";
    case EMFILE: return "Too many open files";
    case ETXTBSY: return "Text file busy";
    case ENOEXEC: return "Exec format error";
    case ENAMETOOLONG: return "File name too long";
    case ELOOP: return "Too many levels of symbolic links";
    case ESTALE: return "Stale file handle";
    default: snprintf(unnamed, sizeof unnamed, "error %d", error); return unnamed;
  }
}

/* System calls. */

long syscall(long number, ...) {
  va_list values;
  va_start(values, number);
  long a = va_arg(values, long), b = va_arg(values, long), c = va_arg(values, long);
  va_end(values);
  return checked(kernel(number, a, b, c, 0, 0));
}

int prctl(int option, ...) {
  va_list values;
  va_start(values, option);
  long a = va_arg(values, long), b = va_arg(values, long), c = va_arg(values, long), d = va_arg(values, long);
  va_end(values);
  return (int)checked(kernel(SYS_prctl, option, a, b, c, d));
}

int fcntl(int fd, int command, ...) {
  va_list values;
  va_start(values, command);
  long value = va_arg(values, long);
  va_end(values);
  return (int)checked(kernel(SYS_fcntl, fd, command, value, 0, 0));
}

int open(const char *path, int flags, ...) { return (int)checked(kernel(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0)); }
int close(int fd) { return (int)checked(kernel(SYS_close, fd, 0, 0, 0, 0)); }
int access(const char *path, int mode) { return (int)checked(kernel(SYS_faccessat, AT_FDCWD, (long)path, mode, 0, 0)); }

ssize_t readlink(const char *restrict path, char *restrict to, size_t room) {
  return checked(kernel(SYS_readlinkat, AT_FDCWD, (long)path, (long)to, (long)room, 0));
}

int execve(const char *path, char *const argv[], char *const environment[]) {
  return (int)checked(kernel(SYS_execve, (long)path, (long)argv, (long)environment, 0, 0));
}

_Noreturn void _exit(int code) {
  for (;;) kernel(SYS_exit_group, code, 0, 0, 0, 0);
}

pid_t getpid(void) { return (pid_t)kernel(SYS_getpid, 0, 0, 0, 0, 0); }
pid_t getppid(void) { return (pid_t)kernel(SYS_getppid, 0, 0, 0, 0, 0); }
pid_t getpgid(pid_t pid) { return (pid_t)checked(kernel(SYS_getpgid, pid, 0, 0, 0, 0)); }
pid_t getpgrp(void) { return getpgid(0); }
pid_t setsid(void) { return (pid_t)checked(kernel(SYS_setsid, 0, 0, 0, 0, 0)); }
int setpgid(pid_t pid, pid_t group) { return (int)checked(kernel(SYS_setpgid, pid, group, 0, 0, 0)); }

uid_t getuid(void) { return (uid_t)kernel(SYS_getuid, 0, 0, 0, 0, 0); }
uid_t geteuid(void) { return (uid_t)kernel(SYS_geteuid, 0, 0, 0, 0, 0); }
gid_t getgid(void) { return (gid_t)kernel(SYS_getgid, 0, 0, 0, 0, 0); }
gid_t getegid(void) { return (gid_t)kernel(SYS_getegid, 0, 0, 0, 0, 0); }

/* There is one thread, so the kernel's own calls change all of the process. */
int setgroups(size_t count, const gid_t *groups) {
  return (int)checked(kernel(SYS_setgroups, (long)count, (long)groups, 0, 0, 0));
}
int setresuid(uid_t real, uid_t effective, uid_t saved) { return (int)checked(kernel(SYS_setresuid, real, effective, saved, 0, 0)); }
int setresgid(gid_t real, gid_t effective, gid_t saved) { return (int)checked(kernel(SYS_setresgid, real, effective, saved, 0, 0)); }

int getrlimit(__rlimit_resource_t what, struct rlimit *limit) {
  return (int)checked(kernel(SYS_prlimit64, 0, what, 0, (long)limit, 0));
}
int setrlimit(__rlimit_resource_t what, const struct rlimit *limit) {
  return (int)checked(kernel(SYS_prlimit64, 0, what, (long)limit, 0, 0));
}

int isatty(int fd) {
  char attributes[256];
  return kernel(SYS_ioctl, fd, TCGETS, (long)attributes, 0, 0) == 0;
}

pid_t tcgetpgrp(int fd) {
  int group = 0;
  return checked(kernel(SYS_ioctl, fd, TIOCGPGRP, (long)&group, 0, 0)) < 0 ? -1 : group;
}

int tcsetpgrp(int fd, pid_t group) { return (int)checked(kernel(SYS_ioctl, fd, TIOCSPGRP, (long)&group, 0, 0)); }

int raise(int signal_number) { return (int)checked(kernel(SYS_kill, getpid(), signal_number, 0, 0, 0)); }

/* SIG_DFL alone: all of the kernel's structure is zero. */
__sighandler_t signal(int signal_number, __sighandler_t handler) {
  long action[8] = {(long)handler};
  return kernel(SYS_rt_sigaction, signal_number, (long)action, 0, KERNEL_SIGSET_BYTES, 0) < 0 ? SIG_ERR : SIG_DFL;
}

int sigemptyset(sigset_t *set) {
  memset(set, 0, sizeof *set);
  return 0;
}

int sigaddset(sigset_t *set, int signal_number) {
  *(unsigned long *)set |= 1UL << (signal_number - 1);
  return 0;
}

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old) {
  return (int)checked(kernel(SYS_rt_sigprocmask, how, (long)set, (long)old, KERNEL_SIGSET_BYTES, 0));
}
