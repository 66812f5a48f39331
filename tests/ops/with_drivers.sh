#!/bin/sh
# with_drivers.sh PROGRAM ARGS: run it with every Vulkan driver that executes: those installed, and SwiftShader when KEEP_SHARED names a
# directory whose tools/swiftshader.sh fetches it. An explicit VK_DRIVER_FILES wins.
set -eu
if [ -z "${VK_DRIVER_FILES:-}" ]; then
	if [ -n "${KEEP_SHARED:-}" ]; then
		swiftshader=$(sh "$KEEP_SHARED/tools/swiftshader.sh" | sed 's/.*VK_ICD_FILENAMES=//')
		VK_DRIVER_FILES=$(ls /usr/share/vulkan/icd.d/*.json 2>/dev/null | tr '\n' ':')$swiftshader
		export VK_DRIVER_FILES VK_ICD_FILENAMES="$VK_DRIVER_FILES"
	else
		echo "SwiftShader is not tested: KEEP_SHARED is not set"
	fi
fi
exec "$@"
