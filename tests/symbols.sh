#!/bin/sh
# symbols.sh BUILD: no program of ours imports a resolver, an HTTP client or anything that speaks to a network, and every name that
# one folder uses of another begins as that folder's names do.
set -u
build=$1
bad=0
programs="attest/keep-attest audit/keepd runtime/keep-runtime appliance/cli/keep appliance/gateway/keep-gateway"
never='getaddrinfo|freeaddrinfo|getnameinfo|gethostby[a-z0-9_]*|gethostent|getservby[a-z_]*|getnetby[a-z_]*|gai_[a-z]*'
never="$never|__?res_[a-z]*|res_[a-z]*|ns_[a-z_]*|dn_(comp|expand)|inet_[a-z]*|curl_.*|soup_.*|ne_[a-z_]*|nghttp2_.*|evhttp_.*"
never="$never|OSSL_HTTP_.*|BIO_(s_connect|new_connect|s_accept|new_accept|s_socket|connect|lookup|lookup_ex)|SSL_(connect|new_session_ticket|set_connect_state)|TLS_(client_)?method|sd_resolve_.*"
never="$never|getpwnam.*|getpwuid.*|getgrnam.*|getgrgid.*|popen|system|wordexp"

fault() { echo "$1"; bad=$((bad + 1)); }

for p in $programs; do
	f=$build/$p
	[ -x "$f" ] || { fault "$p: not built"; continue; }
	names=$(nm -D --undefined-only "$f" | awk '{sub(/@.*/, "", $2); print $2}') || fault "$p: nm failed"
	found=$(printf '%s\n' "$names" | grep -xE "$never" | tr '\n' ' ')
	[ -z "$found" ] || fault "$p: imports $found"
	# libevent is the gateway's, of which the parts with loop, buffers and TLS alone; its sockets are what it inherits. TLS is, too: the server's end
	tls=$(printf '%s\n' "$names" | grep -E '^(SSL|TLS)_' | tr '\n' ' ')
	if [ "$p" = appliance/gateway/keep-gateway ]; then
		core='libevent_core-|libevent_openssl-|libssl\.'
	else
		core='^$'
		[ -z "$tls" ] || fault "$p: imports $tls"
	fi
	libs=$(readelf -d "$f" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE "$core" | grep -E '^lib(curl|soup|ssl|nghttp|event|resolv|anl|gnutls|neon|cups)' | tr '\n' ' ')
	[ -z "$libs" ] || fault "$p: is linked with $libs"
done

# folder | what the names begin with that other folders use
objects() { find "$build/$1" -maxdepth 3 -name '*.o' -path '*.p/*' 2>/dev/null; }
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
folders="appliance/base attest audit shaders runtime appliance/chat appliance/gateway appliance/cli"
for folder in $folders; do
	o=$(objects "$folder")
	key=$(echo "$folder" | tr / _)
	: >"$tmp/$key.has" && : >"$tmp/$key.wants"
	[ -n "$o" ] || continue
	# shellcheck disable=SC2086
	nm -g --defined-only $o | awk 'NF == 3 && $3 != "main" {print $3}' | sort -u >"$tmp/$key.has"
	# shellcheck disable=SC2086
	nm -g --undefined-only $o | awk '{print $NF}' | sort -u | comm -23 - "$tmp/$key.has" >"$tmp/$key.wants"
done
while read -r folder prefix; do
	key=$(echo "$folder" | tr / _)
	for other in "$tmp"/*.wants; do
		[ "$other" = "$tmp/$key.wants" ] && continue
		found=$(comm -12 "$tmp/$key.has" "$other" | grep -vE "^($prefix)|^_*(asan|ubsan|tsan)" | tr '\n' ' ')
		[ -z "$found" ] || fault "$folder: $(basename "$other" .wants) uses names without its prefix: $found"
	done
done <<END
appliance/base access_|facts_|quota_|arch_|build_time|err_|fd_|free_ptr|grammar_|bytes_|ipc_|json_shape|jsonw_|arena_|sha256_|segments_|layout_|tensor_|request_|daemon_|sandbox_
attest attest_
audit audit_|keepd_|tlog_
shaders ref_|shader_|kernel_|kernels_|exact_|rt_|op_|block_|pipeline_
runtime rt_|gpu_|op_|tok_|model_
appliance/chat chat_
appliance/gateway gateway_
appliance/cli cli_
END
# the fence can fall: libc's own resolver is found when it is looked for
printf 'getaddrinfo\nres_search\ncurl_easy_init\n' | grep -cxE "$never" | grep -qx 3 || fault "the pattern finds nothing"
echo "$bad faults"
[ $bad = 0 ]
