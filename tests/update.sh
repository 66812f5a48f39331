#!/bin/sh
# update.sh BUILD: keep update, with stand-ins for apt and systemd and a real gate that judges releases: one of an untrusted publisher and one with a
# changed package change nothing; the way there and back keeps one log; a version that does not install or is not well gives way to the old one; and
# a kill in the middle leaves the gate closed until the old one is back.
set -u
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
bad=0
fault() { echo "$1" && bad=$((bad + 1)); }
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/lib"
export KEEP_UPDATE="$work/state" KEEP_SUITE=bookworm KEEP_RUN="$work/app" KEEP_ROOT="$work/app" KEEP_LIBEXEC="$work/lib" HOME="$work" NO_COLOR=1
keep="$build/appliance/cli/keep"
for p in audit/keepd attest/keep-attest packaging/keep-update; do ln -s "$build/$p" "$work/lib/"; done
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1" && chmod +x "$work/bin/$1"; }
stand_in id 'echo 0'
stand_in dpkg ':'
stand_in dpkg-query "[ \$3 = keep ] && cat '$work/installed'"
stand_in setpriv 'while :; do case $1 in --*) shift 2 ;; *) break ;; esac; done; exec "$@"'
stand_in systemctl "echo \"\$@\" >>'$work/units'"
stand_in apt-get "
for last; do :; done
echo \"\${DBUS_SYSTEM_BUS_ADDRESS-the bus}\" >'$work/bus'
case \$last in
keep=*)
	[ -e '$work/state/pending' ] || echo 'installed without a note' >>'$work/wrong'
	case \" \$* \" in *' --reinstall '*) ;; *) echo 'a half unpacked package would be taken for whole' >>'$work/wrong' ;; esac
	[ \$last != keep=\$(cat '$work/kill' 2>/dev/null) ] || { rm '$work/kill'; echo half >'$work/installed'; kill -9 \$PPID; exit 1; }
	[ ! -e '$work/breaks.'\${last#keep=} ] || exit 100
	echo \${last#keep=} >'$work/installed' ;;
esac"
stand_in keep "[ \"\$1\" != doctor ] || { [ ! -e '$work/kill.'\$(cat '$work/installed') ] || kill -9 \$PPID; [ ! -e '$work/sick.'\$(cat '$work/installed') ]; exit; }; exec '$keep' \"\$@\""
export KEEP="$work/bin/keep" PATH="$work/bin:$PATH"
update() { "$keep" update "$@" >"$work/out" 2>"$work/err" </dev/null; }
is() { [ "$(cat "$work/installed")" = "$1" ] || fault "$2: $(cat "$work/installed") is installed, not $1"; }
said() { grep -q "$1" "$work/err" || { fault "not said: $1" && cat "$work/err"; }; }
well() { # after each step: the log is whole, and no note is left
	"$keep" audit verify >/dev/null 2>&1 || fault "$1: the log does not verify"
	[ ! -e "$work/state/pending" ] || fault "$1: a note is left"
}
medium() { # VERSION
	m=$work/m$1 && mkdir -p "$m/release" "$m/bookworm" "$m/trixie"
	echo "package $1" >"$m/bookworm/keep_$1.deb" && echo "tables $1" >"$m/bookworm/Packages" && echo x >"$m/trixie/keep_$1.deb"
	cp "$source/packaging/demo-model/demo.gguf" "$source/packaging/demo-model/LICENSE" "$source/packaging/demo-model/card.md" "$m/release/"
	(cd "$m" && sha256sum bookworm/* trixie/*) >"$m/release/SHA256SUMS" && echo "$1" >"$m/release/VERSION"
	"$keep" sign "$m/release" --key "$work/pub.key.pem" >/dev/null 2>&1 || fault "medium $1"
}

"$keep" init >/dev/null 2>&1 && "$keep" keygen --out "$work/pub" >/dev/null 2>&1 || fault "no appliance"
for v in 1 2 3 4 5 6 7; do medium $v; done
echo 1 >"$work/installed"
update apply "$work/m2" && fault "an update without a way back"
said 'no way back'
update adopt "$work/m2" && fault "another version than the installed one was adopted"
update adopt "$work/m1" || fault "adopt"
update rollback && fault "there is nothing to go back to"

update apply "$work/m2" && fault "a release of nobody was applied"
said 'refused by this machine'
is 1 'nobody trusted'
"$keep" trust add releases --key "$work/pub.pub.pem" --models 'keep-release-*' >/dev/null 2>&1 || fault trust
update apply "$work/m2" || { fault "apply" && cat "$work/err"; }
is 2 apply && well apply
grep -q '^enable --quiet keep-update.service' "$work/units" || fault "a loss of power would not be seen to"
"$keep" ls --json | grep -q '"name":"keep-release-2-' || fault "the log holds no release"
update apply "$work/m2" && fault "the same version twice"
update rollback || fault rollback
is 1 rollback && well rollback
update apply "$work/m2" || fault "once more"
is 2 'once more'

# what was signed is not what lies there
echo y >>"$work/m3/bookworm/keep_3.deb"
update apply "$work/m3" && fault "a changed package was applied"
is 2 'changed package'
medium 3 && echo x >"$work/m3/bookworm/more.deb"
update apply "$work/m3" && fault "a package that no list names was applied"
said 'no list names'
rm "$work/m3/bookworm/more.deb" && echo z >>"$work/m3/release/LICENSE"
update apply "$work/m3" && fault "a changed release was applied"
is 2 'changed release' && well 'changed release'
[ ! -d "$work/state/versions/3" ] || fault "a refused version was kept"

# it does not install; it is not well
: >"$work/breaks.4" && : >"$work/sick.5"
update apply "$work/m4" && fault "4 cannot be installed"
is 2 'cannot be installed' && well 'cannot be installed'
said '4 does not work here'
update apply "$work/m5" && fault "5 is not well"
is 2 'not well' && well 'not well'
said '5 does not work here'

# killed while packages change; the gate is closed until recover
echo 6 >"$work/kill"
update apply "$work/m6" && fault "a killed update ended well"
is half killed
[ "$(cat "$work/state/pending")" = '2 6 1' ] || fault "no note says from where to where, and what lay before"
tail -n 1 "$work/units" | grep -q '^stop' || fault "the sockets are open"
update apply "$work/m6" && fault "an update upon an interrupted one"
said 'recover first'
grep -q '^ConditionPathExists=!/var/lib/keep-update/pending' "$build/packaging/keepd.socket" || fault "keepd.socket opens although a note is there"
[ "$(cat "$work/bus")" = 'the bus' ] || fault "an update does not hold off a shutdown"
update recover || fault recover
[ "$(cat "$work/bus")" = unix:path=/nonexistent ] || fault "recover waits for a bus that does not run yet"
is 2 recover && well recover
update status && grep -q '^previous  1' "$work/out" || fault "recover forgot the way back"
update apply "$work/m6" || fault "after recover"
is 6 'after recover'
update status && grep -q '^previous  2' "$work/out" || fault "status"

# killed when the new version is in place and not looked at yet: it is whole, and there is a way back
: >"$work/kill.7"
update apply "$work/m7" && fault "an update that was killed late ended well"
rm "$work/kill.7"
is 7 'killed late' && well 'killed late'
update rollback || fault "no way back from a version that was not looked at"
is 6 'back from it' && well 'back from it'
[ ! -e "$work/wrong" ] || fault "$(cat "$work/wrong")"
echo "$bad faults"
[ $bad = 0 ]
