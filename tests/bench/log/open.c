/* keepd without its sandbox, so that valgrind can run it (profile.sh); never installed. */
#include "base/sandbox.h"

int __wrap_sandbox_enter(const struct sandbox_params *p);
int __wrap_sandbox_enter(const struct sandbox_params *p)
{
	return 0;
}
