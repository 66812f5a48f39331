/* Short integer names, compiler attributes and the few macros that every file of Keep uses. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef NDEBUG
#error "assertions guard invariants of the gate; they stay on in every build"
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef double f64;

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _must_use_     __attribute__((warn_unused_result))
#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _noreturn_     __attribute__((noreturn))
#define _unused_       __attribute__((unused))
#define ARRAY_LEN(a)   (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)      ((a) < (b) ? (a) : (b))
#define MAX(a, b)      ((a) > (b) ? (a) : (b))
#define DIV_UP(a, b)   (((a) + (b)-1) / (b))
#define ALIGN_UP(x, a) (((x) + (a)-1) / (a) * (a))
/* For fixed-size frames and formats: the compiler proves the byte count. */
#define SIZE_PIN(s, n) static_assert(sizeof(struct s) == (n), "struct " #s " is not " #n " bytes")
