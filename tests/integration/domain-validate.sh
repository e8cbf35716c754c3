#!/bin/bash
# SPDX-License-Identifier: MIT
# Every golden domain passes libvirt's schema.
set -euo pipefail

golden=$(cd "$(dirname "$0")/../golden" && pwd)
failed=0
for xml in "$golden"/domain/*.xml "$golden"/{vmx,xen,libvirt}/out/*.xml; do
  if output=$(virt-xml-validate "$xml" domain 2>&1); then
    echo "PASS domain-validate.$(basename "$xml" .xml) 0"
  else
    echo "FAIL domain-validate.$(basename "$xml" .xml)"$'\n'"$output"
    failed=1
  fi
done
exit $failed
