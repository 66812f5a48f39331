#include "runtime/gpu.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The baseline of README.md; every kernel stays within it. */
#define RANGE_BYTES	 (128u << 20)
#define INVOCATIONS	 256u
#define SHARED_BYTES	 32768u
#define RANGE_BYTES_MOST (2ull << 30) /* offsets in kernels are 32 bits */

int gpu_errno_at(VkResult v, const char *file, int line)
{
	int r = -EIO;
	if (v == VK_ERROR_OUT_OF_HOST_MEMORY || v == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
		v == VK_ERROR_TOO_MANY_OBJECTS)
		r = -ENOMEM;
	else if (v == VK_TIMEOUT)
		r = -ETIME;
	return err_origin_at(r, file, line);
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
	VkDebugUtilsMessageTypeFlagsEXT types, const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
	struct gpu_instance *i = user;
	i->messages++;
	fprintf(stderr, "vulkan validation: %s\n", data->pMessage);
	return VK_FALSE;
}

static const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
	.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
	.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
			   VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
	.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
		       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
	.pfnUserCallback = on_message,
};

static VkResult vk_create(bool validate, struct gpu_instance *i)
{
	static const char *layer = "VK_LAYER_KHRONOS_validation", *ext = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
	static const VkValidationFeatureEnableEXT enable =
		VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
	const VkValidationFeaturesEXT features = { .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
		.enabledValidationFeatureCount = 1,
		.pEnabledValidationFeatures = &enable };
	const VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pApplicationName = "keep-runtime",
		.apiVersion = VK_API_VERSION_1_3 };
	const VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pNext = validate ? &features : NULL,
		.pApplicationInfo = &app,
		.enabledLayerCount = validate,
		.ppEnabledLayerNames = &layer,
		.enabledExtensionCount = validate,
		.ppEnabledExtensionNames = &ext };
	return vkCreateInstance(&info, NULL, &i->vk);
}

static int messenger_create(struct gpu_instance *i)
{
	int r = 0;
	PFN_vkCreateDebugUtilsMessengerEXT create = (PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
		i->vk, "vkCreateDebugUtilsMessengerEXT");
	VkDebugUtilsMessengerCreateInfoEXT info = messenger_info;
	info.pUserData = i;
	if (!create)
		return err_origin(-ENOSYS);
	GPU_CHECK(create(i->vk, &info, NULL, &i->messenger));
error:
	return r;
}

static const struct {
	VkPhysicalDeviceType type;
	const char *kind;
	int rank; /* by default the highest is taken */
} kinds[] = {
	{ VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, "discrete", 5 },
	{ VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, "integrated", 4 },
	{ VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU, "virtual", 3 },
	{ VK_PHYSICAL_DEVICE_TYPE_OTHER, "other", 2 },
	{ VK_PHYSICAL_DEVICE_TYPE_CPU, "cpu", 1 },
};

static size_t kind_of(VkPhysicalDeviceType type)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		if (kinds[k].type == type)
			return k;
	return ARRAY_LEN(kinds) - 1;
}

bool gpu_has_extension(VkPhysicalDevice phys, const char *name)
{
	u32 n = 0;
	bool found = false;
	if (vkEnumerateDeviceExtensionProperties(phys, NULL, &n, NULL) != VK_SUCCESS)
		return false;
	VkExtensionProperties *all = calloc(n ? n : 1, sizeof(*all));
	if (all && vkEnumerateDeviceExtensionProperties(phys, NULL, &n, all) == VK_SUCCESS)
		for (u32 i = 0; i < n && !found; i++)
			found = !strcmp(all[i].extensionName, name);
	free(all);
	return found;
}

static bool has_int_dot(struct gpu_found *f, u32 api)
{
	VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES
	};
	VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &dot };
	f->int_dot_ext = api < VK_API_VERSION_1_3;
	if (f->int_dot_ext && !gpu_has_extension(f->phys, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME))
		return false;
	vkGetPhysicalDeviceFeatures2(f->phys, &features);
	return dot.shaderIntegerDotProduct;
}

