#include "base/request.h"
