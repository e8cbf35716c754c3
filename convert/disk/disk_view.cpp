#include "convert/disk/disk_view.h"
