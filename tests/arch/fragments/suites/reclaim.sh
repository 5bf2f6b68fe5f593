#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: powerpc's page table fragments: PT_RECLAIM over the mended proposal, and where v3 of the series warned
# timeout: 1800
exec "$(dirname "$0")/../suite.sh" reclaim
