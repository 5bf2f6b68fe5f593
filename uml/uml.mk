# SPDX-License-Identifier: GPL-2.0
# The kernel: source, points, builds. Included by the Makefile; the work is in uml/*.sh.

P ?= fixed
F ?= fast
UML_ENV = LINUX='$(LINUX)' PATCHES='$(PATCHES)' SOURCE='$(SOURCE)'

.PHONY: source kernel points point uml-clean clean
source: ## [kernel] fetch the kernel source and make build/linux from it (SOURCE=linux-7.x.tar.xz takes yours)
	@$(UML_ENV) uml/tree.sh

kernel: ## [kernel] build the UML kernel of a point (P=fixed, F=fast; LINUX=DIR for your tree, PATCHES=FILE on top)
	@tools/deps.sh
	@$(MAKE) --no-print-directory -s build/changed
	@$(UML_ENV) uml/kernel.sh '$(P)' '$(F)'

points: ## [kernel] list the points, what each changes and what it means for UML
	@uml/points.sh list

point: ## [kernel] move your branch, in build/linux, to start from P (make point P=3)
	@uml/points.sh start '$(if $(filter command line environment,$(origin P)),$(P))'

uml-clean:
	@uml/points.sh clean

clean: uml-clean ## [tool] free what can be made again (points, kernels, tools); your edits and commits stay