/* A family that computes (every such family also copies); one without graphics is preferred. */
static bool find_family(VkPhysicalDevice phys, u32 *ret)
{
	VkQueueFamilyProperties all[16];
	u32 n = ARRAY_LEN(all);
	bool found = false;
	vkGetPhysicalDeviceQueueFamilyProperties(phys, &n, all);
	for (u32 i = 0; i < n; i++) {
		if (!(all[i].queueFlags & VK_QUEUE_COMPUTE_BIT))
			continue;
		if (!found || !(all[i].queueFlags & VK_QUEUE_GRAPHICS_BIT))
			*ret = i;
		found = true;
	}
	return found;
}

static const char *unfit(const VkPhysicalDeviceProperties *p, bool has_family)
{
	if (p->apiVersion < VK_API_VERSION_1_2)
		return "older than Vulkan 1.2";
	if (!has_family)
		return "no compute queue";
	if (p->limits.maxStorageBufferRange < RANGE_BYTES)
		return "storage buffers smaller than 128 MiB";
	if (p->limits.maxComputeWorkGroupInvocations < INVOCATIONS ||
		p->limits.maxComputeWorkGroupSize[0] < INVOCATIONS)
		return "fewer than 256 invocations";
	if (p->limits.maxComputeSharedMemorySize < SHARED_BYTES)
		return "less than 32 KiB of shared memory";
	if (p->limits.maxPerStageDescriptorStorageBuffers < KERNEL_BUFS_MAX)
		return "fewer than 8 storage buffers";
	if (p->limits.minStorageBufferOffsetAlignment > RT_ALIGN)
		return "storage buffer offsets coarser than 256 bytes";
	return NULL;
}

static u64 weights_heap_bytes(VkPhysicalDevice phys)
{
	VkPhysicalDeviceMemoryProperties m;
	u64 best = 0;
	vkGetPhysicalDeviceMemoryProperties(phys, &m);
	for (u32 i = 0; i < m.memoryHeapCount; i++)
		if (m.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
			best = MAX(best, m.memoryHeaps[i].size);
	return best;
}

static void describe(VkInstance vk, struct gpu_found *f)
{
	VkPhysicalDeviceMaintenance3Properties m3 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES
	};
	VkPhysicalDeviceDriverProperties driver = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, .pNext = &m3
	};
	VkPhysicalDeviceProperties2 props = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &driver };
	const VkPhysicalDeviceProperties *p = &props.properties;
	vkGetPhysicalDeviceProperties2(f->phys, &props);
	f->type = p->deviceType;
	f->unfit = unfit(p, find_family(f->phys, &f->family));
	f->groups_max = p->limits.maxComputeWorkGroupCount[0];
	f->caps.cpu = p->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
	VkPhysicalDeviceFeatures features;
	vkGetPhysicalDeviceFeatures(f->phys, &features);
	/* Mesa's driver on the CPU, from the version that was measured on (shaders/pipelines.c) */
	f->caps.uniform = driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE && features.shaderInt64 &&
			  p->driverVersion >= VK_MAKE_API_VERSION(0, 26, 0, 0);
	f->caps.int_dot = !f->unfit && has_int_dot(f, p->apiVersion);
	if (!f->unfit)
		f->caps.tile = gpu_coopmat_tile(vk, f->phys);
	f->info.memory_bytes = weights_heap_bytes(f->phys);
	f->info.buf_bytes_max = MIN(m3.maxMemoryAllocationSize, f->info.memory_bytes) - 65536;
	f->info.range_bytes_max = MIN((u64)p->limits.maxStorageBufferRange, RANGE_BYTES_MOST) - GPU_BUF_PAD;
	f->info.rounds_max = driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE ? 65535 : 0;
	/* measured on Mesa's on the CPU, a token of 20 heads behind 512 to 4,096 positions: 22.3.6 takes 1.1 to 1.8 times as long in parts; 26.2.6 has tiles for them */
	f->info.parts = driver.driverID != VK_DRIVER_ID_MESA_LLVMPIPE || f->caps.uniform;
	f->info.tops = f->type != VK_PHYSICAL_DEVICE_TYPE_CPU;
	snprintf(f->info.name, sizeof(f->info.name), "%.120s", p->deviceName);
	snprintf(f->info.driver, sizeof(f->info.driver), "%.60s %.60s", driver.driverName, driver.driverInfo);
	snprintf(f->info.kind, sizeof(f->info.kind), "%s", kinds[kind_of(f->type)].kind);
	pipeline_rows_digest(pipeline_rows, pipeline_rows_n, &f->caps, f->info.kernel_set);
}

