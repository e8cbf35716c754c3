#include "fs/overlay/overlay_store.h"
