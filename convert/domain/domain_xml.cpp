#include "convert/domain/domain_xml.h"
