import { describe, expect, test } from 'vitest';
import { readHeader } from './read_headers.js';

/** Of every kind of declaration that the headers have. */
const HEADER = `
/* lamp_old() is a comment, and so is { this } */
#ifndef _LAMP_H_
#define _LAMP_H_
#ifdef __cplusplus
extern "C" {
#endif
ESP_EVENT_DECLARE_BASE(LAMP_EVENT);
#define LAMP_DEFAULT_CONFIG() {   \\
    .level = LAMP_LOW,            \\
}
#define LAMP_ERR_BASE (0xb000) /* of the errors */
#define LAMP_ERR_HOT  (LAMP_ERR_BASE +  2)
#define LAMP_NAME "a lamp"
#define LAMP_ANY INT_MAX
#define LAMP_LEN CONFIG_LAMP_LEN
#if NEW
#define LAMP_FEATURE 1
#else
#define LAMP_FEATURE 0
#endif
typedef enum {
    LAMP_LOW = 1,  // first
    LAMP_HIGH,
    LAMP_OFF = -1,
} lamp_level_t;
typedef void *lamp_handle_t;
typedef int (*lamp_fn_t)(lamp_handle_t lamp, int level);
typedef void lamp_event_cb(int event);
typedef other_callback lamp_select_cb;
typedef struct lamp_config {
    lamp_level_t level;
    const char name[LAMP_LEN + 1];
    int (*on_hot)(void *ctx);
#if CONFIG_LAMP
    void **list;
#endif
} lamp_config_t;
struct lamp_state { int watts; };
typedef struct lamp_state lamp_state_t;
int lamp_start(lamp_handle_t *lamp,
               const lamp_config_t *config);
void *lamp_get_ctx(lamp_handle_t lamp);
static inline int lamp_stop(lamp_handle_t lamp) {
    return lamp_start(lamp, NULL);
}
#ifdef __cplusplus
}
#endif
#endif
`;

describe('a header', () => {
  const names = readHeader(HEADER, 'menu "Lamp"\n  config LAMP_LEN\n    int "config of nothing"\n  menuconfig LAMP\n');

  test('functions, also those of macros and inline ones', () => {
    expect([...names.functions].sort()).toEqual(['LAMP_DEFAULT_CONFIG', 'lamp_get_ctx', 'lamp_start', 'lamp_stop']);
  });

  test('constants with their values; null where there is none, or two', () => {
    expect(names.constants).toEqual({
      LAMP_EVENT: null,
      LAMP_ERR_BASE: 0xb000,
      LAMP_ERR_HOT: 0xb002,
      LAMP_NAME: 'a lamp',
      LAMP_ANY: 2 ** 31 - 1,
      LAMP_LEN: null,
      LAMP_FEATURE: null,
      LAMP_LOW: 1,
      LAMP_HIGH: 2,
      LAMP_OFF: -1,
    });
  });

  test('structs by the names of their types, with pointers to functions and lists among their fields', () => {
    expect(names.fields).toEqual({ lamp_config_t: ['level', 'name', 'on_hot', 'list'], lamp_state_t: ['watts'] });
  });

  test('types, those of functions apart, and Kconfig', () => {
    expect(names.types).toEqual(['lamp_level_t', 'lamp_config_t', 'lamp_handle_t', 'lamp_state_t']);
    expect(names.callbacks).toEqual(['lamp_fn_t', 'lamp_event_cb', 'lamp_select_cb']);
    expect(names.kconfig).toEqual(['CONFIG_LAMP_LEN', 'CONFIG_LAMP']);
  });
});
