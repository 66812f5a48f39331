/* keepd without its sandbox: valgrind cannot run in it (tests/bench/log/profile.sh), and ThreadSanitizer's own thread answers no signal, so that
 * no sandbox can be entered beside it. Never installed. */
#include "base/sandbox.h"

int __wrap_sandbox_enter(const struct sandbox_params *p);
int __wrap_sandbox_enter(const struct sandbox_params *p)
{
	return 0;
}

/* ThreadSanitizer asks: a race ends the process, so that the test which plays its peers sees it. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "halt_on_error=1";
}
