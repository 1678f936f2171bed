/*
 * Lines of services on their way out, as src/host/output-format.ts says it: sixteen bytes at a time while nothing in them is
 * special. What has no room, or is not for here, is left to that file.
 */
#include "addon.h"

#include <errno.h>

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

void export_lines(napi_env env, napi_value exports) {
  export(env, exports, "prefixLines", prefix_lines);
  export(env, exports, "jsonLines", json_lines);
}
