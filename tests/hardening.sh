#!/bin/sh
# hardening.sh BUILD: every program is position-independent, binds and protects its tables before main, has stack canaries, no
# executable stack, no path of this machine to look for libraries in, and on x86-64 our objects are marked for
# shadow stacks and indirect branch tracking.
set -u
build=$1
bad=0
fault() { echo "$1"; bad=$((bad + 1)); }

for p in attest/keep-attest audit/keepd runtime/keep-runtime appliance/cli/keep appliance/gateway/keep-gateway; do
	f=$build/$p
	[ -x "$f" ] || { fault "$p: not built"; continue; }
	head=$(LC_ALL=C readelf -hW "$f") segments=$(LC_ALL=C readelf -lW "$f") dynamic=$(LC_ALL=C readelf -dW "$f")
	echo "$head" | grep -q 'Type:.*DYN' || fault "$p: not position-independent"
	echo "$dynamic" | grep -q 'FLAGS_1.*PIE' || fault "$p: not marked PIE"
	echo "$dynamic" | grep -Eq 'BIND_NOW|FLAGS_1.*NOW' || fault "$p: binds lazily"
	echo "$segments" | grep -q GNU_RELRO || fault "$p: no RELRO"
	echo "$segments" | grep 'GNU_STACK' | grep -q 'RW ' || fault "$p: executable stack"
	echo "$segments" | grep -E '^ *LOAD' | grep -q 'RWE' && fault "$p: a segment is writable and executable"
	echo "$dynamic" | grep -Eq 'RPATH|RUNPATH' && fault "$p: has a library path of its own"
	echo "$dynamic" | grep -q TEXTREL && fault "$p: relocates its text"
	nm -D --undefined-only "$f" | grep -q '__stack_chk_fail' || fault "$p: no stack canaries"
	nm -D --undefined-only "$f" | grep -Eq '__[a-z]+_chk' || fault "$p: not fortified"
done
# A program is marked for CET only when libc's start files are; ours must not be what is missing.
if readelf -hW "$build/audit/keepd" 2>/dev/null | grep -q 'X86-64'; then
	for lib in $(find "$build" -name 'lib*.a' -not -path '*/tests/*'); do
		objects=$(ar t "$lib" | grep -c '\.o$')
		marked=$(LC_ALL=C readelf -nW "$lib" 2>/dev/null | grep -c 'IBT.*SHSTK')
		[ "$marked" -ge "$objects" ] || fault "$lib: $marked of $objects objects are marked for CET"
	done
fi
echo "$bad faults"
[ $bad = 0 ]
