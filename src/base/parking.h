// Waiting for a word to change, on platforms that offer no such call: a fixed table of mutexes and
// condition variables, chosen by the word's address. Behind pv_os_wait() and pv_os_wake() of
// os_darwin.c, whose contracts these share; built everywhere for its test.
//
// The state is process-wide, as the kernel's own table would be: a word in one renderer must wake
// whoever waits for it. It holds no memory of ours and is never torn down.
#ifndef PV_BASE_PARKING_H
#define PV_BASE_PARKING_H

#include <stdint.h>

// Thread-safety: Safe.
void pv_parking_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void pv_parking_wake(const _Atomic uint32_t *word);

#endif
