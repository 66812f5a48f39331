#!/bin/sh
# run.sh PROGRAM TABLES [new|loose|name|text ROW]: test_budget for every chip of the list whose driver and shim are here, each with the environment that makes the driver
# believe in it. KEEP_GPU_ROOT: a root that has newer ones (chroot, as root). `new` prints a table, `loose` what exactness costs, `name` what a table is to be called, `text` the forms of a row
# ("rms_norm base"). KEEP_CHIP: of that chip alone.
# 77: nothing here compiles for any chip of the list.
set -u
program=$1 tables=$2 what=${3:-} of=${4:-}
root=${KEEP_GPU_ROOT:-}
lib=/usr/lib/$(uname -m)-linux-gnu
icds=/usr/share/vulkan/icd.d
copy=
if [ -n "$root" ]; then
	copy=$(mktemp -d "$root/tmp/budget.XXXXXX") || exit 1
	trap 'rm -rf "$copy"' EXIT
	cp "$program" "$copy/test_budget"
	cp "$tables"/*.tsv "$copy/" 2>/dev/null
	program=${copy#"$root"}/test_budget tables=${copy#"$root"}
fi

# chip  driver  variable and value that name it  shim ("-": the driver does without)
chips='
vega10    radeon    AMDGPU_GPU_ID=vega10        amdgpu
navi10    radeon    AMDGPU_GPU_ID=navi10        amdgpu
navi21    radeon    AMDGPU_GPU_ID=navi21        amdgpu
navi31    radeon    AMDGPU_GPU_ID=navi31        amdgpu
gfx1201   radeon    AMDGPU_GPU_ID=gfx1201       amdgpu
turing    nouveau   NOUVEAU_CHIPSET=164         nouveau
ampere    nouveau   NOUVEAU_CHIPSET=172         nouveau
ada       nouveau   NOUVEAU_CHIPSET=192         nouveau
adreno660 freedreno FD_GPU_ID=660               freedreno
adreno740 freedreno FD_GPU_ID=740               freedreno
m1        asahi     KEEP_NONE=m1                asahi
vega10    radeon    RADV_FORCE_FAMILY=vega10    -
navi21    radeon    RADV_FORCE_FAMILY=navi21    -
navi31    radeon    RADV_FORCE_FAMILY=gfx1100   -
'

# Sets icd and shim; false: not here.
here() {
	icd=
	for f in "$icds/$1_icd.json" "$icds/$1_icd.$(uname -m).json"; do
		[ -f "$root$f" ] && icd=$f
	done
	shim=
	[ -n "$icd" ] || return 1
	[ "$2" = - ] && return 0
	shim=$lib/lib${2}_noop_drm_shim.so
	[ -f "$root$shim" ]
}

run() {
	if [ -n "$root" ]; then
		chroot "$root" env "$@"
	else
		env "$@"
	fi
}

ran=' ' bad=0
[ "$what" != new ] || printf '# kernel\tvariant\tchip\tregisters\tspills\tscratch\tshared\toccupancy\tinstructions\tcost\n'
while read -r chip driver named shim; do
	[ -n "$chip" ] && [ "${KEEP_CHIP:-$chip}" = "$chip" ] || continue
	case $ran in *" $chip "*) continue ;; esac
	here "$driver" "$shim" || continue
	set -- "$named" VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd" VK_LOADER_LAYERS_DISABLE='*'
	[ -z "$shim" ] || set -- "$@" LD_PRELOAD="$shim"
	name=$(run "$@" "$program" "$chip" name) || continue
	case $name in *Mesa*) ;; *) continue ;; esac
	ran="$ran$chip "
	if [ "$what" = name ]; then
		printf '%s: %s\n' "$chip" "$name"
		continue
	fi
	table=$(printf %s "$name" | sed 's/^\([^,]*\),.*Mesa \([0-9.]*\).*/\1_mesa-\2.tsv/')
	case $what in
	loose) set -- "$@" "$program" "$chip" loose ;;
	text) set -- "$@" "$program" "$chip" text "$of" ;;
	*) set -- "$@" "$program" "$chip" "$tables/$table" ${what:+"$what"} ;;
	esac
	run "$@" || bad=1
done <<END
$chips
END
if [ "$ran" = ' ' ]; then
	# Nothing to compile with can be had: Debian 12 has RADV's null device, Debian 13 the shims (mesa-drm-shim).
	echo "skipped: no driver here compiles for a chip that is not in this machine"
	exit 77
fi
exit $bad
