#!/bin/sh
# Edit, delete, reorder, insert or truncate rows of the log: audit verify fails and names the first bad index, and nothing is served.
. "$(dirname "$0")/lib.sh"
appliance
expect 0 keep run demo 'What is a ticket?'
base=$work/base
cp -a "$KEEP_ROOT" "$base"
sql() { # CODE with c = the connection, T = table of records, K, V = its columns
	$python - "$KEEP_ROOT/store/log.db" "$1" <<'PY' || fail "$1"
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("pragma wal_checkpoint(truncate)")
for (t,) in c.execute("select name from sqlite_master where type='table'").fetchall():
    cols = [r[1] for r in c.execute(f"pragma table_info({t})")]
    for v in cols:
        row = c.execute(f"select {v} from {t} limit 1").fetchone()
        data = row and row[0]
        if isinstance(data, bytes): data = data.decode("utf-8", "replace")
        if isinstance(data, str) and data.startswith('{"v":1,'):
            T, V, K = t, v, next(k for k in cols if k != v and c.execute(f"select {k} from {t} order by {k} limit 1 offset 3").fetchone()[0] == 3)
for name in [r[0] for r in c.execute("select name from sqlite_master where type='trigger'").fetchall()]:
    c.execute(f"drop trigger {name}")
def get(i): return c.execute(f"select {V} from {T} where {K}=?", (i,)).fetchone()[0]
def put(i, v): c.execute(f"update {T} set {V}=? where {K}=?", (v, i))
def sub(v, a, b): return v.replace(a.encode(), b.encode()) if isinstance(v, bytes) else v.replace(a, b)
exec(sys.argv[2])
c.commit()
c.close()
PY
}
bad() { # INDEX CODE: what is done to the log, and the first index that must be named
	chmod -R u+w "$KEEP_ROOT" && rm -rf "$KEEP_ROOT" && cp -a "$base" "$KEEP_ROOT"
	sql "$2"
	expect 1 keep audit verify --json
	[ "$(member "$out" ok)" = false ] || fail "$2: ok"
	[ "$(member "$out" first_bad)" = "$1" ] || fail "$2: first_bad $(member "$out" first_bad), not $1"
	expect 1 keep audit verify
	says "$1"
	expect 1 keep run demo 'What is a ticket?'
	[ -s "$out" ] && fail "$2: an answer from behind a shut gate"
	expect 1 keep trust rm pub
}
last=$($python -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print(max(c.execute(f"select count(*) from {t}").fetchone()[0] for (t,) in c.execute("select name from sqlite_master where type=\"table\"").fetchall()) - 1)' "$KEEP_ROOT/store/log.db")
bad 3 'put(3, sub(get(3), "time_ns\":1", "time_ns\":2"))'
bad 0 'put(0, sub(get(0), "init", "Init"))'
bad 5 'a, b = get(5), get(6); put(5, b); put(6, a)'
bad 4 'c.execute(f"delete from {T} where {K}=4")'
bad "$last" "put($last, sub(get($last), 'time_ns\":1', 'time_ns\":2'))"
bad "$last" "c.execute(f'delete from {T} where {K}=$last')"
bad 2 'c.execute(f"delete from {T} where {K}>=2")'
# a state row that no record speaks of: a key that nobody added
chmod -R u+w "$KEEP_ROOT" && rm -rf "$KEEP_ROOT" && cp -a "$base" "$KEEP_ROOT"
sql 'c.execute("delete from " + next(r[0] for r in c.execute("select name from sqlite_master where name like \"%trust%\" and type=\"table\"")))'
expect 1 keep audit verify
expect 1 keep import "$work/demo" --name more
