/* A device still computes rightly, every kernel of it, once the runtime's sandbox is closed around it and all the threads that its
 * driver had started; and it does so with no path at all where it is a CPU.
 *
 *   device NAME        as --device; 77 when there is no such device */
#include "base/sandbox.h"
#include "runtime/device.h"
#include "runtime/op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct rt_device *d = NULL;
	const char *why = "", *kernel = "";
	if (argc != 2)
		return 2;
	int r = rt_device_open(argv[1], &d, &why);
	if (r) {
		printf("%s: %s\n", argv[1], r > 0 ? why : strerror(-r));
		return r > 0 ? 77 : 1;
	}
	struct rt_device_info info = rt_device_info(d);
	bool cpu = !strcmp(info.kind, "cpu");
	if (!cpu && strcmp(info.kind, "reference") && strcmp(info.kind, "native")) {
		printf("%s is a %s device: its paths stand in keep-runtime\n", info.name, info.kind);
		return 77;
	}
	r = sandbox_enter(&(struct sandbox_params){ .role = SANDBOX_RUNTIME, .exec_memory = cpu });
	if (r) {
		printf("sandbox: %s\n", strerror(-r));
		return 1;
	}
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) {
		printf("%s: the sandbox is open\n", info.name);
		return 1;
	}
	for (int turn = 0; turn < 2 && !r; turn++)
		r = rt_selftest(d, &kernel);
	printf("%s (%s): %s\n", info.name, info.driver,
		r == 0	? "computes rightly in its sandbox"
		: r > 0 ? kernel
			: strerror(-r));
	rt_device_close(d);
	return r != 0;
}
