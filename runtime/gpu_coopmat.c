#include "runtime/gpu.h"

#ifdef KEEP_COOPMAT

#define SHAPES_MAX 64u

const char gpu_coopmat_extension[] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;

static bool features_there(VkPhysicalDevice phys)
{
	VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR
	};
	VkPhysicalDeviceVulkan12Features v12 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &matrix
	};
	VkPhysicalDeviceFeatures2 all = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &v12 };
	if (!gpu_has_extension(phys, gpu_coopmat_extension))
		return false;
	vkGetPhysicalDeviceFeatures2(phys, &all);
	return matrix.cooperativeMatrix && v12.shaderInt8 && v12.vulkanMemoryModel;
}

static u32 subgroup_lanes(VkPhysicalDevice phys)
{
	VkPhysicalDeviceSubgroupProperties sub = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES
	};
	VkPhysicalDeviceProperties2 all = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &sub };
	vkGetPhysicalDeviceProperties2(phys, &all);
	return sub.subgroupSize;
}

/* int8 times int8 into int32 by one subgroup, not saturating. */
static bool is_int8(const VkCooperativeMatrixPropertiesKHR *p)
{
	return p->AType == VK_COMPONENT_TYPE_SINT8_KHR && p->BType == VK_COMPONENT_TYPE_SINT8_KHR &&
	       p->CType == VK_COMPONENT_TYPE_SINT32_KHR && p->ResultType == VK_COMPONENT_TYPE_SINT32_KHR &&
	       p->scope == VK_SCOPE_SUBGROUP_KHR && !p->saturatingAccumulation;
}

struct pipeline_tile gpu_coopmat_tile(VkInstance vk, VkPhysicalDevice phys)
{
	struct pipeline_tile best = { 0 };
	VkCooperativeMatrixPropertiesKHR shapes[SHAPES_MAX];
	u32 n = SHAPES_MAX;
	PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
		(PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)vkGetInstanceProcAddr(
			vk, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
	if (!get || !features_there(phys))
		return best;
	for (u32 i = 0; i < n; i++)
		shapes[i] = (VkCooperativeMatrixPropertiesKHR){
			.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR
		};
	VkResult v = get(phys, &n, shapes);
	if (v != VK_SUCCESS && v != VK_INCOMPLETE)
		return best;
	for (u32 i = 0; i < n; i++) {
		const struct pipeline_tile t = { .lanes = subgroup_lanes(phys),
			.m = shapes[i].MSize,
			.n = shapes[i].NSize,
			.k = shapes[i].KSize };
		/* the larger tile; of equal ones that with K = 16, which every weight type can use */
		u32 size = t.m * t.n, best_size = best.m * best.n;
		if (is_int8(&shapes[i]) && pipeline_tile_fits(&t) &&
			(size > best_size || (size == best_size && t.k == 16)))
			best = t;
	}
	return best;
}

const void *gpu_coopmat_enable(const void *next)
{
	/* filled once per opened device, from one thread: struct gpu_params users open devices one after another */
	static VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
	static VkPhysicalDeviceVulkan12Features v12;
	matrix = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR){
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
		.pNext = (void *)(uintptr_t)next,
		.cooperativeMatrix = VK_TRUE
	};
	v12 = (VkPhysicalDeviceVulkan12Features){
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.pNext = &matrix,
		.shaderInt8 = VK_TRUE,
		.vulkanMemoryModel = VK_TRUE
	};
	return &v12;
}

#else

const char gpu_coopmat_extension[] = "";

struct pipeline_tile gpu_coopmat_tile(VkInstance vk, VkPhysicalDevice phys)
{
	return (struct pipeline_tile){ 0 };
}

const void *gpu_coopmat_enable(const void *next)
{
	return next;
}

#endif
