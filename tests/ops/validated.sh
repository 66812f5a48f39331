#!/bin/sh
# validated.sh core|sync|gpu PROGRAM ARGS: runs PROGRAM with the Vulkan validation layer between it and its driver, whatever PROGRAM knows of that, and fails on any word of
# the layer's. core: calls and objects; sync: also hazards between and within submissions; gpu: also what shaders touch, by instrumenting them. Seen with faults made on purpose:
# a barrier left out and a binding of half its size are found by 1.4.363 (whose instrumenting crashes lavapipe 26.2.6 where kernels share memory), not by 1.3.239 of Debian 12.
set -u
kind=$1
shift
if ! ls /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json >/dev/null 2>&1; then
	# The build that checks warnings installs it (vulkan-validationlayers); others need not have it.
	echo "skipped: the validation layer is not installed"
	exit 77
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# the layers of 1.4 want each thing named, those before a list
case $kind in
core) old= new= ;;
sync) old=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT new=validate_sync ;;
gpu) old=VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT new=gpuav_enable ;;
*) exit 2 ;;
esac
setting="enables = $old"
grep -q '"api_version": "1\.[0-3]\.' /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json || setting="${new:-validate_core} = true"
cat >"$dir/vk_layer_settings.txt" <<END
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = error,warn
khronos_validation.log_filename = $dir/log
khronos_validation.$setting
khronos_validation.enable_message_limit = false
khronos_validation.syncval_shader_accesses_heuristic = true
END
VK_LAYER_SETTINGS_PATH="$dir" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation "$@"
result=$?
if [ -s "$dir/log" ]; then
	echo "the validation layer said:"
	head -c 20000 "$dir/log"
	exit 1
fi
exit $result
