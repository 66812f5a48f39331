#!/bin/sh
# units.sh BUILD: systemd finds nothing wrong with any unit, and each service's exposure, as systemd-analyze reckons it, stays at or
# below its threshold, in tenths. Every setting that a service does without is explained in the unit.
set -u
build=$1
bad=0
fault() { echo "$1"; bad=$((bad + 1)); }

# A machine that does not run Debian may do without systemd, and nothing else reads these files as it does; tests/run installs it where it can.
command -v systemd-analyze >/dev/null || { echo "skipped: systemd-analyze is not installed"; exit 77; }
systemd=$(cd "$(dirname "$0")/../packaging/systemd" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# unit, the highest exposure times ten
while read -r unit most; do
	[ -f "$build/packaging/$unit" ] || { fault "$unit: not configured"; continue; }
	systemd-analyze security --offline=true --no-pager --threshold="$most" "$build/packaging/$unit" >"$work/out" 2>&1 ||
		fault "$unit: $(grep -o 'Overall exposure.*: [0-9.]*' "$work/out" || tail -1 "$work/out"), not $most tenths at most"
done <<-END
	keepd.service 3
	keep-attest@.service 1
	keep-runtime.service 5
	keep-gateway.service 4
	keep-tpm.service 11
END
# with the profile of each vendor's GPU, which may loosen the runtime by so much and no more
while read -r vendor most; do
	{ cat "$build/packaging/keep-runtime.service" && cat "$systemd/gpu/$vendor.conf"; } >"$work/keep-runtime.service"
	systemd-analyze security --offline=true --no-pager --threshold="$most" "$work/keep-runtime.service" >"$work/out" 2>&1 ||
		fault "$vendor: $(grep -o 'Overall exposure.*: [0-9.]*' "$work/out" || tail -1 "$work/out"), not $most tenths at most"
	awk '/^#/ { why = 1; next } /^\[/ || /^$/ { next } !why && !/^(PrivateDevices|DeviceAllow|SupplementaryGroups)=/ { print; bad = 1 } END { exit !bad }' "$systemd/gpu/$vendor.conf" &&
		fault "$vendor: a relaxation without its reason"
done <<-END
	amd 7
	intel 7
	nvidia 7
END

# The programs are not installed where the units look for them: any program will do to read the rest.
for f in "$build"/packaging/*.service "$build"/packaging/*.socket; do
	sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$f" >"$work/$(basename "$f")"
done
cp "$build/packaging/keep.slice" "$work/"
for f in "$work"/*.service "$work"/*.socket "$work"/*.slice; do
	SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no "$f" >"$work/out" 2>&1 || fault "$(basename "$f"): does not verify"
	grep -F "$work/" "$work/out" && fault "$(basename "$f"): has a line that systemd does not understand"
done
# A user's description holds no colon: it becomes a field of /etc/passwd.
sed -n 's/^u[^"]*"\([^"]*\)".*/\1/p' "$systemd/keep.sysusers" | grep ':' && fault "keep.sysusers: a colon in a description"
[ $bad = 0 ] || exit 1
