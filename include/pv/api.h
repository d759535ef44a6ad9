// Marks what the library exports.
#ifndef PV_API_H
#define PV_API_H

#define PV_API __attribute__((visibility("default")))

#endif
