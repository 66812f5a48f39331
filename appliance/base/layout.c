#include "base/layout.h"
