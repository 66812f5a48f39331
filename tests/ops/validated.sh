#!/bin/sh
# validated.sh core|sync|gpu PROGRAM ARGS: runs PROGRAM with the Vulkan validation layer between it, what it starts, and the driver, whatever they know of that, and fails on any word of
# the layer's. core: calls and objects; sync: also hazards between and within submissions; gpu: what shaders touch, by instrumenting them.
# validated.sh finds PROGRAM: the same must find what is wrong with PROGRAM's faults (with_fault.c), and nothing where nothing is.
#
# Which version can what, seen with those faults on Mesa's driver for the CPU: 1.3.239 (Debian 12, Mesa 22.3.6) finds the barrier and not the binding; 1.4.309 (Debian 13, Mesa 25.0.7) finds both;
# 1.4.363 (Mesa 26.2.6) the barrier, and crashes the driver where it instruments kernels that share memory. So: sync with any, gpu with 1.4.309.
set -u
kind=$1
shift
description=/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
if [ ! -f "$description" ]; then
	# The build that checks warnings installs it (vulkan-validationlayers); others need not have it.
	echo "skipped: the validation layer is not installed"
	exit 77
fi
version=$(sed -n 's/.*"api_version": "\([0-9.]*\)".*/\1/p' "$description")
old=
case $version in 1.[0-3].*) old=1 ;; esac

if [ "$kind" = finds ]; then
	for try in 'none sync 0' 'barrier sync 1' 'none gpu 0' 'binding gpu 1'; do
		set -- "$1" $try
		[ -z "$old" ] || [ "$2" != binding ] || continue
		sh "$0" "$3" "$1" "$2"
		result=$?
		[ $result != 77 ] || exit 77
		[ $result = "$4" ] || {
			echo "with the fault \"$2\", \"$3\" ended with $result for $4"
			exit 1
		}
	done
	exit 0
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# The layers of 1.4 want each thing named, and warn of what they change in their own settings when they instrument; what they find then are errors.
flags=error,warn,perf
case $kind$old in
core1) setting= ;;
core) setting='validate_core = true' ;;
sync1) setting='enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT' ;;
sync) setting='validate_sync = true' ;;
gpu1) setting='enables = VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT' ;;
gpu) setting='gpuav_enable = true
khronos_validation.validate_core = false' flags=error ;;
*) exit 2 ;;
esac
cat >"$dir/vk_layer_settings.txt" <<END
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = $flags,info
khronos_validation.log_filename = $dir/pipe
${setting:+khronos_validation.$setting}
khronos_validation.enable_message_limit = false
khronos_validation.syncval_shader_accesses_heuristic = true
END
# A pipe, because the layer empties a file when it opens it, and each process of the program does.
mkfifo "$dir/pipe"
cat "$dir/pipe" >"$dir/log" &
exec 9>"$dir/pipe"
VK_LAYER_SETTINGS_PATH="$dir" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation "$@" 9>&-
result=$?
exec 9>&-
wait
# What is for information says which instances there were; all else was said of us.
awk '/^[A-Z]+-[A-Za-z-]+\(INFO|^Validation Information:/ { ours = 0; next } /^[A-Z][A-Za-z-]+\((ERROR|WARN|PERF)|^Validation [A-Z]/ { ours = 1 } ours' "$dir/log" >"$dir/said"
n=$(grep -c 'Khronos Validation Layer Active\|Current Validation Enabled' "$dir/log")
echo "validated: $kind by $version, instances: $n"
if [ -s "$dir/said" ]; then
	echo "the validation layer said:"
	head -c 20000 "$dir/said"
	exit 1
fi
exit $result
