/*
 * What the files of the addon share: how to answer JavaScript.
 */
#pragma once
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <node_api.h>

#include "kernel.h"

static inline napi_value number(napi_env env, long value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

static inline napi_value boolean(napi_env env, int value) {
  napi_value result = NULL;
  napi_get_boolean(env, value != 0, &result);
  return result;
}

/* Reads `count` numbers from the call; what is missing or no number is 0, which none of the calls below accepts. */
static inline void arguments(napi_env env, napi_callback_info info, size_t count, int32_t *values) {
  napi_value given[2];
  napi_get_cb_info(env, info, &count, given, NULL, NULL);
  for (size_t i = 0; i < count; i++) {
    values[i] = 0;
    napi_get_value_int32(env, given[i], &values[i]);
  }
}

static inline void export(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function = NULL;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function);
  napi_set_named_property(env, exports, name, function);
}

/* The functions of the other files. */
void export_ask(napi_env env, napi_value exports);
void export_lines(napi_env env, napi_value exports);
void export_listeners(napi_env env, napi_value exports);
