#!/bin/sh
# Two officers, an operator, an auditor and a stranger, each a user of their own: roles, proposals, signatures, and what the log says.
. "$(dirname "$0")/lib.sh"
# The command line is whoever runs it, and only root can be several users. (tests/faults/test_people plays them to keepd without that.)
[ "$(id -u)" = 0 ] || skip "only root can become several users"
command -v setpriv >/dev/null || skip "setpriv is not there: not a Linux with util-linux"
appliance
printf '[policy]\nversion = 1\ntwo-persons = export\n[models *]\nrequire = 1 any\nlicence = any\n' >"$work/policy"
expect 0 keep policy set "$work/policy"
etc=$work/etc
mkdir "$etc"
printf 'keep-user:x:61001:\nkeep-operator:x:61002:\nkeep-officer:x:61003:\nkeep-auditor:x:61004:\n' >"$etc/group"
chmod 755 "$work" "$KEEP_ROOT" "$KEEP_ROOT/run"

# keepd as systemd would start it: with its socket, for several users
cat >"$work/start.py" <<'END'
import os, socket, sys
keepd, store, run, etc = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.chdir(run)
if os.path.exists("ctl.sock"): os.unlink("ctl.sock")
s.bind("ctl.sock"); os.chmod("ctl.sock", 0o666); s.listen(64)
os.dup2(os.dup2(s.fileno(), 10), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
os.execv(keepd, [keepd, "--store", store, "--run", run, "--etc", etc, "--journal", "/nonexistent"])
END
start() {
	rm -f "$KEEP_ROOT"/run/*.sock # what keep up left, which is only for its user
	$python "$work/start.py" "$KEEP_BUILD/audit/keepd" "$KEEP_ROOT/store" "$KEEP_ROOT/run" "$etc" 2>"$work/keepd.log" &
	keepd=$!
	trap 'kill $keepd 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
	wait_for '[ -S "$KEEP_ROOT/run/ctl.sock" ]' keepd
}
as() { # UID:GID COMMAND...
	who=$1
	shift
	setpriv --reuid "${who%:*}" --regid "${who#*:}" --clear-groups "$KEEP_BUILD/appliance/cli/keep" "$@"
}
alice=61101:61003 bob=61102:61003 carol=61104:61004 dave=61105:61002 mallory=61106:61106
start

expect 1 as $mallory status
says 'uid 61106 may not: it is in none of the groups'
expect 0 as $dave status
says 'users +by group and enrolment'
expect 1 as $dave audit ls
says 'it takes the role officer or auditor'
expect 0 as $carol audit ls
expect 1 as $carol revoke demo
expect 0 as $alice role ls
says 'group keep-officer +61003 +officer'
expect 0 as $alice audit events
says '31 +propose +intent +[0-9a-f]{28}001f +Something that needs two people'

# a person with a key: proposed by one, approved by the other
umask 022
keep role key bob --out "$work/bob.key" >"$work/bob.vkey" 2>/dev/null || fail "role key"
chown 61102 "$work/bob.key"
keep role key eve --out "$work/eve.key" >/dev/null 2>&1
chown 61102 "$work/eve.key"
expect 0 as $alice role add bob --uid 61102 --role officer --vkey "$(cat "$work/bob.vkey")" --reason 'as agreed'
says 'proposed: another officer says keep approve [0-9]+, within 7 days'
index=$(grep -oE 'approve [0-9]+' "$err" | cut -d' ' -f2)
expect 0 as $dave pending
says "^$index +role-add +bob +61101"
says 'person_uid +61102$'
says 'roles *$'
says '^ +officer$'
says "vkey +$(sed 's/+.*//' "$work/bob.vkey")[+]"
expect 1 as $alice approve "$index"
says 'whoever proposed it cannot approve it'
expect 1 as $dave approve "$index"
expect 0 as $bob approve "$index" --reason 'seen'
says 'approved and done, record'
expect 1 as $bob approve "$index"

# from then on bob signs, with that key and no other
expect 0 as $alice propose rotate --reason 'every year' --json
[ "$(member "$out" proposed)" = true ] || fail "a proposal is not told from an act"
index=$(member "$out" index)
expect 1 as $bob approve "$index"
says 'must sign this'
expect 1 as $bob approve "$index" --sign-with "$work/eve.key"
says 'the signature does not hold'
old=$(cat "$KEEP_ROOT/store/keys/log.vkey")
expect 0 as $bob approve "$index" --sign-with "$work/bob.key" --json
[ "$(member "$out" index)" -gt "$index" ] || fail "an approval names no record"
[ "$(cat "$KEEP_ROOT/store/keys/log.vkey")" != "$old" ] || fail "the log has its old key"
expect 0 as $carol audit ls --json --last 8
says '"auth":"signature","role":"officer","person":"bob","signed":"[0-9a-f]{64}","signature":"[0-9a-f]{128}"'
says '"event":"key".*"proposal":'"$index"
# an excerpt from before and behind the new key is judged by the new one; an auditor takes it, an operator may not
mkdir -m 777 "$work/excerpts"
verify="$KEEP_BUILD/audit/verify/keep-audit-verify"
expect 1 as $dave audit evidence 0..9 "$work/excerpts/none"
expect 0 as $carol audit evidence 0..9 "$work/excerpts/e"
expect 0 "$verify" evidence "$work/excerpts/e" --vkey "$(cat "$KEEP_ROOT/store/keys/log.vkey")"
expect 0 $python "$KEEP_SOURCE/audit/verify/verify.py" "$work/excerpts/e" --vkey "$(cat "$KEEP_ROOT/store/keys/log.vkey")"
expect 1 "$verify" evidence "$work/excerpts/e" --vkey "$old"
expect 1 as $dave audit sign-off 0..9 --vkey "$(cat "$work/bob.vkey")" --out "$work/excerpts/draft" --remark "no auditor"
says "it takes the role"

# a model leaves, once, to whom two people have allowed it
tar=$work/excerpts/demo.tar
expect 1 as $carol export demo "$tar"
says 'it takes the role operator'
expect 1 as $dave export demo "$tar" --label 'stick 7'
says 'proposed: another officer says keep approve [0-9]+'
index=$(grep -oE 'approve [0-9]+' "$err" | cut -d' ' -f2)
expect 1 as $dave export demo "$tar" --label 'stick 7'
says "proposal $index waits already"
expect 1 as $dave approve "$index"
expect 0 as $alice approve "$index"
[ ! -e "$tar" ] || fail "it left before it was allowed"
expect 0 as $dave export demo "$tar" --label 'stick 7'
expect 0 keep verify "$tar" --key "$work/pub.pub.pem"
expect 1 as $dave export demo "$work/excerpts/again.tar"
says 'proposed: '
expect 0 as $dave reject "$(grep -oE 'approve [0-9]+' "$err" | cut -d' ' -f2)"
expect 0 as $carol audit ls --json --last 12
says '"event":"export-allow".*"person_uid":61105'
says '"event":"export",.*"label":"stick 7"'

# revoked by one, lifted by two; and taken back
expect 0 as $alice revoke demo --reason 'a rumour'
expect 0 as $alice propose lift demo --reason 'it was none'
index=$(grep -oE 'approve [0-9]+' "$err" | cut -d' ' -f2)
expect 0 as $alice reject "$index" --reason 'not yet'
expect 0 as $bob propose lift demo --sign-with "$work/bob.key"
index=$(grep -oE 'approve [0-9]+' "$err" | cut -d' ' -f2)

# it waits across a restart
kill $keepd
wait $keepd 2>/dev/null
start
expect 0 as $dave status
says 'pending +1 proposals wait'
expect 0 as $alice approve "$index"
expect 0 as $dave show demo
says 'status +accepted'
expect 0 as $carol audit verify

# one user: nothing that takes two
kill $keepd
wait $keepd 2>/dev/null
expect 1 keep propose lift demo
says 'this appliance has one user'
expect 1 keep role add zoe --uid 1 --role user
expect 0 keep status
says 'one, who has all roles'
