#include "runtime/device_list.h"
#include "runtime/device.h"
#include "runtime/op.h"

#include <errno.h>

/* Lists what rt_device_open opens: to be replaced by the full listing. */
int rt_device_ls(bool json, FILE *out)
{
	return -ENOSYS;
}

int rt_device_test(const char *name, bool json, FILE *out)
{
	return -ENOSYS;
}
