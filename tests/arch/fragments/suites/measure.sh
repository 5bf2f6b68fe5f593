#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: powerpc's page table fragments: each way of freeing them, as many callbacks run as were queued, contents right
# timeout: 1800
exec "$(dirname "$0")/../suite.sh" measure
