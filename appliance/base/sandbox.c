#include "base/sandbox.h"
