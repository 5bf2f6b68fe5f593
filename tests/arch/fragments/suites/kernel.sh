#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: powerpc's page table fragments: tables of the kernel's own, freed at once or by RCU
# timeout: 1800
exec "$(dirname "$0")/../suite.sh" kernel
