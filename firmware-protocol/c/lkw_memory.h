/* The one function of the C library that is used, declared here so that no libc header is needed (C99 7.1.4). */
#ifndef LKW_MEMORY_H
#define LKW_MEMORY_H
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);

#endif
