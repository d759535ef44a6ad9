// One turn of a loop that waits for another core.
#ifndef PV_BASE_PAUSE_H
#define PV_BASE_PAUSE_H

// Makes the core wait a little, some 10 to 50 ns, and leaves its shared parts to others.
static inline void pv_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    // The architecture's own "yield" does nothing on most cores; this takes about as long as
    // the pause of an x86 core.
    __asm__ volatile("isb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

#endif
