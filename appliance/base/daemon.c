#include "base/daemon.h"
