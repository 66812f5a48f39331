#!/bin/sh
# Instructions of keepd for each request, which no neighbour on the machine changes: profile.sh BUILD [CLIENTS]
# A commit's own cost is shared by the requests that it lets go, so the number of clients is part of the figure. Leaves BUILD/callgrind.out.
set -eu
build=$(cd "$1" && pwd)
out=$build/callgrind.out
rm -f "$out"
cat > "$build/keepd-callgrind" <<END
#!/bin/sh
case " \$* " in
*" --run "*) exec valgrind -q --tool=callgrind --callgrind-out-file=$out $build/tests/bench/log/keepd_open "\$@" ;;
esac
exec $build/tests/bench/log/keepd_open "\$@"
END
chmod +x "$build/keepd-callgrind"
KEEP_BENCH_CLIENTS=${2:-16} "$build/tests/bench/log/bench_clients" "$build/keepd-callgrind" "$build/tests/bench/log/libslow_sync.so"
callgrind_annotate --inclusive=yes --threshold=100 "$out" > "$out.txt"
requests=$(awk '/=>.*begin_frame \([0-9]+x\)/ { n = $0; sub(/.*\(/, "", n); s += n + 0 } END { print s }' "$out.txt")
for f in keepd_serve begin_frame on_outcome insert keepd_turn_end conn_flush; do
	awk -v f="$f" -v n="$requests" '$0 ~ ":" f " \\[" { gsub(",", "", $1); printf "%-16s %8.0f instructions a request\n", f, $1 / n; exit }' "$out.txt"
done
