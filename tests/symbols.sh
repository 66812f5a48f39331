#!/bin/sh
# symbols.sh BUILD: no program of ours imports a resolver, an HTTP client or anything that speaks to a network, and every global
# name of our libraries begins as its folder says.
set -u
build=$1
bad=0
programs="attest/keep-attest audit/keepd runtime/keep-runtime appliance/cli/keep"
never='getaddrinfo|freeaddrinfo|getnameinfo|gethostby[a-z0-9_]*|gethostent|getservby[a-z_]*|getnetby[a-z_]*|gai_[a-z]*'
never="$never|__?res_[a-z]*|res_[a-z]*|ns_[a-z_]*|dn_(comp|expand)|inet_[a-z]*|curl_.*|soup_.*|ne_[a-z_]*|nghttp2_.*|evhttp_.*"
never="$never|OSSL_HTTP_.*|BIO_(s_connect|new_connect|s_accept|new_accept|s_socket|connect|lookup|lookup_ex)|SSL_[a-z_]*|sd_resolve_.*"
never="$never|getpwnam.*|getpwuid.*|getgrnam.*|getgrgid.*|popen|system|wordexp"

fault() { echo "$1"; bad=$((bad + 1)); }

for p in $programs; do
	f=$build/$p
	[ -x "$f" ] || { fault "$p: not built"; continue; }
	names=$(nm -D --undefined-only "$f" | awk '{sub(/@.*/, "", $2); print $2}') || fault "$p: nm failed"
	found=$(printf '%s\n' "$names" | grep -xE "$never" | tr '\n' ' ')
	[ -z "$found" ] || fault "$p: imports $found"
	libs=$(readelf -d "$f" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -E '^lib(curl|soup|ssl|nghttp|event|resolv|anl|gnutls|neon|cups)' | tr '\n' ' ')
	[ -z "$libs" ] || fault "$p: is linked with $libs"
done

# library | what its global names begin with
while read -r lib prefix; do
	f=$(find "$build" -name "$lib" -not -path '*/tests/*' | head -n 1)
	[ -n "$f" ] || continue
	found=$(nm -g --defined-only "$f" 2>/dev/null | awk 'NF == 3 {print $3}' | grep -vE "^($prefix)|^__(asan|odr_asan|gcov|llvm|start|stop)" | sort -u | tr '\n' ' ')
	[ -z "$found" ] || fault "$lib: global names without its prefix: $found"
done <<END
libbase.a err_|fd_|free_ptr|bytes_|ipc_|jsonw_|arena_|sha256_|segments_|layout_|tensor_|request_
libdaemon.a daemon_|sandbox_
libattest.a attest_
libaudit.a audit_
libruntime.a rt_|gpu_|op_|tok_|model_
libchat.a chat_
END
# the fence can fall: libc's own resolver is found when it is looked for
printf 'getaddrinfo\nres_search\ncurl_easy_init\n' | grep -cxE "$never" | grep -qx 3 || fault "the pattern finds nothing"
echo "$bad faults"
[ $bad = 0 ]
