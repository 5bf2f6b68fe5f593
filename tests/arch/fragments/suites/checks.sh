#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: powerpc's page table fragments: the mended ways in a kernel that complains by itself
# timeout: 2400
exec "$(dirname "$0")/../suite.sh" checks
