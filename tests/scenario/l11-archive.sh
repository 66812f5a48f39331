#!/bin/sh
# A period of the log goes to a medium of its own, is verified there without the appliance for ever, and no byte of it can be another one.
. "$(dirname "$0")/lib.sh"
expect 0 keep init
vkey=$(tail -n 1 "$out")
more() { # N records: reading the log is one
	for i in $(seq "$1"); do
		keep audit show 1 >/dev/null || fail "records"
	done
}
w() { keep witness "$@" --state "$work/w"; }
w init --name example.org/w >"$work/v" || fail "witness init"
w add "$vkey" || fail "witness add"
printf 'witness one %s\nquorum one\n' "$(cat "$work/v")" >"$work/witnesses"
printf 'log %s\nquorum none\n' "$vkey" >"$work/trust"
start_up
more 30

# without a witness: archived, with a word of warning
expect 0 keep audit archive 2..20 "$work/alone" --json
says 'no quorum of witnesses'
expect 0 keep tlog fsck "$work/alone" --policy "$work/trust" --json
[ "$(member "$out" archive)" = true ] && [ "$(member "$out" from)" = 0 ] || fail "not the archive's range"

# with one: the cosigned checkpoint goes along, and a policy that wants the witness is content
expect 0 keep audit witnesses "$work/witnesses" --reason 'the second office'
more 300
expect 0 keep audit checkpoint --old 0 --out "$work/request"
expect 0 w sign "$work/request" --out "$work/signed"
expect 0 keep audit cosign "$work/signed"
more 20
expect 0 keep audit archive 0..256 "$work/shelf" --label 'shelf 4, disk 2' --json
archive=$(member "$out" archive)
digest=$(member "$out" digest)
[ "$(member "$out" to)" = 256 ] || fail "not the range that was wanted"
(cd "$work/shelf" && sha256sum --quiet -c SHA256SUMS) || fail "sums"
[ "$(sha256sum <"$work/shelf/SHA256SUMS" | cut -d ' ' -f 1)" = "$digest" ] || fail "not the digest of the sums"
expect 0 keep audit show "$archive" --json
[ "$(member "$out" digest)" = "$digest" ] || fail "the record names another digest"
cat "$work/shelf/policy" >"$work/policy"
says_not 'no quorum'
[ ! -e "$work/shelf/tile/entries/001.p" ] && [ ! -e "$work/shelf/tile/0/001" ] || fail "more than the range"
expect 0 keep retention show
says "$archive .*shelf 4, disk 2"
expect 1 keep audit archive 0..256 "$work/shelf"
says 'already'
# nothing is added to an archive, neither by an archive nor by an export
expect 1 keep audit export --tiles "$work/shelf"
says 'to which nothing is added'
expect 0 sh -c "cd $work/shelf && sha256sum --quiet -c SHA256SUMS"
expect 1 keep audit archive 0..99999 "$work/none"
expect 2 keep audit archive 5..5 "$work/none"
expect 2 keep audit archive nonsense "$work/none"
expect 1 keep audit prune "$archive" --reason 'kept long enough'
says 'two people'
expect 2 keep audit prune everything
expect 0 keep audit verify
stop_up

# the appliance is gone; the archive speaks for itself
mv "$KEEP_ROOT" "$work/gone"
expect 0 keep tlog fsck "$work/shelf" --policy "$work/policy" --json
[ "$(member "$out" witnesses)" = 1 ] && [ "$(member "$out" to)" = 256 ] || fail "the witness does not count"
expect 0 keep tlog fsck "$work/shelf" --policy "$work/policy" --older "$work/signed"
for file in $(cd "$work/shelf" && find . -type f ! -name SHA256SUMS ! -name policy); do
	flip "$work/shelf/$file" 7
	expect 1 keep tlog fsck "$work/shelf" --policy "$work/policy"
	expect 1 sh -c "cd $work/shelf && sha256sum --quiet -c SHA256SUMS"
	flip "$work/shelf/$file" 7
done
expect 0 keep tlog fsck "$work/shelf" --policy "$work/policy"