/* Equal names get a number, so that every device can be named. */
static void names_number(struct gpu_instance *i)
{
	for (u32 a = 0; a < i->n_found; a++) {
		u32 n = 1;
		for (u32 b = a + 1; b < i->n_found; b++) {
			char *name = i->found[b].info.name;
			if (strcmp(name, i->found[a].info.name))
				continue;
			size_t len = strnlen(name, sizeof(i->found[b].info.name) - 8);
			snprintf(name + len, 8, " #%u", ++n);
		}
	}
}

int gpu_instance_create(bool validate, struct gpu_instance **ret)
{
	int r = 0;
	VkPhysicalDevice phys[GPU_DEVICES_MAX];
	struct gpu_instance *i = calloc(1, sizeof(*i));
	if (!i)
		return err_origin(-ENOMEM);
	/* no file outside the appliance: Mesa and NVIDIA's driver would write compiled kernels under $HOME */
	setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
	setenv("__GL_SHADER_DISK_CACHE", "0", 1);
	VkResult v = vk_create(validate, i);
	if (v == VK_ERROR_INCOMPATIBLE_DRIVER) {
		*ret = i;
		return 0;
	}
	GPU_CHECK(v);
	if (validate && (r = messenger_create(i)) < 0)
		goto error;
	i->n_found = GPU_DEVICES_MAX;
	v = vkEnumeratePhysicalDevices(i->vk, &i->n_found, phys);
	GPU_CHECK(v == VK_INCOMPLETE ? VK_SUCCESS : v);
	for (u32 k = 0; k < i->n_found; k++) {
		i->found[k].phys = phys[k];
		describe(i->vk, &i->found[k]);
	}
	names_number(i);
	*ret = i;
	return 0;
error:
	gpu_instance_destroy(i);
	return r;
}

struct gpu_instance *gpu_instance_destroy(struct gpu_instance *i)
{
	if (!i)
		return NULL;
	if (i->messenger) {
		PFN_vkDestroyDebugUtilsMessengerEXT destroy =
			(PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
				i->vk, "vkDestroyDebugUtilsMessengerEXT");
		destroy(i->vk, i->messenger, NULL);
	}
	if (i->vk)
		vkDestroyInstance(i->vk, NULL);
	free(i);
	return NULL;
}

static bool contains(const char *text, const char *part)
{
	size_t n = strlen(part);
	for (; *text; text++)
		if (!strncasecmp(text, part, n))
			return true;
	return n == 0;
}

static int find_named(
	const struct gpu_instance *i, const char *name, const struct gpu_found **ret, const char **ret_why)
{
	const struct gpu_found *hit = NULL;
	for (u32 k = 0; k < i->n_found; k++) {
		const struct gpu_found *f = &i->found[k];
		if (!strcasecmp(f->info.name, name)) {
			hit = f;
			break;
		}
		if (!contains(f->info.name, name))
			continue;
		if (hit) {
			*ret_why = "several devices have that in their names";
			return 1;
		}
		hit = f;
	}
	*ret_why = !hit ? "no device has that in its name" : hit->unfit;
	if (!hit || hit->unfit)
		return 1;
	*ret = hit;
	return 0;
}

int gpu_instance_find(
	const struct gpu_instance *i, const char *name, const struct gpu_found **ret, const char **ret_why)
{
	const struct gpu_found *best = NULL;
	if (name)
		return find_named(i, name, ret, ret_why);
	for (u32 k = 0; k < i->n_found; k++) {
		const struct gpu_found *f = &i->found[k];
		if (!f->unfit && (!best || kinds[kind_of(f->type)].rank > kinds[kind_of(best->type)].rank))
			best = f;
	}
	if (!best) {
		*ret_why = "no Vulkan device";
		return 1;
	}
	*ret = best;
	return 0;
}
