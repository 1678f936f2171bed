/*
 * guard: kills what tandem leaves behind when it is killed itself.
 *
 * The kernel can kill a child with its parent, but not what that child has started. So tandem, where it is not PID 1, runs
 * this program beside its services and tells it on stdin which process groups are alive: "+GROUP\n" and "-GROUP\n". When
 * stdin ends, tandem is gone, and every group that is left gets SIGKILL. After an orderly end none is left.
 *
 * It is there as long as tandem is, so it has no libc: that alone would be most of its memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"

enum { PAGE = 65536 }; /* a multiple of every page size */

static int32_t *groups;
static size_t count, bytes;

static _Noreturn void leave(int code) {
  for (;;) kernel(SYS_exit_group, code, 0, 0, 0, 0);
}

static void add(int32_t group) {
  if ((count + 1) * sizeof *groups > bytes) {
    size_t more = bytes + PAGE;
    long at = bytes == 0 ? kernel6(SYS_mmap, 0, (long)more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                         : kernel(SYS_mremap, (long)groups, (long)bytes, (long)more, MREMAP_MAYMOVE, 0);
    if (at < 0 && at > -4096) leave(1);
    groups = (int32_t *)at;
    bytes = more;
  }
  groups[count++] = group;
}

static void take_off(int32_t group) {
  for (size_t i = 0; i < count; i++)
    if (groups[i] == group) groups[i--] = groups[--count];
}

/* One character of what tandem says. */
static void hear(char character) {
  static char sign;
  static int32_t group;
  if (character == '+' || character == '-') {
    sign = character;
    group = 0;
  } else if (character >= '0' && character <= '9') {
    group = group * 10 + (character - '0');
  } else if (group > 1) { /* kill(-1) is the whole machine */
    if (sign == '+') add(group);
    if (sign == '-') take_off(group);
    group = 0;
  }
}

static _Noreturn __attribute__((used)) void run(void) {
  /* Whatever ends tandem must not end this program first. */
  uint64_t ignored = 1ULL << (SIGTERM - 1) | 1ULL << (SIGINT - 1) | 1ULL << (SIGHUP - 1);
  kernel(SYS_rt_sigprocmask, SIG_BLOCK, (long)&ignored, 0, sizeof ignored, 0);
  char text[256];
  for (;;) {
    long length = kernel(SYS_read, STDIN_FILENO, (long)text, sizeof text, 0, 0);
    if (length == -EINTR) continue;
    if (length <= 0) break;
    for (long i = 0; i < length; i++) hear(text[i]);
  }
  for (size_t i = 0; i < count; i++) kernel(SYS_kill, -groups[i], SIGKILL, 0, 0, 0);
  leave(0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call run\n");
#else
__asm__(".globl _start\n_start: mov x29, #0\n bl run\n");
#endif
