// pv-vm-guest: what tests/vm does inside of a virtual machine that no ordinary program does.
#ifndef VM_GUEST_H
#define VM_GUEST_H

#include <stdint.h>
#include <stdnoreturn.h>

// Each runs one command of pv-vm-guest and returns if all was right.
void vm_cycles(uint32_t count, uint64_t size);
void vm_upload(uint64_t size);
void vm_contexts(uint32_t count);
void vm_junk(const char *node, uint32_t count);
void vm_screenshot(const char *node, const char *path);

// Prints a reason and ends the program.
noreturn void vm_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t vm_now_ns(void);

#endif
