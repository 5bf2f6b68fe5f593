#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Description: powerpc's page table fragments: a page of which fragments wait for a grace period, when its mm ends and a reader is held in the window
# timeout: 1800
exec "$(dirname "$0")/../suite.sh" window
