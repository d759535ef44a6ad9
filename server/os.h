// What differs between platforms for a socket server, one interface for os_linux.c and
// os_darwin.c. Every file descriptor made here is closed on exec.
#ifndef PV_SERVER_OS_H
#define PV_SERVER_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// Monotonic time.
uint64_t pv_server_os_now_ns(void);

// A Unix stream socket, or -1 with errno.
int pv_server_os_socket(void);

// accept(), non-blocking. -1 with errno.
int pv_server_os_accept(int listener);

// A pipe whose both ends are non-blocking; fds[0] reads. Failure: false with errno.
bool pv_server_os_pipe(int fds[2]);

// Two connected sockets that keep messages apart; both are non-blocking. Failure: false with errno.
bool pv_server_os_message_pair(int fds[2]);

// sendmsg() and recvmsg() that neither block nor raise SIGPIPE. -1 with errno.
ssize_t pv_server_os_send(int fd, const struct msghdr *message);
ssize_t pv_server_os_receive(int fd, struct msghdr *message);

// Sends two messages by one call where there is one; `sent` becomes the bytes of each that went
// out, {0, 0} if none did, for whatever reason.
void pv_server_os_send_two(int fd, const struct msghdr messages[2], size_t sent[2]);

// Whether [offset, offset + size) is memory that whoever made `fd` cannot take away any more.
bool pv_server_os_is_fixed_memory(int fd, uint64_t offset, uint64_t size);

// Takes a mapping away from processes that are forked from now on. Failure: false.
bool pv_server_os_keep_from_children(void *memory, uint64_t size);

// Prepares a connected socket for pv_server_os_send().
void pv_server_os_prepare(int socket);

// Makes pv_server_os_look() see what it has not seen before. False: not on this platform.
bool pv_server_os_look_ahead(int socket);
// As pv_server_os_receive(), but what was received stays there to be received again.
ssize_t pv_server_os_look(int fd, struct msghdr *message);

// A descriptor that is readable however often the other side reads it, as far as the platform
// can; -1 with errno. For one client only: its peer shares its state.
int pv_server_os_signalled_fd(void);

// Whether clients can be served by worker processes here.
bool pv_server_os_has_workers(void);

// A descriptor that becomes readable once the child process `pid` is dead, whatever it does with
// its own. -1 with errno.
int pv_server_os_watch_process(pid_t pid);

// An empty file in memory, for one process to write and another to read. -1 with errno.
int pv_server_os_memory(void);

// Gives up the terminal of this process, if it has one, and stays in its session: Linux schedules
// sessions as groups, and a yield, by which a guest's thread lends its core to ours, does not leave
// its group.
void pv_server_os_leave_terminal(void);

// Shows `name` in process lists, best effort.
void pv_server_os_name_process(const char *name);

// Visits the passive libraries of this process by their paths: large ones of Vulkan drivers that
// hold nothing but code and tables, start no thread and open nothing, so that a process may load
// them before it forks.
void pv_server_os_visit_passive_libraries(void (*visit)(void *user, const char *path), void *user);
// Loads a library for good, best effort.
void pv_server_os_load_library(const char *path);

// Gives the heap's unused pages back to the system, as far as the platform can.
void pv_server_os_trim_heap(void);

#endif
